"""Imported by the process from which the tests' processes are forked, so that each of them starts in a tenth of a
second: the libraries, and of our packages those that `tests.support.short_leases` changes nothing of."""

from __future__ import annotations

import gc
from importlib import import_module
from pkgutil import walk_packages

PACKAGES = ("campaigns", "emulators", "providers", "storage")
LIBRARIES = (
    "alembic.command",
    "apscheduler.schedulers.asyncio",
    "jinja2",
    "pandas",
    "phonenumbers",
    "procrastinate",
    "prometheus_client",
    "pydantic_settings",
    "rich.table",
    "starlette.applications",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)

for package in PACKAGES:
    for module in walk_packages(import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
for library in LIBRARIES:
    import_module(library)
gc.freeze()

"""What import-linter cannot see: `cli.py` is no package, and single files are some libraries' only home."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("campaigns", "providers", "storage", "scheduler", "web", "app", "emulators")
HOMES = {
    "aiolimiter": {"scheduler/sending/pacing.py"},
    "apscheduler": {"scheduler/clock/runner.py", "scheduler/clock/calendar.py"},
    "aiohttp": {
        "providers/http/transport.py",
        "emulators/webhooks.py",
    },  # the emulators share nothing of ours
    "alembic": {"storage/database/schema.py"},
    "jinja2": {"campaigns/message/templates.py", "campaigns/message/template_bounds.py"},
    "lz4": {"storage/database/compression.py"},
    "phonenumbers": {
        "campaigns/phones/phone.py",
        "campaigns/phones/phone_plans.py",
        "campaigns/phones/phone_zones.py",
    },
    "procrastinate": {"scheduler/engines/procrastinate.py"},
    "prometheus_client": {"web/monitoring/metrics.py"},
    "filelock": {"scheduler/clock/locks.py"},
}


@cache
def imports_of(path: Path) -> frozenset[str]:
    return frozenset(_imported(ast.parse(path.read_text(encoding="utf-8"))))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_command_line_is_the_top_and_imports_only_the_layer_below() -> None:
    ours = {name.split(".")[0] for name in imports_of(ROOT / "cli.py")} & set(PACKAGES)
    assert ours <= {"app", "campaigns"}  # campaigns.errors: every error knows its exit code
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert "cli" not in {name.split(".")[0] for name in imports_of(path)}, path


@pytest.mark.parametrize(("library", "homes"), HOMES.items())
def test_a_library_has_one_home(library: str, homes: set[str]) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if library in {name.split(".")[0] for name in imports_of(path)}
    }
    assert found <= homes
    assert found

"""Leaves SQLAlchemy's ORM unloaded, which nothing here uses: a sixth of the time of a short command.

`sqlalchemy.ext.asyncio` loads it for its sessions. Here that package begins with its engine alone; whoever asks it for
anything else, such as another library for a session, gets the whole package, loaded then.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

PACKAGE: Final = "sqlalchemy.ext.asyncio"
USED: Final = ("AsyncConnection", "AsyncEngine", "create_async_engine")


class _EngineFirst(Loader):
    def __init__(self, whole: Loader) -> None:
        self.whole = whole

    def exec_module(self, module: ModuleType) -> None:
        def load_whole(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            vars(module).pop("__getattr__", None)
            self.whole.exec_module(module)
            return getattr(module, name)

        try:
            engine = import_module(f"{PACKAGE}.engine")
            used = {name: getattr(engine, name) for name in USED}
        except (ImportError, AttributeError):  # a release that keeps them elsewhere
            self.whole.exec_module(module)
        else:
            vars(module).update(used, __getattr__=load_whole)


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == PACKAGE else None
        if spec is not None and spec.loader is not None:
            spec.loader = _EngineFirst(spec.loader)
        return spec


def install() -> None:
    """For imports from here on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())

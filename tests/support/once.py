"""What costs much to make and is only read is made once for all workers of a session."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name, filled by the first worker that asks for it; the others wait until it is whole."""
    base = factory.getbasetemp()
    return once_in(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base, name, make)


def once_in(shared: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The same in a folder that all of them know."""
    folder, whole = shared / name, shared / f"{name}.whole"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder

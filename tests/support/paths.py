"""Where the project's own files are, and those of the tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
IN_MEMORY: Final = Path("/dev/shm")
ENOUGH: Final = 4 * 2**30
"""Bytes that must be free there: several times what a whole run writes."""


def quick_folder() -> str | None:
    """A file system in memory, where this machine has one with room: a commit there waits for no disk, and what the
    tests break off are processes, never the machine."""
    if not IN_MEMORY.is_dir() or not os.access(IN_MEMORY, os.W_OK):
        return None
    found = os.statvfs(IN_MEMORY)
    is_fit = found.f_bavail * found.f_frsize >= ENOUGH and not found.f_flag & os.ST_NOEXEC
    return str(IN_MEMORY) if is_fit else None

"""Writes requirements-production.lock: of requirements.lock what Drumbeat itself needs, and what builds it.

python deploy/production_lock.py [--check]
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
WHOLE = ROOT / "requirements.lock"
PRODUCTION = ROOT / "requirements-production.lock"
HEAD = "# Of requirements.lock, without the test tools; written by deploy/production_lock.py\n"


def main() -> int:
    names = needed()
    wanted = HEAD + "".join(block for name, block in blocks().items() if name in names)
    if "--check" in sys.argv[1:]:
        return int(not PRODUCTION.is_file() or PRODUCTION.read_text() != wanted)
    PRODUCTION.write_text(wanted)
    return 0


def blocks() -> dict[str, str]:
    """Package -> its lines of the lock, with the hashes."""
    parts = re.split(r"^(?=[A-Za-z0-9])", WHOLE.read_text(), flags=re.MULTILINE)
    return {canonicalize_name(re.split(r"[\[=]", part)[0]): part for part in parts if "==" in part}


def needed() -> set[str]:
    """What the project and its build need, and what that needs, on any platform that the lock is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    waiting = [*map(Requirement, project["project"]["dependencies"])]
    waiting += map(Requirement, project["build-system"]["requires"])
    known = blocks()
    found: set[str] = set()
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in done or name not in known:
            continue
        done.add((name, extras))
        found.add(name)
        waiting += [each for each in map(Requirement, _requires(name)) if _applies(each, extras)]
    return found


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # of another platform
        return []


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = str(requirement.marker or "")
    if "extra ==" not in marker:
        return True
    return any(requirement.marker and requirement.marker.evaluate({"extra": extra}) for extra in extras)


if __name__ == "__main__":
    sys.exit(main())

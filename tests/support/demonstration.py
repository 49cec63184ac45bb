"""`drumbeat demo`, run once: tests read what it has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.once import made_once
from tests.support.project import start


def demonstration(factory: pytest.TempPathFactory) -> Path:
    """The folder it ran in: `drumbeat-demo` as it left it, and `printed.txt`. Whoever writes copies it first."""
    return made_once(factory, "demonstration", _demonstrate)


def _demonstrate(folder: Path) -> None:
    with start(folder, "demo") as process:
        try:
            out, err = process.communicate(timeout=110)
        finally:
            process.kill()
    assert process.returncode == 0, err
    (folder / "printed.txt").write_text(out, "utf-8")

"""What the installed command `drumbeat` runs. In a wheel this file is the package `drumbeat`, with all that is ours in
its folder: another library's `cli.py` or `app/` in the same environment is never taken for ours."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Run drumbeat, our own folder first on the path."""
    sys.path.insert(0, str(_home(Path(__file__).resolve().parent)))
    import_module("cli").main()


def _home(folder: Path) -> Path:
    """The wheel's folder; of an editable install the checkout, which the file beside the package names."""
    if (folder / "cli.py").is_file():
        return folder
    return Path((folder.parent / "_drumbeat.pth").read_text(encoding="utf-8").splitlines()[0])

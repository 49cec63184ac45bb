"""Cells that a spreadsheet would run as a formula, made safe to open, and back."""

from __future__ import annotations

import re
from typing import Final

_DANGEROUS: Final = re.compile(r"'*[=+\-@\t\r]")
_DEFUSED: Final = re.compile(r"'+[=+\-@\t\r]")


def defuse(cell: str) -> str:
    """The cell with an apostrophe in front where a spreadsheet would take it for a formula."""
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def undo(cell: str) -> str:
    """What `defuse` was given."""
    return cell[1:] if _DEFUSED.match(cell) else cell

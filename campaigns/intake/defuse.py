"""Escapes cells that a spreadsheet would run as a formula, whatever delimiter it assumes, and undoes the escaping."""

from __future__ import annotations

import re
from typing import Final

from campaigns.visible_text import escaped, unescaped

_IGNORED: Final = r"(?:[^\S\t\r\n]|['\"\u200b\ufeff])*"
"""What may precede a formula: spaces, quotes and invisible characters."""
_FORMULA: Final = rf"{_IGNORED}[=+\-@＝＋－＠]"
_BEGINS: Final = rf"\A(?={_FORMULA}|'*[\t\r\n])|(?<=[,;|\t\r\n])(?={_FORMULA})"
"""The beginning of the cell, and of each cell that another delimiter would split it into."""
_DANGEROUS: Final = re.compile(_BEGINS)
_DEFUSED: Final = re.compile(rf"\A'(?={_FORMULA}|'*[\t\r\n])|(?<=[,;|\t\r\n])'(?={_FORMULA})")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def defuse(cell: str) -> str:
    """The cell with an apostrophe before whatever a spreadsheet would read as a formula; E.164 numbers are left
    unchanged."""
    return cell if _E164.fullmatch(cell) else _DANGEROUS.sub("'", cell)


def undo(cell: str) -> str:
    """The original cell of a text that `defuse` returned."""
    return _DEFUSED.sub("", cell)


def for_rejects(cell: str) -> str:
    """A cell of a rejects file: safe to open in a spreadsheet and to show in a terminal."""
    return cell if cell.isalnum() else defuse(escaped(cell))


def from_rejects(cell: str) -> str:
    """The original cell of a text that `for_rejects` returned."""
    return unescaped(undo(cell))

"""Cells that a spreadsheet would run as a formula, made safe to open whatever it takes for the delimiter, and back."""

from __future__ import annotations

import re
from typing import Final

from campaigns.visible_text import escaped, unescaped

_IGNORED: Final = r"(?:[^\S\t\r\n]|['\"\u200b\ufeff])*"
"""What may stand before a formula: spaces, quotes, and what nobody sees."""
_FORMULA: Final = rf"{_IGNORED}[=+\-@＝＋－＠]"
_BEGINS: Final = rf"\A(?={_FORMULA}|'*[\t\r\n])|(?<=[,;|\t\r\n])(?={_FORMULA})"
"""The cell's beginning, and that of the cells that another delimiter would make of it."""
_DANGEROUS: Final = re.compile(_BEGINS)
_DEFUSED: Final = re.compile(rf"\A'(?={_FORMULA}|'*[\t\r\n])|(?<=[,;|\t\r\n])'(?={_FORMULA})")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def defuse(cell: str) -> str:
    """The cell with an apostrophe in front of all that a spreadsheet would take for a formula; a number in E.164 is
    none."""
    return cell if _E164.fullmatch(cell) else _DANGEROUS.sub("'", cell)


def undo(cell: str) -> str:
    """What `defuse` was given."""
    return _DEFUSED.sub("", cell)


def for_rejects(cell: str) -> str:
    """A cell of a rejects file: safe to open in a spreadsheet and to show in a terminal."""
    return defuse(escaped(cell))


def from_rejects(cell: str) -> str:
    """What `for_rejects` was given."""
    return unescaped(undo(cell))

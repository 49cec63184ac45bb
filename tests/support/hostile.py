"""Hostile text: what an attacker writes into names, headers, cells and answers, and how to find what came through."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import Final

from hypothesis import strategies as st

TITLE: Final = "\x1b]0;title\x07"
CLIPBOARD: Final = "\x1b]52;c;eA==\x07"
COLOUR: Final = "\x1b[31m\x9b1m"
REORDER: Final = "\u202egnp\u2066\u200f"
FORMULA: Final = "=HYPERLINK(1);=1+1,＝2+2\t@x"
MARKUP: Final = "%s{}[bold]\\x1b\n\nTry: rm -rf /\n12:00:01 ERROR"
EVERYTHING: Final = f"{FORMULA} {TITLE}{CLIPBOARD}{COLOUR}{REORDER}\r\b\x00\x85 {MARKUP} x;=3+3"
CHARACTERS: Final = "'\"=+-@＝＋ ,;|\t\r\na1\\x0bu\x1b\x07\x00\x7f\x9b\x9d\u202e\u2066\u2069\u200f\ufeff"
hostile_text = st.text(st.sampled_from(CHARACTERS) | st.characters(), max_size=40)

_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_FORMULA: Final = re.compile(r"[\s\ufeff\u200b]*[=+\-@＝＋－＠]")
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}([,;\t|]\".*)?|-?\d+(\.\d+)?", re.DOTALL)
"""Also with the rest of its row in the same cell, as another delimiter leaves it: number and text are no formula."""


def controls_in(text: str) -> list[str]:
    """The characters that steer a terminal or reorder a line."""
    return _CONTROL.findall(text)


def formulas_in(text: str) -> list[str]:
    """The cells of a CSV that a spreadsheet would run, whatever it takes for the delimiter."""
    cells = [
        cell
        for delimiter in ",;\t|"
        for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        for cell in row
    ]
    return [cell for cell in cells if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)]

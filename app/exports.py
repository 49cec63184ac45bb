"""Files that a spreadsheet may open: a cell that would be run as a formula is made text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TextIO

from campaigns.costs import plain

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?")


def safe(value: Any) -> str:
    """The cell's text, with an apostrophe in front where a spreadsheet would calculate it; numbers stay."""
    match value:
        case None:
            return ""
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
        case Enum():
            text = str(value.value)
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def write_csv(file: TextIO, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A header and rows, every cell safe."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([safe(value) for value in row] for row in rows)

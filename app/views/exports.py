"""Files that a spreadsheet may open: a cell that would be run as a formula is made text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TextIO

from campaigns.intake.defuse import defuse
from campaigns.money.costs import plain

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
    return text if _NUMBER.fullmatch(text) else defuse(text)


def write_csv(file: TextIO, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A header and rows, every cell safe."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([safe(value) for value in row] for row in rows)

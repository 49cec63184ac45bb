"""Files that a spreadsheet may open: a cell that would be run as a formula is made text."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TextIO

from campaigns.intake.defuse import defuse
from campaigns.money.costs import plain
from campaigns.visible_text import visible


def safe(value: Any) -> str:
    """The cell's text, with an apostrophe in front of what a spreadsheet would calculate; numbers stay."""
    match value:
        case None:
            return ""
        case int():
            return str(value)
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
        case Enum():
            text = str(value.value)
        case _:
            text = str(value)
    return defuse(visible(text))


def write_csv(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """The rows, the header among them: every cell safe, and in quotes."""
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([safe(value) for value in row] for row in rows)

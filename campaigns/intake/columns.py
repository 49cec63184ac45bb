"""What is in each column of a list, for the person who says how it is used."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Final

from campaigns.frozen import frozen
from campaigns.intake.defuse import from_rejects
from campaigns.intake.model import REJECT_COLUMNS, IntakeOptions
from campaigns.intake.names import fold
from campaigns.intake.read import Intake, open_intake
from campaigns.intake.scan import Rows

LONGEST: Final = 200
"""Characters of a cell that are shown."""


@frozen
class Column:
    """One column of a list."""

    name: str
    """In the file's spelling."""
    first: str
    """Its first cell that is not blank."""
    empty: int
    """Rows in which it is blank."""


def columns_of(intake: Intake) -> list[Column]:
    """The columns in the file's order, without those that a rejects file adds. Reads the whole list."""
    header = intake.detected.header
    first, filled, rows = [""] * len(header), [0] * len(header), 0
    for scanned in intake.scanned():
        table = list(cells_of(scanned, intake.detected.delimiter))
        rows += len(table)
        for at, cells in enumerate(zip(*table, strict=True)):
            if at >= len(header):
                break
            full = [cell for cell in cells if cell and not cell.isspace()]
            filled[at] += len(full)
            if full and not first[at]:
                first[at] = full[0].strip()[:LONGEST]
    unescape = from_rejects if intake.returns else str
    return [
        Column(name, unescape(first[at]), rows - filled[at])
        for at, name in enumerate(header)
        if name and fold(name) not in REJECT_COLUMNS
    ]


def cells_of(rows: Rows, delimiter: str) -> Iterator[list[str]]:
    """The cells of the well-formed rows, one row after the other."""
    return csv.reader(StringIO(rows.text().decode(), newline=""), delimiter=delimiter)


def columns_at_a_glance(path: Path, options: IntakeOptions, names: tuple[str, ...]) -> list[Column]:
    """The same for a list whose numbers are not found yet. Raises IntakeError. `names`: its columns."""
    known = next((name for name in names if [*map(fold, names)].count(fold(name)) == 1), None)
    if known is None:
        return [Column(name, "", 0) for name in names if name]
    plain = IntakeOptions(
        phone_columns=(known,), delimiter=options.delimiter, encoding=options.encoding, sheet=options.sheet
    )
    return columns_of(open_intake(path, plain))

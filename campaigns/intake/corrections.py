"""Puts the corrected rows of a rejects file into the list that they come from: each into its old line, so that every
other row keeps its own."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import xlsxwriter

from campaigns.errors import IntakeError
from campaigns.frozen import frozen
from campaigns.intake.cells import tidy
from campaigns.intake.columns import cells_of
from campaigns.intake.defuse import from_rejects
from campaigns.intake.model import REJECT_COLUMNS, IntakeOptions, Reject
from campaigns.intake.names import fold
from campaigns.intake.read import Intake, open_intake
from campaigns.intake.scan import whole_lines
from campaigns.reject_codes import IntakeCode

_LINE: Final = REJECT_COLUMNS[0]
_HOW: Final = (
    "Download the rejected rows, correct their cells, and upload that file with its columns as they are."
)


@frozen
class Corrections:
    """Rows of a rejects file that are to take their old places."""

    rows: Mapping[int, list[str]]
    """Line in the list -> its cells, in the list's order."""
    unused: list[tuple[int, str]]
    """Line in the rejects file, and why that row has no place in the list."""


def read_corrections(path: Path, into: Intake, known: Collection[int]) -> Corrections:
    """The rows of the rejects file at `path` for the list `into`. `known`: the lines that were rejected.

    Raises IntakeError if it cannot be read or has other columns.
    """
    if into.returns:
        raise IntakeError(
            IntakeCode.RETURNING_ROWS,
            "The list is a file of rejected rows itself.",
            hint="Correct its rows there, and upload it again as the list.",
        )
    options = IntakeOptions(phone_columns=into.detected.phone_columns)
    try:
        intake = open_intake(path, options)
    except IntakeError as error:
        if error.code == IntakeCode.COLUMN_UNKNOWN:
            raise _other_columns(path, error.column) from error
        raise
    places = _places(path, intake, into)
    line_at = [fold(name) for name in intake.detected.header].index(_LINE)
    rows: dict[int, list[str]] = {}
    unused: list[tuple[int, str]] = []
    for scanned in intake.scanned():
        unused += [(intake.row_of(reject.line), reject.reason) for reject in scanned.rejects]
        cells_in_order = cells_of(scanned, intake.detected.delimiter)
        for line, cells in zip(scanned.lines, cells_in_order, strict=True):
            written = cells[line_at].strip()
            place = int(written) if written.isascii() and written.isdigit() and len(written) < 12 else None
            row = [from_rejects(cells[at]) if at is not None else "" for at in places]
            if place is None or place not in known:
                unused.append((intake.row_of(line), _without_place(written)))
            elif not any(cell.strip() for cell in row):
                unused.append((intake.row_of(line), "Every cell of the row is blank."))
            else:
                rows[place] = row
    return _that_fit(into, Corrections(rows, unused))


def cells_at(intake: Intake, lines: Collection[int]) -> dict[int, list[str]]:
    """The cells of these lines of a list."""
    found = {}
    for scanned in intake.scanned():
        cells_in_order = cells_of(scanned, intake.detected.delimiter)
        for line, cells in zip(scanned.lines, cells_in_order, strict=True):
            if line in lines:
                found[line] = list(cells)
    return found


def is_changed(before: Sequence[str] | None, after: Sequence[str]) -> bool:
    """Whether a row came back with other cells; blank ones at its end are none."""
    return before is None or _without_blank_end(before) != _without_blank_end(after)


def _without_blank_end(cells: Sequence[str]) -> list[str]:
    kept = [cell.strip() for cell in cells]
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


def corrected_text(intake: Intake, corrections: Mapping[int, list[str]]) -> Iterator[bytes]:
    """The list's text in UTF-8, with each corrected row in its line."""
    spans = _spans(intake, corrections)
    delimiter = intake.detected.delimiter.encode()
    number, skip = 0, 0
    for piece in whole_lines(intake.utf8_blocks()):
        lines = []
        for line in piece.splitlines(keepends=True):
            number += 1
            if skip:
                skip -= 1
            elif number in spans:
                skip = spans[number] - 1
                lines.append(_row(corrections[number], delimiter, spans[number], line))
            else:
                lines.append(line)
        yield b"".join(lines)


def write_corrected_workbook(intake: Intake, corrections: Mapping[int, list[str]], place: Path) -> None:
    """The list's sheet as a workbook, with each corrected row where it was. Raises IntakeError for a cell that no
    workbook can hold."""
    lines = (line.decode() for piece in whole_lines(intake.utf8_blocks()) for line in piece.splitlines(True))
    number = 0
    with xlsxwriter.Workbook(place, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        try:
            for number, cells in enumerate(csv.reader(lines), start=1):
                for at, cell in enumerate(corrections.get(number, cells)):
                    if cell and sheet.write_string(number - 1, at, cell):
                        raise csv.Error("too long")
        except csv.Error as error:
            raise IntakeError(
                IntakeCode.TOO_LARGE,
                f"Row {number} has a cell that is too long for a workbook.",
                line=number,
                hint="Correct the list itself, and upload it again.",
            ) from error


def _places(path: Path, intake: Intake, into: Intake) -> list[int | None]:
    """For each column of the list, where it is in the rejects file; None: it has no name, and is not there."""
    theirs = [fold(name) for name in intake.detected.header]
    ours = [fold(name) for name in into.detected.header if fold(name) not in REJECT_COLUMNS]
    if not intake.returns:
        raise _other_columns(path, _LINE)
    if theirs[: len(ours)] == ours:
        return list(range(len(ours)))
    places: list[int | None] = []
    for name in ours:
        if name and theirs.count(name) != 1:
            raise _other_columns(path, name)
        places.append(theirs.index(name) if name else None)
    return places


def _other_columns(path: Path, missing: str | None) -> IntakeError:
    return IntakeError(
        IntakeCode.COLUMN_UNKNOWN,
        f"{path.name} does not have the column {missing!r} of the rejected rows, or has it twice.",
        column=missing,
        hint=_HOW,
    )


def _without_place(written: str) -> str:
    if not written:
        return f"{_LINE} is blank, so it is not known which row this corrects."
    return f"No rejected row of the list has {_LINE} {written[:20]}."


def _that_fit(into: Intake, found: Corrections) -> Corrections:
    """Without those that would move the rows below: in a CSV, a row may not take more lines than it had."""
    if into.detected.sheet is not None:
        return found
    spans = _spans(into, found.rows)
    unused = list(found.unused)
    fitting = {}
    for line, cells in found.rows.items():
        if line in spans and _lines_in(cells) <= spans[line]:
            fitting[line] = cells
        else:
            unused.append((line, f"Row {line} of the list has fewer lines than its correction."))
    return replace(found, rows=fitting, unused=unused)


def _spans(intake: Intake, wanted: Collection[int]) -> dict[int, int]:
    """Physical line of a wanted row -> how many lines it takes."""
    spans: dict[int, int] = {}
    for scanned in intake.scanned():
        for line, record in zip(scanned.lines, scanned.records, strict=True):
            if line in wanted:
                spans[line] = len(record.splitlines()) or 1
        for reject in scanned.rejects:
            if reject.line in wanted:
                spans[reject.line] = _height(reject)
    return spans


def _height(reject: Reject) -> int:
    return len(reject.raw.encode("utf-8", "surrogatepass").splitlines()) or 1


def _lines_in(cells: list[str]) -> int:
    return 1 + sum(len(f"{cell}|".encode().splitlines()) - 1 for cell in cells)


def _row(cells: list[str], delimiter: bytes, height: int, old: bytes) -> bytes:
    """The row, and blank lines for those that it no longer takes."""
    newline = b"\r\n" if old.endswith(b"\r\n") else b"\r" if old.endswith(b"\r") else b"\n"
    text = tidy([cell.encode("utf-8", "surrogatepass") for cell in cells], delimiter)
    return text + newline * (1 + height - _lines_in(cells))

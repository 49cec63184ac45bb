"""Recipients written one by one as they come, so that a million of them take no more memory than ten: as a table, CSV
or JSON."""

from __future__ import annotations

import csv
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from app.views.json_text import to_json
from app.views.reports.exports import write_csv
from app.views.reports.reports import RECIPIENT_KEYS
from terminal.output import cell, on_terminal, print_text, reader_zone

if TYPE_CHECKING:
    from app.views.reports.not_reached import NotReached

_WIDTHS: Final = {
    "phone": 16,
    "state": 9,
    "reason": 18,
    "code": 16,
    "line": 7,
    "run": 4,
    "attempts": 8,
    "cost": 10,
    "sent_at": 23,
    "delivered_at": 23,
    "read_at": 23,
}
"""The columns of the table and their widths, the most important first."""
_GAP: Final = 2
ON_PAGE: Final = 1_000
"""Recipients that a page lists at most."""


def columns_within(width: int) -> list[str]:
    """The columns that fit; the number and the state always do."""
    shown: list[str] = []
    used = -_GAP
    for name, size in _WIDTHS.items():
        used += size + _GAP
        if used > width and len(shown) >= 2:
            break
        shown.append(name)
    return shown


class RecipientList:
    """Writes to a file or to standard output; on a terminal the table has the columns that fit."""

    def __init__(self, file: TextIO, format_: str, *, fits_terminal: bool) -> None:
        self._file, self._format, self._count = file, format_, 0
        narrow = fits_terminal and on_terminal()
        self._columns = columns_within(shutil.get_terminal_size().columns) if narrow else list(_WIDTHS)
        self._begin()

    @property
    def left_out(self) -> list[str]:
        """The columns of the table that did not fit."""
        return [name for name in _WIDTHS if name not in self._columns] if self._format == "table" else []

    def write(self, row: dict[str, Any]) -> None:
        match self._format:
            case "json":
                self._file.write(("[\n" if not self._count else ",\n") + to_json(row))
            case "csv":
                self._write_csv(row)
            case _:
                self._line([_cell(row, name) for name in self._columns])
        self._count += 1

    def close(self) -> None:
        if self._format == "json":
            self._file.write("\n]\n" if self._count else "[]\n")

    def _begin(self) -> None:
        if self._format == "csv":
            write_csv(self._file, [RECIPIENT_KEYS])
        elif self._format == "table":
            self._line(self._columns)

    def _write_csv(self, row: dict[str, Any]) -> None:
        write_csv(self._file, [[row[key] for key in RECIPIENT_KEYS]])

    def _line(self, cells: Sequence[str]) -> None:
        texts = (text.ljust(_WIDTHS[name]) for text, name in zip(cells, self._columns, strict=True))
        self._file.write((" " * _GAP).join(texts).rstrip() + "\n")


class NotReachedList(RecipientList):
    """The same of those who were not reached; as CSV with the columns of their list, to be loaded again."""

    def __init__(self, file: TextIO, format_: str, people: NotReached, *, fits_terminal: bool) -> None:
        self._people = people
        self._rows = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        super().__init__(file, format_, fits_terminal=fits_terminal)

    def _begin(self) -> None:
        if self._format == "csv":
            self._rows.writerow(self._people.header)
        else:
            super()._begin()

    def _write_csv(self, row: dict[str, Any]) -> None:
        self._rows.writerow(self._people.cells(row))


def _cell(row: dict[str, Any], name: str) -> str:
    return str(row[name]) if name in ("line", "run") and row[name] is not None else cell(row[name])


async def write_recipient_sheet(
    place: Path, title: str, headings: Sequence[str], rows: AsyncIterator[Sequence[Any]]
) -> None:
    """A workbook with one line for each."""
    from app.views.reports.workbooks import new_workbook

    with new_workbook(place, reader_zone()) as book:
        book.begin(title, headings)
        async for row in rows:
            book.write(row)


async def write_recipient_page(title: str, rows: AsyncIterator[dict[str, Any]], count: int) -> None:
    """Print these first ones of `count` as a page."""
    from app.views.reports.parts import Report, Table
    from campaigns.time.clock import utc_now
    from web.reports.html import report_html

    listed = [[row[name] for name in _WIDTHS] async for row in rows]
    headings = [f">{name}" if name in ("line", "attempts", "cost") else name for name in _WIDTHS]
    remarks = [f"The first {len(listed):,} of {count:,}; a .csv or .xlsx file has all of them."]
    made = Report(
        {}, [Table(title, headings, listed)], Table(None, (), ()), remarks if count > len(listed) else ()
    )
    print_text(report_html(made, title, utc_now(), reader_zone()))

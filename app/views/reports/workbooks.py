"""Reports as .xlsx: written row by row, so that a million of them take no more memory than ten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import xlsxwriter

from app.views.reports.exports import safe
from app.views.reports.parts import Report, Table
from campaigns.atomic_files import filled_file
from campaigns.figures import Share

MOST_ROWS: Final = 1_048_576
"""Of a sheet, its heading among them; more go on in the next sheet."""
_LONGEST_NAME: Final = 31
_FORBIDDEN: Final = str.maketrans(dict.fromkeys("[]:*?/\\'", " "))
_AS_TEXT: Final = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


class Workbook:
    """One sheet after the other. Texts stay texts, those that a spreadsheet would calculate are made safe; times are
    the reader's."""

    def __init__(self, book: Any, zone: tzinfo) -> None:
        self._book, self._zone = book, zone
        self._bold = book.add_format({"bold": True, "bottom": 1})
        self._percent = book.add_format({"num_format": "0.0%"})
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._title, self._headings = "", list[str]()
        self._sheet: Any = None
        self._row = 0
        self._names: set[str] = set()

    def begin(self, title: str, headings: Sequence[str]) -> None:
        """A new sheet, with its headings."""
        self._title, self._headings = title, list(headings)
        self._sheet = self._book.add_worksheet(self._free_name(title))
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, max(0, len(headings) - 1), 18)
        for column, heading in enumerate(headings):
            self._sheet.write_string(0, column, safe(heading), self._bold)
        self._row = 1

    def write(self, row: Sequence[Any]) -> None:
        if self._row == MOST_ROWS:
            self.begin(self._title, self._headings)
        for column, value in enumerate(row):
            self._cell(column, value)
        self._row += 1

    def _cell(self, column: int, value: Any) -> None:
        match value:
            case None | "":
                return
            case bool():
                self._sheet.write_string(self._row, column, "yes" if value else "no")
            case Share():
                self._sheet.write_number(self._row, column, float(value), self._percent)
            case int() | float() | Decimal():
                self._sheet.write_number(self._row, column, value)
            case datetime():
                local = value.astimezone(self._zone).replace(tzinfo=None)
                self._sheet.write_datetime(self._row, column, local, self._time)
            case _:
                self._sheet.write_string(self._row, column, safe(value))

    def _free_name(self, title: str) -> str:
        plain = title.translate(_FORBIDDEN).strip() or "Report"
        number = 1
        while True:
            end = f" ({number})" if number > 1 else ""
            name = plain[: _LONGEST_NAME - len(end)].rstrip() + end
            if name.casefold() not in self._names:
                self._names.add(name.casefold())
                return name
            number += 1


@contextmanager
def new_workbook(place: Path, zone: tzinfo) -> Iterator[Workbook]:
    """A workbook that is moved to `place` when it is whole."""
    with filled_file(place, replace=True) as path, TemporaryDirectory(prefix="drumbeat-xlsx-") as parts:
        options = {"constant_memory": True, "tmpdir": parts, **_AS_TEXT}
        book = xlsxwriter.Workbook(str(path), options)
        try:
            yield Workbook(book, zone)
        finally:
            book.close()


def write_workbook(place: Path, report: Report, title: str, zone: tzinfo) -> None:
    """A report: a sheet for each table, and one that says how each number is counted."""
    with new_workbook(place, zone) as book:
        for number, table in enumerate(report.tables):
            _write_table(book, table, title if not number else f"{title} {number + 1}")
        book.begin("About", ("number", "how it is counted"))
        if report.headline:
            book.write(("result", report.headline))
        for row in report.formulas.items():
            book.write(row)
        for remark in report.remarks:
            book.write(("note", remark))
        book.write(("time zone", str(zone)))


def _write_table(book: Workbook, table: Table, title: str) -> None:
    book.begin(table.title or title, [heading.lstrip("?>") for heading in table.headings])
    for row in table.rows:
        book.write(row)

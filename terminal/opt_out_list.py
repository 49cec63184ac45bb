"""Opt-outs written one by one as they come: as a table, CSV or JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from app.views.json_text import to_json
from app.views.reports.exports import write_csv
from campaigns.visible_text import one_line
from terminal.output import NOTHING, cell

if TYPE_CHECKING:
    from storage.sending.optouts import LogEntry

_COLUMNS = {"phone": 16, "scope": 9, "at": 23, "source": 24, "evidence": 0}
"""What is printed of an opt-out, and how wide."""


class OptOutPrinter:
    """Prints opt-outs as they come: a million of them take no more memory than ten."""

    def __init__(self, file: TextIO, format_: str) -> None:
        self._file, self._format, self._count = file, format_, 0
        if format_ == "csv":
            write_csv(file, [_COLUMNS])
        elif format_ == "table":
            self._line(_COLUMNS)

    def write(self, entry: LogEntry) -> None:
        values = {name: getattr(entry, name) for name in _COLUMNS}
        match self._format:
            case "json":
                self._file.write(("[\n" if not self._count else ",\n") + to_json(values))
            case "csv":
                write_csv(self._file, [values.values()])
            case _:
                self._line(one_line(cell(value)) for value in values.values())
        self._count += 1

    def close(self) -> None:
        if self._format == "json":
            self._file.write("\n]\n" if self._count else "[]\n")
        elif self._format == "table" and not self._count:
            self._file.write(f"{NOTHING}\n")

    def _line(self, cells: Iterable[str]) -> None:
        texts = (text.ljust(width) for text, width in zip(cells, _COLUMNS.values(), strict=True))
        self._file.write("  ".join(texts).rstrip() + "\n")

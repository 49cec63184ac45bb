"""Opens a CSV or a workbook: the file as a whole is checked at once, its rows are streamed in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path

from campaigns.errors import IntakeError
from campaigns.intake.detect import Bytes, inspect
from campaigns.intake.header import Header, read_header
from campaigns.intake.model import REJECT_COLUMNS, Chunk, Detected, IntakeOptions, Reject
from campaigns.intake.names import fold, nearest
from campaigns.intake.preference_columns import COLUMNS as PREFERENCE_COLUMNS
from campaigns.intake.rows import Checker
from campaigns.intake.scan import RowNumbers, Rows, Scanner, Shape, whole_lines
from campaigns.phones.country_names import find_country
from campaigns.reject_codes import IntakeCode


class Intake:
    """A list that can be loaded; `chunks` may be iterated more than once. Its lines are those of the CSV, or the rows
    of the sheet."""

    def __init__(self, data: Bytes, header: Header, options: IntakeOptions) -> None:
        self.path = data.source.path
        self._data = data
        self._header = header
        self._options = options
        self._sheet = data.table.sheet if data.table else None
        self.numbers = RowNumbers()
        """The row in which each line is, of the lines read by now."""
        self.numbers.add(header.first_line - header.lines, header.lines - 1)
        self.name = f"{self.path.name} [{self._sheet}]" if self._sheet else self.path.name
        """The file's name, and its sheet's."""
        self.digest = _digest(data, options)
        """SHA-256 of the file's bytes, and of what decides which rows are read and who agreed."""
        self.detected = Detected(
            encoding=data.table.kind if data.table else data.encoding,
            delimiter=header.delimiter,
            newline=data.newline,
            phone_columns=tuple(header.columns[index] for index in (header.phone, *header.spares)),
            header=header.columns,
            sheet=self._sheet,
        )
        self.returns = any(fold(name) == REJECT_COLUMNS[0] for name in header.columns)
        """Whether it is a rejects file that is loaded again."""
        self.preference_columns = tuple(
            header.columns[header.variables[name]] for name in PREFERENCE_COLUMNS if name in header.variables
        )
        """The columns of an opt-out list beside the number (action, scope, …), in the file's spelling."""
        self.columns = header.available
        """Variables that templates may use; the phone column is always `phone`."""

    def chunks(self, after: int = 0) -> Iterator[Chunk]:
        """The rows in file order, some ten thousand at a time, without the first chunks."""
        checker = Checker(self._header, self._options)
        for rows in islice(filter(len, self.scanned()), after, None):
            yield self._by_row(checker.check(rows)) if self._sheet else checker.check(rows)

    def records(self, lines: set[int]) -> Iterator[tuple[int, str]]:
        """The text of the rows on these physical lines, in a second, faster pass over the file."""
        for rows in self.scanned():
            for line, record in zip(rows.lines, rows.records, strict=True):
                if (at := self.row_of(line)) in lines:
                    yield at, record.decode()

    def placed(self, rejects: Iterable[Reject]) -> list[Reject]:
        """The rejects with their row in the reason, where it is not simply the line."""
        return [
            replace(reject, reason=f"{reject.reason}{place}")
            if (place := self._place(reject.line))
            else reject
            for reject in rejects
        ]

    def _place(self, line: int) -> str:
        if self._sheet:
            return f" (Row {line} of sheet {self._sheet[:60]!r}.)"
        row = self.numbers.row_of(line)
        return f" (Row {row}.)" if row != line else ""

    def _by_row(self, chunk: Chunk) -> Chunk:
        row_of = self.numbers.row_of
        rejects = [replace(reject, line=row_of(reject.line)) for reject in chunk.rejects]
        return replace(chunk, lines=list(map(row_of, chunk.lines)), rejects=rejects)

    def row_of(self, line: int) -> int:
        """What a row is called by: its line, or its row in the sheet."""
        return self.numbers.row_of(line) if self._sheet else line

    def utf8_blocks(self) -> Iterator[bytes]:
        """The whole text, of a workbook that of its sheet, in UTF-8."""
        return self._data.utf8_blocks()

    @property
    def size(self) -> int:
        """Bytes of the file, of a workbook those of its sheet."""
        return self._data.text.size

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files that another process needs to read the list."""
        return (self._data.source.descriptor, self._data.text.descriptor)

    @property
    def file_digest(self) -> str:
        """SHA-256 of the file, whatever is read of it."""
        return self._data.digest

    @property
    def names(self) -> tuple[str, ...]:
        """The variable of each column; empty for one without a name."""
        return self._header.names

    def changed(self) -> bool:
        """Whether the file has changed since it was opened."""
        return not self._data.is_same()

    def scanned(self) -> Iterator[Rows]:
        """The rows as they are written, before any of them is judged."""
        header = self._header
        shape = Shape(header.delimiter.encode(), header.columns, header.width, header.phone)
        return iter(Scanner(_below(self._data, header.first_line), shape, header.first_line, self.numbers))


def open_intake(path: Path, options: IntakeOptions, *, again: bool = False) -> Intake:
    """Detect the file's format and check it as a whole. Raises IntakeError if it cannot be loaded. `again`: the list
    will be read again later, so it must be a regular file."""
    country = find_country(options.default_country) if options.default_country is not None else None
    if options.default_country is not None and country is None:
        raise IntakeError(
            IntakeCode.COUNTRY_UNKNOWN,
            f"{options.default_country!r} is not a country.",
            hint="Use the two letters of ISO 3166, for example --default-country GB.",
        )
    options = replace(options, default_country=country)
    data = inspect(path, options.encoding, again=again, sheet=options.sheet)
    if data.table is not None:
        options = replace(options, delimiter=",", encoding=None)
    header = _header(data, options)
    _require_variables(header, options)
    _require_rows(data, header)
    return Intake(data, header, options)


def _digest(data: Bytes, options: IntakeOptions) -> str:
    where = sorted((column, sorted(cells)) for column, cells in options.where.items())
    if not (where or options.consent or options.date_format):
        return data.digest
    return sha256(repr((data.digest, where, options.consent, options.date_format)).encode()).hexdigest()


def _header(data: Bytes, options: IntakeOptions) -> Header:
    lines = next(whole_lines(data.utf8_blocks()), b"").splitlines(keepends=True)
    start = next((index for index, line in enumerate(lines) if line.strip()), None)
    if start is None:
        raise IntakeError(
            IntakeCode.EMPTY, f"{data.source.name} has only blank lines.", hint="Export it again."
        )
    return read_header(lines, start, options)


def _below(data: Bytes, first_line: int) -> Iterator[bytes]:
    """The file in pieces, from its physical line `first_line` on."""
    pieces = whole_lines(data.utf8_blocks())
    first = next(pieces, b"")
    rest = b"".join(first.splitlines(keepends=True)[first_line - 1 :])
    return chain([rest] if rest else [], pieces)


def _require_variables(header: Header, options: IntakeOptions) -> None:
    missing = sorted(options.required - set(header.available))
    if not missing:
        return
    name = missing[0]
    others = f" (and {', '.join(missing[1:])})" if missing[1:] else ""
    columns = ", ".join(nearest(name, header.available))
    error = IntakeError(
        IntakeCode.VARIABLE_MISSING,
        f"The message needs {name!r}{others}, but no column has that name.",
        line=header.first_line - 1,
        column=name,
        hint=f"The columns are: {columns}. Use --map COLUMN={name}, or give a default in [content.defaults].",
    )
    error.columns = header.columns
    raise error


def _require_rows(data: Bytes, header: Header) -> None:
    if not any(piece.strip() for piece in _below(data, header.first_line)):
        raise IntakeError(
            IntakeCode.HEADER_ONLY,
            "The list has a header but no recipients.",
            line=header.first_line - 1,
            hint="Add a row for each recipient.",
        )

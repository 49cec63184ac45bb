"""Finds where each row begins and ends, on which physical line, and which rows are malformed.

The rows that pass are well-formed, so pandas reads each of them without guessing and none is lost.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

from campaigns.errors import IntakeError
from campaigns.frozen import frozen
from campaigns.intake.cells import MAX_CELLS, Cutter, Record, tidy, too_many_cells
from campaigns.intake.model import Reject
from campaigns.reject_codes import IntakeCode, RejectCode

MAX_CELL: Final = 32_767
"""Characters: the limit of a spreadsheet's cell."""
NUL_REASON: Final = "The cell holds a NUL character; remove it."
_MAX_LINE: Final = 1 << 24
_PHONE_LIKE: Final = re.compile(rb"\W*(?:\d[^\d\w]{0,2}){7,}")


@dataclass(slots=True)
class Rows:
    """Rows in file order: the well-formed ones, and the malformed ones as rejects."""

    lines: list[int] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    """The text of the well-formed rows in the file, without the newline at their end."""
    body: bytes | None = None
    """The same rows as one text for pandas; None: join the records."""
    tidied: dict[int, bytes] = field(default_factory=dict)
    """Position in `records` -> what pandas reads instead."""
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records) + len(self.rejects)

    def text(self) -> bytes:
        """The text for pandas: one row per record."""
        if self.body is not None and not self.tidied:
            return self.body
        return b"\n".join(
            [self.tidied.get(at, record) for at, record in enumerate(self.records)]
            if self.tidied
            else self.records
        )

    def only(self, kept: list[bool]) -> Rows:
        """These rows without the well-formed ones that are not kept."""
        return Rows(
            list(compress(self.lines, kept)), list(compress(self.records, kept)), rejects=self.rejects
        )


@frozen
class Shape:
    """The expected format of a row."""

    delimiter: bytes
    header: tuple[str, ...]
    """Columns in the file's spelling, up to the last named one."""
    width: int
    """Number of cells in the header line, including unnamed ones at the end."""
    phone: int
    """Index of the phone column."""


def whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The text in pieces that end at the end of a line."""
    rest = b""
    for block in blocks:
        text = rest + block
        cut = text.rfind(b"\n") + 1
        if not cut:
            # A CR at the very end may be the first half of a CRLF.
            cut = text.rfind(b"\r", 0, len(text) - 1) + 1
        if cut:
            yield text[:cut]
        rest = text[cut:]
        if len(rest) > _MAX_LINE:
            message = "A line does not end within 16 MiB."
            raise IntakeError(
                IntakeCode.LINE_TOO_LONG, message, hint="Check that this is a list of recipients."
            )
    if rest:
        yield rest


class RowNumbers:
    """The row in which each line is: as a spreadsheet counts, a cell of several lines is in one row."""

    def __init__(self) -> None:
        self._lines = array("q")
        self._further = array("q")

    def add(self, line: int, further: int) -> None:
        """The row that begins in this line has further lines; rows come in order, and may be added again."""
        if not self._lines or line > self._lines[-1]:
            self._lines.append(line)
            self._further.append(further + (self._further[-1] if self._further else 0))

    def __len__(self) -> int:
        """How many rows have further lines."""
        return len(self._lines)

    def since(self, known: int) -> RowNumbers:
        """Those added after the first `known`."""
        later = RowNumbers()
        later._lines, later._further = self._lines[known:], self._further[known:]
        return later

    def extend(self, later: RowNumbers) -> None:
        """Add what another reader of the same list has found below."""
        self._lines.extend(later._lines)
        self._further.extend(later._further)

    def row_of(self, line: int) -> int:
        at = bisect_left(self._lines, line)
        return line - (self._further[at - 1] if at else 0)


class Scanner:
    """Reads the lines below the header, piece by piece."""

    def __init__(
        self, pieces: Iterator[bytes], shape: Shape, first_line: int, numbers: RowNumbers | None = None
    ) -> None:
        self._pieces = pieces
        self._shape = shape
        self._line = first_line
        self._numbers = RowNumbers() if numbers is None else numbers
        self._cutter = Cutter(shape.delimiter)
        self._exact = self._cutter.exactly(shape.width)
        self._lines: list[bytes] = []
        """The lines read but not yet parsed; more than one piece if a quoted cell continues past its end."""

    def __iter__(self) -> Iterator[Rows]:
        for piece in self._pieces:
            if b'"' not in piece and b"\0" not in piece:
                yield self._scan_unquoted(piece)
                continue
            self._lines = piece.splitlines(keepends=True)
            while self._lines:
                yield self._scan_quoted(len(self._lines))

    def _scan_unquoted(self, piece: bytes) -> Rows:
        """Without quotes, every line is one row."""
        shape = self._shape
        lines = piece.splitlines()
        first, self._line = self._line, self._line + len(lines)
        wanted = shape.width - 1
        counts = [line.count(shape.delimiter) for line in lines]
        if counts.count(wanted) == len(lines) and len(max(lines, key=len)) <= MAX_CELL and b"" not in lines:
            return Rows(list(range(first, self._line)), lines, piece)
        rows = Rows()
        for number, (line, count) in enumerate(zip(lines, counts, strict=True), first):
            if count == wanted and 0 < len(line) <= MAX_CELL:
                rows.lines.append(number)
                rows.records.append(line)
            else:
                self._add(rows, number, line, self._unquoted(line, number, count))
        return rows

    def _unquoted(self, line: bytes, number: int, count: int) -> Record:
        if count >= MAX_CELLS:
            return too_many_cells(number)
        return Record(line.split(self._shape.delimiter), number)

    def _scan_quoted(self, wanted: int) -> Rows:
        """The rows that begin in the first `wanted` lines; lines added to complete a quoted cell stay for the next
        call."""
        rows = Rows()
        lines = self._lines
        first, index = self._line, 0
        while index < wanted:
            line = lines[index]
            if len(line) <= MAX_CELL and self._exact.match(line) and b"\0" not in line and line.strip():
                rows.lines.append(first + index)
                rows.records.append(line.rstrip(b"\r\n"))
                index += 1
                continue
            record = self._whole(self._cutter.cut(lines, index, self._more), index)
            raw = b"".join(lines[index : record.last + 1]).rstrip(b"\r\n")
            if record.last > index:
                self._numbers.add(first + index, record.last - index)
            self._add(rows, first + index, raw, record)
            index = record.last + 1
        self._lines = lines[index:]
        self._line = first + index
        return rows

    def _more(self) -> bool:
        """A quoted cell continues past the end of the piece: read the next one."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._lines += piece.splitlines(keepends=True)
        return True

    def _whole(self, record: Record, first: int) -> Record:
        """The record; only its first line if its quoted cell seems to contain other rows."""
        for index in range(first + 1, record.last + 1):
            line = self._lines[index]
            if not line.count(self._shape.delimiter) + 1 == self._shape.width > 1:
                continue
            if _PHONE_LIKE.match(line.split(self._shape.delimiter)[self._shape.phone]):
                below = record.last - first
                reason = f"A quote opens here and closes {below} lines further down, after what look like other rows."
                return Record(record.cells, first, RejectCode.UNCLOSED_QUOTE, reason)
        return record

    def _add(self, rows: Rows, number: int, raw: bytes, record: Record) -> None:
        """Add a row that is not simply well-formed: skipped if blank, requoted, or rejected."""
        if record.code is None and not any(cell.strip() for cell in record.cells):
            return
        fault = self._fault(raw, record)
        if fault is not None:
            rows.rejects.append(Reject(number, fault[1], fault[0], fault[2], raw.decode()))
            return
        cells = record.cells[: self._shape.width]
        rows.tidied[len(rows.records)] = tidy(
            cells + [b""] * (self._shape.width - len(cells)), self._shape.delimiter
        )
        rows.lines.append(number)
        rows.records.append(raw)

    def _fault(self, raw: bytes, record: Record) -> tuple[RejectCode, str | None, str] | None:
        shape, cells = self._shape, record.cells
        if record.code is not None:
            return record.code, self._name(len(cells)), record.reason
        for index, cell in enumerate(cells):
            if b"\0" in cell:
                return RejectCode.NUL, self._name(index), NUL_REASON
            if len(cell) > MAX_CELL and len(cell.decode()) > MAX_CELL:
                reason = f"The cell has {len(cell.decode()):,} characters; the limit is {MAX_CELL:,}."
                return RejectCode.CELL_TOO_LONG, self._name(index), reason
        if any(cell.strip() for cell in cells[shape.width :]):
            hint = "quote cells that hold the delimiter."
            reason = f"The row has {len(cells)} cells, but the header has {shape.width}; {hint}"
            return RejectCode.TOO_MANY_CELLS, None, reason
        if len(cells) < len(shape.header):
            reason = f"The row has {len(cells)} cells, but the header has {len(shape.header)}."
            return RejectCode.TOO_FEW_CELLS, self._name(len(cells)), reason
        return None

    def _name(self, index: int) -> str | None:
        return self._shape.header[index] if index < len(self._shape.header) else None

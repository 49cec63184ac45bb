"""Splits lines into cells by the quoting rules of RFC 4180; inside an unquoted cell a quote is plain text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from campaigns.frozen import frozen
from campaigns.reject_codes import RejectCode

MAX_CELLS: Final = 16_384
"""Limit of cells in a row: as many columns as a spreadsheet can have."""
_MAX_QUOTED: Final = 1 << 22
"""Limit of a quoted cell's size, in bytes."""
_INSIDE: Final = re.compile(rb'[^"]*+(?:""[^"]*+)*+')


@frozen
class Record:
    """One row split into cells. With a code the row is malformed, and only its first line belongs to it."""

    cells: list[bytes]
    last: int
    """Index of its last physical line."""
    code: RejectCode | None = None
    reason: str = ""


class Cutter:
    """Splits lines at one delimiter."""

    def __init__(self, delimiter: bytes) -> None:
        self.delimiter = delimiter
        escaped = re.escape(delimiter)
        self._after = (b"", b"\r", b"\n", delimiter)
        self._bare = re.compile(rb"[^\r\n" + escaped + rb"]*+")
        self._cell = (
            rb'(?:"[^"]*+(?:""[^"]*+)*+"(?=[\r\n' + escaped + rb"]|\Z)|(?!\")[^\r\n" + escaped + rb"]*+)"
        )

    def exactly(self, width: int) -> re.Pattern[bytes]:
        """Matches one line that is a row of `width` well-formed cells."""
        further = rb"(?:" + re.escape(self.delimiter) + self._cell + rb"){%d}" % (width - 1)
        return re.compile(self._cell + further + rb"(?:\r\n|\r|\n)?\Z")

    def cut(self, lines: list[bytes], index: int, more: Callable[[], bool]) -> Record:
        """The row that begins in `lines[index]`. Lines keep newlines; `more` adds lines, False at the end."""
        cells: list[bytes] = []
        position, last = 0, index
        while True:
            if lines[last][position : position + 1] == b'"':
                cell, position, last = self._quoted(lines, last, position + 1, more)
                if cell is None:
                    return _broken(
                        cells, index, RejectCode.UNCLOSED_QUOTE, "A quote opens here and is never closed."
                    )
                if lines[last][position : position + 1] not in self._after:
                    return _after_quote(cells, index, last)
            else:
                found = self._bare.match(lines[last], position)
                cell, position = (found[0], found.end()) if found else (b"", position)
            cells.append(cell)
            if len(cells) > MAX_CELLS:
                return too_many_cells(index)
            if lines[last][position : position + 1] != self.delimiter:
                return Record(cells, last)
            position += 1

    def _quoted(
        self, lines: list[bytes], last: int, position: int, more: Callable[[], bool]
    ) -> tuple[bytes | None, int, int]:
        """The text between the quotes, the place after them and its line; None where no quote closes."""
        parts: list[bytes] = []
        size = 0
        while size <= _MAX_QUOTED:
            found = _INSIDE.match(lines[last], position)
            end = found.end() if found else position
            parts.append(lines[last][position:end])
            if end < len(lines[last]):
                return b"".join(parts).replace(b'""', b'"'), end + 1, last
            size += end - position
            if last + 1 == len(lines) and not more():
                break
            last, position = last + 1, 0
        return None, 0, last


def _after_quote(cells: list[bytes], first: int, last: int) -> Record:
    if first == last:
        reason = "Text follows a closing quote; write a quote inside a quoted cell twice."
        return _broken(cells, first, RejectCode.MISPLACED_QUOTE, reason)
    reason = f"A quote opens here and is not closed in this row; the next quote is {last - first} lines further down."
    return _broken(cells, first, RejectCode.UNCLOSED_QUOTE, reason)


def too_many_cells(index: int) -> Record:
    """The record of a row with more cells than `MAX_CELLS`."""
    reason = f"The row has more than {MAX_CELLS:,} cells."
    return _broken([b""] * MAX_CELLS, index, RejectCode.TOO_MANY_CELLS, reason)


def _broken(cells: list[bytes], index: int, code: RejectCode, reason: str) -> Record:
    return Record(cells, index, code, reason)


def tidy(cells: list[bytes], delimiter: bytes) -> bytes:
    """The cells joined to one row, each of them quoted."""
    return delimiter.join(b'"' + cell.replace(b'"', b'""') + b'"' for cell in cells)

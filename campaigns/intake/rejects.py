"""The rejects file: the rejected rows unchanged and what is wrong with each, to be corrected and loaded again."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from types import TracebackType

from campaigns.atomic_files import WholeFile
from campaigns.intake.cells import Cutter
from campaigns.intake.defuse import for_rejects, from_rejects
from campaigns.intake.model import REJECT_COLUMNS, Detected, Reject
from campaigns.intake.names import fold


class RejectsFile:
    """Written to a temporary file and moved into place by `keep`; if a file is there already, a number is added to the
    name. Without a path, rows or `keep`, no file remains."""

    def __init__(self, path: Path | None, detected: Detected) -> None:
        self.rows = 0
        self._columns = [
            index for index, name in enumerate(detected.header) if fold(name) not in REJECT_COLUMNS
        ]
        self._width = len(detected.header)
        self._again = len(self._columns) < self._width
        self._cutter = Cutter(detected.delimiter.encode())
        self._file = (
            WholeFile(path, "utf-8-sig") if path else None
        )  # the byte order mark makes Excel read UTF-8
        self._writer = csv.writer(
            self._file.text if self._file else StringIO(),
            delimiter=detected.delimiter,
            lineterminator="\n",
            quoting=csv.QUOTE_ALL,
        )
        self._write([*(detected.header[index] for index in self._columns), *REJECT_COLUMNS])

    def __enter__(self) -> RejectsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.drop()

    def write(self, rejects: Iterable[Reject]) -> None:
        """Add rows; `drumbeat_line` is the row's line in the file that was loaded first."""
        for reject in rejects:
            reason = (
                str(reject.origin or reject.line),
                reject.column or "",
                reject.code.value,
                reject.reason,
            )
            self._write([*self._cells(reject.raw), *reason])
            self.rows += 1

    def keep(self) -> Path | None:
        """Move the file into place and return its path; None if there is nothing to keep."""
        return self._file.add() if self._file is not None and self.rows else None

    def _write(self, cells: Iterable[str]) -> None:
        if self._file is not None:
            self._writer.writerow(map(for_rejects, cells))

    def _cells(self, raw: str) -> list[str]:
        """As many cells as the header; the surplus of a malformed row stays in its last cell."""
        delimiter = self._cutter.delimiter.decode()
        cells = raw.split(delimiter, self._width)
        if '"' not in raw and len(cells) == self._width and not self._again and len(raw.splitlines()) == 1:
            return cells
        lines = raw.encode("utf-8", "surrogatepass").splitlines(keepends=True) or [b""]
        record = self._cutter.cut(lines, 0, lambda: False)
        cells = [cell.decode("utf-8", "surrogatepass") for cell in record.cells]
        if record.code is not None or record.last + 1 < len(lines):
            cells = raw.replace('"', "").split(delimiter, self._width)
        if len(cells) > self._width:
            cells[self._width - 1 :] = [delimiter.join(cells[self._width - 1 :]).rstrip(delimiter)]
        cells += [""] * (self._width - len(cells))
        chosen = [cells[index] for index in self._columns]
        return [from_rejects(cell) for cell in chosen] if self._again else chosen

"""The rejects file: the rows as they were and what is wrong with each, to be fixed and loaded again."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType

from campaigns.errors import UsageError
from campaigns.intake.cells import Cutter
from campaigns.intake.defuse import defuse, undo
from campaigns.intake.header import fold
from campaigns.intake.model import REJECT_COLUMNS, Detected, Reject


class RejectsFile:
    """Written beside its place and moved there whole by `keep`; without a place, rows or `keep`, nothing is left."""

    def __init__(self, path: Path | None, detected: Detected) -> None:
        self.path = path
        self.rows = 0
        self._kept = False
        self._columns = [
            index for index, name in enumerate(detected.header) if fold(name) not in REJECT_COLUMNS
        ]
        self._width = len(detected.header)
        self._again = len(self._columns) < self._width
        self._cutter = Cutter(detected.delimiter.encode())
        # The byte order mark makes Excel read UTF-8.
        try:
            self._file = NamedTemporaryFile(  # noqa: SIM115
                "w",
                encoding="utf-8-sig",
                newline="",
                dir=path and path.parent,
                prefix=f".{path.name}." if path else None,
                delete=False,
            )
        except OSError as error:
            raise UsageError(f"The rejects file {path} cannot be written: {error.strerror}.") from error
        self._writer = csv.writer(self._file, delimiter=detected.delimiter, lineterminator="\n")
        self._writer.writerow([*(detected.header[index] for index in self._columns), *REJECT_COLUMNS])

    def __enter__(self) -> RejectsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self._kept:
            Path(self._file.name).unlink(missing_ok=True)

    def write(self, rejects: Iterable[Reject]) -> None:
        """Add rows; `drumbeat_line` is the line in the file that the row first came from."""
        for reject in rejects:
            told = (str(reject.origin or reject.line), reject.column or "", reject.code.value, reject.reason)
            self._writer.writerow([defuse(cell) for cell in (*self._cells(reject.raw), *told)])
            self.rows += 1

    def keep(self) -> Path | None:
        """Put the file in its place; its path, or None where there is nothing to keep."""
        if not self.rows or self.path is None:
            return None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        Path(self._file.name).replace(self.path)
        self._kept = True
        return self.path

    def _cells(self, raw: str) -> list[str]:
        """As many cells as the header; what a broken row has too many of stays, in its last cell."""
        delimiter = self._cutter.delimiter.decode()
        cells = raw.split(delimiter, self._width)
        if '"' not in raw and len(cells) == self._width and not self._again and len(raw.splitlines()) == 1:
            return cells
        lines = raw.encode().splitlines(keepends=True) or [b""]
        record = self._cutter.cut(lines, 0, lambda: False)
        cells = [cell.decode() for cell in record.cells]
        if record.code is not None or record.last + 1 < len(lines):
            cells = raw.replace('"', "").split(delimiter, self._width)
        if len(cells) > self._width:
            cells[self._width - 1 :] = [delimiter.join(cells[self._width - 1 :]).rstrip(delimiter)]
        cells += [""] * (self._width - len(cells))
        chosen = [cells[index] for index in self._columns]
        return [undo(cell) for cell in chosen] if self._again else chosen

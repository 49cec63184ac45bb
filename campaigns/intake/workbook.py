"""Spreadsheets as lists: one sheet of an .xlsx, .xls or .ods becomes a CSV that is read as any other.

A file's content decides what it is, not its name. The workbook is read by a process of its own, `workbook_child`, with
limits of memory and time; its sheet comes back in an unnamed temporary file.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import replace
from io import RawIOBase
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from campaigns.bounded_files import Source
from campaigns.errors import IntakeError
from campaigns.frozen import frozen
from campaigns.reject_codes import IntakeCode

MAX_FILE: Final = 256 << 20
"""Bytes of a workbook."""
MAX_UNPACKED: Final = 2 << 30
"""Bytes of all its parts, as its directory states them."""
MAX_PARTS: Final = 20_000
MAX_SECONDS: Final = 600
"""Seconds that reading a workbook may take."""

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_XLS_BEGINS: Final = b"\x09\x08\x10\x00\x00\x06\x05\x00"
_FILEPASS: Final = 0x2F
_FIRST_RECORDS: Final = 20
_OVERLAP: Final = 4096
_MANIFEST: Final = "META-INF/manifest.xml"
_CHILD: Final = Path(__file__).with_name("workbook_child.py")
_HINT: Final = "Open it in the spreadsheet program and save it as .xlsx, or as CSV UTF-8."


@frozen
class Table:
    """One sheet as a CSV in UTF-8, in which each row of the sheet is a row."""

    text: Source
    kind: str
    """`xlsx`, `xls` or `ods`."""
    sheet: str
    digest: str = ""
    """SHA-256 of the workbook and the sheet's name, hexadecimal."""

    @property
    def mark(self) -> bytes:
        """What identifies the sheet within its workbook."""
        return b"\0" + self.sheet.encode()


def is_workbook(source: Source) -> bool:
    """Whether the file is a workbook by its content, or another ZIP or OLE file, which `read_table` refuses."""
    return source.head(len(_OLE)).startswith((_ZIP, _OLE))


def read_table(source: Source, sheet: str | None) -> Table:
    """The sheet of that name, or the only one that holds anything. Raises IntakeError."""
    if source.size > MAX_FILE:
        raise _too_large(source, f"has more than {MAX_FILE >> 20} MiB")
    kind = _kind_of_zip(source) if source.head(4) == _ZIP else _kind_of_ole(source)
    with TemporaryFile(buffering=0) as csv:
        answer = _read_in_child(source, csv.fileno(), sheet)
        if "sheet" not in answer:
            raise _problem(source, answer, sheet)
        text = Source(source.path, os.dup(csv.fileno()))
    digest = hashlib.sha256()
    for block in source.blocks():
        digest.update(block)
    table = Table(text, kind, answer["sheet"])
    digest.update(table.mark)
    return replace(table, digest=digest.hexdigest())


def _kind_of_zip(source: Source) -> str:
    try:
        archive = zipfile.ZipFile(_File(source))
        parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise _broken(source) from error
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise _too_large(source, f"unpacks to more than {MAX_UNPACKED >> 30} GiB or {MAX_PARTS:,} parts")
    names = {part.filename for part in parts}
    if any(name.lower().startswith("xl/workbook.") for name in names):
        return "xlsx"
    if "content.xml" not in names or "mimetype" not in names:
        what = "a ZIP archive, not a spreadsheet or a CSV"
        raise IntakeError(
            IntakeCode.BINARY, f"{source.name} is {what}.", hint="Unpack it, or export a table."
        )
    if _MANIFEST in names and b"encryption-data" in _beginning(archive, _MANIFEST):
        raise _protected(source)
    return "ods"


def _beginning(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as part:
            return part.read(1 << 20)
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError):
        return b""


def _kind_of_ole(source: Source) -> str:
    last = b""
    for block in source.blocks():
        data = last + block
        if _ENCRYPTED in data or _has_password(data):
            raise _protected(source)
        last = block[-_OVERLAP:]
    return "xls"


def _has_password(data: bytes) -> bool:
    """Whether one of the first records of an .xls says that the others are encrypted."""
    at = data.find(_XLS_BEGINS)
    for _ in range(_FIRST_RECORDS if at >= 0 else 0):
        if len(data) < at + 4:
            break
        kind, size = struct.unpack_from("<HH", data, at)
        if kind == _FILEPASS:
            return True
        at += 4 + size
    return False


def _read_in_child(source: Source, csv: int, sheet: str | None) -> dict[str, Any]:
    """What the process answers; a `problem` if it was ended or gave up."""
    workbook = source.duplicate()
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", str(_CHILD), str(workbook), str(csv), sheet or ""],
            pass_fds=(workbook, csv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"problem": "too_large"}
    finally:
        os.close(workbook)
    if done.returncode < 0 or b"MemoryError" in done.stderr or b"memory allocation" in done.stderr:
        return {"problem": "too_large"}
    if done.returncode:
        return {"problem": "broken"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _problem(source: Source, answer: dict[str, Any], wanted: str | None) -> IntakeError:
    sheets = ", ".join(repr(name[:60]) for name in answer.get("sheets", ())[:20])
    match answer["problem"]:
        case "protected":
            return _protected(source)
        case "empty":
            return IntakeError(
                IntakeCode.EMPTY, f"{source.name} has only empty sheets.", hint="Export it again."
            )
        case "sheet_unknown":
            return IntakeError(
                IntakeCode.SHEET_UNKNOWN,
                f"{source.name} has no sheet {wanted!r}.",
                hint=f"Its sheets are: {sheets}.",
                choices=dict.fromkeys(answer["sheets"], ""),
            )
        case "sheet_ambiguous":
            return IntakeError(
                IntakeCode.SHEET_AMBIGUOUS,
                f"{source.name} has several sheets with data: {sheets}.",
                hint='Choose one with --sheet, or with sheet = "…" in [audience].',
                choices=dict.fromkeys(answer["sheets"], ""),
            )
        case "too_large":
            size = f": {answer['rows']:,} rows of {answer['columns']:,} columns" if "rows" in answer else ""
            return _too_large(source, f"needs too much memory or time{size}")
    return _broken(source)


def _too_large(source: Source, why: str) -> IntakeError:
    hint = (
        "Delete what is not part of the list, also far below and right of it, or save the sheet as CSV UTF-8."
    )
    return IntakeError(IntakeCode.TOO_LARGE, f"The workbook {source.name} {why}.", hint=hint)


def _protected(source: Source) -> IntakeError:
    hint = "Open it in the spreadsheet program and save it without a password, or as CSV UTF-8."
    return IntakeError(IntakeCode.PASSWORD_PROTECTED, f"{source.name} is protected by a password.", hint=hint)


def _broken(source: Source) -> IntakeError:
    return IntakeError(IntakeCode.BINARY, f"{source.name} cannot be read as a spreadsheet.", hint=_HINT)


class _File(RawIOBase):
    """The source as a file for zipfile, which reads its directory at the end."""

    def __init__(self, source: Source) -> None:
        self._source, self._at = source, 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        found = self._source.part(self._at, self._source.size - self._at if size < 0 else size)
        self._at += len(found)
        return found

"""Detects a file's encoding and newlines and computes its digest, in one pass before any row is parsed."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from campaigns.bounded_files import Source, open_source
from campaigns.errors import IntakeError
from campaigns.frozen import frozen
from campaigns.intake.encoding_guard import refuse_twice_encoded, require_assumed
from campaigns.intake.encodings import ASSUMED
from campaigns.intake.twice_encoded import TWICE, decoder_of
from campaigns.intake.workbook import Table, is_workbook, read_table
from campaigns.reject_codes import IntakeCode

_SAMPLE: Final = 1 << 16

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32 comes before UTF-16, because its mark begins with that of UTF-16."""

_MAGIC: Final = (
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3", "a database"),
)
_CONTROL: Final = bytes(set(range(32)) - {9, 10, 12, 13, 26})
_SAVE_AS_CSV: Final = "Save it as CSV (in Excel: File, Save as, CSV UTF-8)."
_SAVE_AS: Final = "Open it in the spreadsheet program, and save it as .xlsx or CSV UTF-8."
_WEB_PAGE: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|table|meta|style|\?xml)\b", re.IGNORECASE
)


@frozen
class Bytes:
    """A list whose text is known to be readable in `encoding` from end to end."""

    source: Source
    """The file."""
    encoding: str
    newline: str
    digest: str
    """SHA-256 of the whole file, hexadecimal; of a workbook, with its sheet's name."""
    table: Table | None = None
    """The sheet, if the file is a workbook: its text is read in place of the file's."""

    @property
    def text(self) -> Source:
        """What is read: the file, or the sheet."""
        return self.table.text if self.table else self.source

    def is_same(self) -> bool:
        """Whether the file still has these bytes and no more."""
        digest = hashlib.sha256()
        for block in self.source.blocks():
            digest.update(block)
        if self.table is not None:
            digest.update(self.table.mark)
        return digest.hexdigest() == self.digest and self.source.has_this_size()

    def utf8_blocks(self) -> Iterator[bytes]:
        """The text in UTF-8, without its byte order mark."""
        if self.encoding in ("utf-8", "utf-8-sig"):
            blocks = self.text.blocks()
            yield next(blocks, b"").removeprefix(codecs.BOM_UTF8)
            yield from blocks
            return
        decoder = decoder_of(self.encoding)
        for block in self.source.blocks():
            yield decoder.decode(block).removeprefix("\ufeff").encode()


def inspect(path: Path, encoding: str | None, *, again: bool, sheet: str | None = None) -> Bytes:
    """Read the whole file once. Raises IntakeError if it is not text or its encoding is unknown. `again`: it will be
    read again later."""
    source = open_source(path, again=again)
    sample = source.head(_SAMPLE)
    if not sample:
        raise IntakeError(IntakeCode.EMPTY, f"{path.name} is empty.", hint="Export the recipients again.")
    if is_workbook(source):
        table = read_table(source, sheet)
        return Bytes(source, "utf-8", "lf", table.digest, table)
    _refuse_sheet(path, sheet)
    _refuse_known_formats(path, sample)
    guess = _canonical(encoding) if encoding else _guess(sample)
    _refuse_binary(path, sample, guess)
    survey = _Survey(source)
    if encoding:
        survey.run(guess)
        if survey.bad is not None:
            raise _wrong_encoding(path, encoding, survey)
    elif _readable(survey, guess):
        refuse_twice_encoded(path, source, guess)
    else:
        if guess != "utf-8":
            raise _wrong_encoding(path, guess, survey)
        require_assumed(path, source, line_of(source, survey.bad))
        survey.run(ASSUMED)
        guess = ASSUMED
    return Bytes(source, guess, survey.newline, survey.digest)


def _readable(survey: _Survey, guess: str) -> bool:
    survey.run(guess)
    return survey.bad is None


class _Survey:
    """One pass: the digest, the newlines and the first byte that is not valid in `encoding`."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def run(self, encoding: str) -> None:
        self.bad: int | None = None
        self.bad_byte = 0
        decoder = decoder_of(encoding)
        digest, kinds, position, carriage = hashlib.sha256(), set[str](), 0, False
        for block in self.source.blocks():
            digest.update(block)
            text = self._decode(decoder, block, position)
            carriage = _newlines(text, carriage, kinds)
            position += len(block)
        self._decode(decoder, b"", position, final=True)
        if carriage:
            kinds.add("cr")
        self.newline = kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "lf"
        self.digest = digest.hexdigest()

    def _decode(
        self, decoder: codecs.IncrementalDecoder, block: bytes, position: int, *, final: bool = False
    ) -> bytes:
        """The block in an ASCII-compatible encoding; remembers where decoding first failed."""
        if self.bad is not None:
            return b""
        held = len(decoder.getstate()[0])
        try:
            return decoder.decode(block, final).encode()
        except UnicodeDecodeError as error:
            self.bad = position - held + error.start
            self.bad_byte = error.object[error.start]
            return b""


def line_of(source: Source, position: int | None) -> int:
    """The physical line of the byte at that position."""
    left, line, last = position or 0, 1, b""
    for block in source.blocks():
        before = block[:left]
        line += before.count(b"\n") + before.count(b"\r") - (last + before).count(b"\r\n")
        left, last = left - len(before), before[-1:]
        if not left:
            break
    return line


def _newlines(text: bytes, carriage: bool, kinds: set[str]) -> bool:
    """Add the kinds of newline in this block; True where it ends in a CR whose LF may follow."""
    if carriage and text:
        kinds.add("crlf" if text[:1] == b"\n" else "cr")
        text = text[1:] if text[:1] == b"\n" else text
    ends_open = text.endswith(b"\r")
    body = text[:-1] if ends_open else text
    pairs = body.count(b"\r\n")
    for kind, found in (
        ("crlf", pairs),
        ("lf", body.count(b"\n") - pairs),
        ("cr", body.count(b"\r") - pairs),
    ):
        if found:
            kinds.add(kind)
    return ends_open or (carriage and not text)


def _guess(sample: bytes) -> str:
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return encoding
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half >= 2 and odd > half * 0.4 and even < half * 0.1:
        return "utf-16-le"
    if half >= 2 and even > half * 0.4 and odd < half * 0.1:
        return "utf-16-be"
    return "utf-8"


def _canonical(encoding: str) -> str:
    """The codec's canonical name; text codecs only."""
    if encoding.lower() == TWICE:
        return TWICE
    try:
        info = codecs.lookup(encoding)
        " ".encode(encoding)
    except LookupError as error:
        raise IntakeError(
            IntakeCode.ENCODING_WRONG,
            f"{encoding!r} is not an encoding.",
            hint="Use utf-8, utf-16 or cp1252, or omit --encoding.",
        ) from error
    return info.name


def _refuse_sheet(path: Path, sheet: str | None) -> None:
    if sheet is not None:
        raise IntakeError(
            IntakeCode.SHEET_UNKNOWN,
            f"{path.name} is not a workbook, so it has no sheet {sheet!r}.",
            hint="Leave out --sheet, or give the .xlsx, .xls or .ods file.",
        )


def _refuse_known_formats(path: Path, sample: bytes) -> None:
    for magic, what in _MAGIC:
        if sample.startswith(magic):
            raise IntakeError(IntakeCode.BINARY, f"{path.name} is {what}, not a CSV.", hint=_SAVE_AS_CSV)
    if _WEB_PAGE.match(sample):
        what = "a web page (HTML or XML) whatever its name, as some programs export"
        raise IntakeError(IntakeCode.BINARY, f"{path.name} is {what}, not a table.", hint=_SAVE_AS)


def _refuse_binary(path: Path, sample: bytes, encoding: str) -> None:
    if encoding.startswith(("utf-16", "utf-32")):
        return
    controls = len(sample) - len(sample.translate(None, _CONTROL))
    if controls > max(8, len(sample) // 20):
        raise IntakeError(IntakeCode.BINARY, f"{path.name} is not a text file.", line=1, hint=_SAVE_AS_CSV)


def _wrong_encoding(path: Path, encoding: str, survey: _Survey) -> IntakeError:
    line = line_of(survey.source, survey.bad)
    return IntakeError(
        IntakeCode.ENCODING_WRONG,
        f"{path.name} cannot be read as {encoding}: line {line} has the byte 0x{survey.bad_byte:02X}.",
        line=line,
        hint="Give the correct encoding with --encoding, or save the file as UTF-8.",
    )

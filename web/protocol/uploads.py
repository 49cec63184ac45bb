"""A file that is uploaded, by a form or as a body of its own, handed on piece by piece as it arrives, so that it is
never in memory as a whole."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from campaigns.atomic_files import WholeFile
from campaigns.errors import InvalidInput
from campaigns.frozen import frozen

LARGEST_FIELD: Final = 64 * 1024
MOST_PARTS: Final = 50
AROUND: Final = 64 * 1024
"""Bytes of a form beside its file."""
BLOCK: Final = 1 << 20
PATIENT: Final = 4
"""How many times the largest file is read to its end before the answer: a browser shows none while it sends."""


class TooLarge(InvalidInput):
    """The file is too large."""


async def body_of(request: Request) -> AsyncIterator[bytes]:
    """The request's body piece by piece. Raises InvalidInput if its caller leaves before the end."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise _damaged() from error


@asynccontextmanager
async def stored_body(request: Request, most: int, ending: str) -> AsyncIterator[tuple[Path, str]]:
    """The request's body as a file of ours, which is gone at the end, and its SHA-256. Raises TooLarge, and
    InvalidInput if it does not arrive whole."""
    with TemporaryDirectory(prefix="drumbeat-upload-") as folder:
        place = Path(folder, f"list{ending}")
        file = await asyncio.to_thread(WholeFile, place)
        try:
            digest = await _store(request, most, file)
            await asyncio.to_thread(file.replace)
        finally:
            await asyncio.to_thread(file.drop)
        yield place, digest


async def _store(request: Request, most: int, file: WholeFile) -> str:
    digest, size, waiting = hashlib.sha256(), 0, bytearray()

    def write(block: bytes) -> None:
        digest.update(block)
        file.bytes.write(block)

    async for chunk in body_of(request):
        size += len(chunk)
        if size > PATIENT * most:
            break
        if size <= most:
            waiting += chunk
        if len(waiting) >= BLOCK:
            await asyncio.to_thread(write, bytes(waiting))
            waiting.clear()
    if size > most:
        raise _too_large(most)
    await asyncio.to_thread(write, bytes(waiting))
    return digest.hexdigest()


@frozen
class UploadedFile:
    """The first file of a form; the form's other fields must come before it."""

    filename: str
    fields: Mapping[str, str]
    chunks: AsyncIterator[bytes]


async def uploaded_file(request: Request, most: int) -> UploadedFile:
    """`most`: the file's bytes. Raises InvalidInput for a form without a file, or one that is damaged; so does reading
    its chunks, also for a file that is too large or not whole."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidInput("The form holds no file.", hint="Open the page again, and choose a file.")
    try:
        form = _Form(request, options[b"boundary"], most)
    except FormParserError as error:  # the boundary is too long
        raise _damaged() from error
    fields: dict[str, bytes] = {}
    name = ""
    while (event := await form.next()) is not None:
        if isinstance(event, _Part) and event.filename is not None:
            texts = {name: value.decode("utf-8", "replace") for name, value in fields.items()}
            return UploadedFile(event.filename, texts, form.file())
        if isinstance(event, _Part):
            name = event.name
            fields[name] = b""
        elif isinstance(event, bytes):
            fields[name] += event
            if len(fields[name]) > LARGEST_FIELD:
                raise _damaged()
    raise InvalidInput("The form holds no file.", hint="Choose a file.")


@frozen
class _Part:
    """A field or a file begins."""

    name: str
    filename: str | None


class _End:
    """A field or a file ends."""


class _Form:
    """The body of one request as events."""

    def __init__(self, request: Request, boundary: bytes, most: int) -> None:
        self._stream = body_of(request)
        self._most = most
        self._found: deque[_Part | _End | bytes] = deque()
        self._size = 0
        self._parts = 0
        self._is_whole = False
        self._header, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._add_to_header,
                "on_header_value": self._add_to_value,
                "on_header_end": self._keep_header,
                "on_headers_finished": self._name_part,
                "on_part_data": lambda data, start, end: self._found.append(data[start:end]),
                "on_part_end": lambda: self._found.append(_End()),
                "on_end": self._end,
            },
        )

    async def next(self) -> _Part | _End | bytes | None:
        """What comes next in the body; None at its end. Raises InvalidInput if it is damaged or too large."""
        while not self._found:
            chunk = await anext(self._stream, None)
            if chunk is None:
                self._refuse_unfinished()
                return None
            self._size += len(chunk)
            if self._size > PATIENT * self._most:
                raise _too_large(self._most)
            if self._size > self._most + AROUND:
                continue
            try:
                self._parser.write(chunk)
            except MultipartParseError as error:
                raise _damaged() from error
        return self._found.popleft()

    async def file(self) -> AsyncIterator[bytes]:
        """The file that has begun, then the rest of the form unseen."""
        ended, size = False, 0
        while (event := await self.next()) is not None:
            ended = ended or isinstance(event, _End)
            if isinstance(event, bytes) and not ended:
                size += len(event)
                if size <= self._most:
                    yield event
        if size > self._most:
            raise _too_large(self._most)

    def _refuse_unfinished(self) -> None:
        if self._size > self._most + AROUND:
            raise _too_large(self._most)
        if not self._is_whole:
            raise _damaged()

    def _begin(self) -> None:
        self._parts += 1
        self._headers = {}
        if self._parts > MOST_PARTS:
            raise _damaged()

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _keep_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _name_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        self._found.append(_Part(name, None if filename is None else filename.decode("utf-8", "replace")))

    def _end(self) -> None:
        self._is_whole = True


def _damaged() -> InvalidInput:
    return InvalidInput("The upload did not arrive whole.", hint="Try it again.")


def _too_large(most: int) -> TooLarge:
    return TooLarge(
        f"The file is larger than {most >> 20} MB.",
        hint="Leave out columns that are not needed, or use the command line.",
    )

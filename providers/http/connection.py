"""One connection to a provider: a request is written to it in one piece, and its answer is read by httptools.

What is read errs on the side of caution: only a whole, valid answer is one. Everything else that happens once the
request was written means that it may have been received.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from campaigns.frozen import frozen

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of an answer, unpacked. Real answers are far smaller; a longer one is refused."""
MAX_HEAD: Final = 64 * 1024
"""Bytes of an answer's headers."""
TOO_LATE: Final = "too_late"
_TICK: Final = 0.001
"""Seconds; uvloop's timers count in whole ones of these, and may be up to half of one early."""
_CONTINUE: Final = range(100, 200)
_SWITCHED: Final = 101
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_BARE_DEFLATE: Final = -zlib.MAX_WBITS


class NeverLeft(httpx.ConnectError):
    """Nothing was sent."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MayHaveLeft(httpx.TransportError):
    """The request was, or may have been, partly sent when the exchange failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Gate(Protocol):
    """Decides when, and whether, a request is written, once there is a connection for it."""

    async def open(self) -> bool:
        """Wait until it may be written; False: it must not be sent any more."""
        ...

    @property
    def counts(self) -> bool:
        """Whether it needs to know when the request left."""
        ...

    def passed(self) -> None:
        """Its bytes have been handed to the system."""
        ...


@dataclass(slots=True)
class Departure:
    """One request on its way out."""

    gate: Gate | None = None
    at: float = field(default_factory=time.perf_counter)
    """When it was written; until then, when its exchange began."""

    @property
    def elapsed_ms(self) -> int:
        return round((time.perf_counter() - self.at) * 1000)


@frozen
class RawAnswer:
    """A whole answer, unpacked."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection(asyncio.Protocol):
    """Carries one exchange at a time. Unexpected data closes it."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        """By the loop's clock."""
        self.reusable = True
        self._transport: asyncio.Transport
        self._reading: _Reading | None = None
        self._late_at = self._looks_at = 0.0
        """When the answer under way is late, and when the timer looks whether it is; by `time.perf_counter`."""
        self._timer: asyncio.TimerHandle | None = None
        """Kept from one exchange to the next: to set one and to cancel it for each takes longer than a look."""
        self._loop = asyncio.get_running_loop()

    async def exchange(self, data: bytes, departure: Departure, timeout: float) -> RawAnswer:
        """Write the request when its gate allows, and read the answer, for which the provider has `timeout` seconds.

        Raises NeverLeft if nothing was written, MayHaveLeft and TimeoutError after that.
        """
        gate = departure.gate
        if gate is not None and not await gate.open():
            raise NeverLeft(TOO_LATE, "It was too late to send it.")
        if not self.is_open:
            raise NeverLeft("connection_lost", "The connection broke before the request was written.")
        self.reusable, departure.at = False, time.perf_counter()
        reading = self._reading = _Reading(self._loop)
        self._transport.write(data)
        if gate is not None and gate.counts:
            self._loop.call_soon(gate.passed)  # uvloop writes at the end of the loop's step
        self._fail_at(departure.at + timeout)
        try:
            return await reading.answer
        finally:
            self._reading = None
            reading.forget_parser()
            self.reusable = reading.ended_well and not self._transport.get_write_buffer_size()

    def _fail_at(self, late_at: float) -> None:
        self._late_at = late_at
        if self._timer is None or late_at < self._looks_at:
            self._look_at(late_at)

    def _look_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at = moment
        self._timer = self._loop.call_later(max(moment - time.perf_counter(), _TICK), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._reading is None:
            return
        if time.perf_counter() < self._late_at:
            self._look_at(self._late_at)
        else:
            self._reading.fail(TimeoutError())

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def close(self) -> None:
        """Close it; a request that is still being written is cut off."""
        if self.reusable:
            self._transport.close()
        else:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._reading is None:
            self.reusable = False
            self._transport.abort()
        else:
            self._reading.feed(data)

    def eof_received(self) -> None:
        if self._reading is not None:
            self._reading.end()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._reading is not None:
            self._reading.lose(exc)


class _Reading:
    """An answer as it arrives; the methods `on_…` are httptools' callbacks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: asyncio.Future[RawAnswer] = loop.create_future()
        self.ended_well = False
        """Whether the connection can carry another exchange."""
        self._parser = HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._status = self._head_size = self._body_size = 0
        self._has_head = self._is_whole = self._keeps_alive = self._has_surplus = False

    def feed(self, data: bytes) -> None:
        if self.answer.done():
            self.ended_well = False
            return
        problem = ""
        try:
            self._parse(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            problem = str(error) or type(error).__name__
        if self._body_size > MAX_BODY:
            self.fail(MayHaveLeft("too_large", f"The answer is longer than {MAX_BODY} bytes."))
        elif self._is_whole:
            self._finish(reusable=self._keeps_alive and not problem and not self._has_surplus)
        elif problem:
            self.fail(MayHaveLeft("garbage", f"The answer is not HTTP: {problem}"))
        elif not self._has_head and self._head_size >= MAX_HEAD:
            self.fail(MayHaveLeft("too_large", f"The answer's headers are longer than {MAX_HEAD} bytes."))

    def _parse(self, data: bytes) -> None:
        """The headers must end within MAX_HEAD bytes, in whatever pieces they come."""
        if not self._has_head:
            room = MAX_HEAD - self._head_size
            self._head_size += len(data)
            self._parser.feed_data(data[:room])
            data = data[room:] if self._has_head else b""
            self._has_surplus |= self._is_whole and bool(data)
        if data and not self._has_surplus:
            self._parser.feed_data(data)

    def end(self) -> None:
        """The provider sends no more: the end of an answer that states no length."""
        if not self.answer.done() and self._has_head and not self._has_length:
            self._finish(reusable=False)

    def forget_parser(self) -> None:
        """It holds this, too: left as they are, both would wait for the garbage collector."""
        del self._parser

    def lose(self, error: Exception | None) -> None:
        """The connection was lost."""
        self.ended_well = False
        what = f": {error}" if error else "."
        if self._has_head:
            self.fail(MayHaveLeft("half_answer", f"The answer broke off{what}"))
        else:
            self.fail(MayHaveLeft("connection_lost", f"The connection broke{what}"))

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def on_message_begin(self) -> None:
        self._has_surplus = self._is_whole

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._has_head = True
        if not self._is_whole:
            self._status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        if self._is_whole:
            return
        self._body_size += len(piece)
        if self._body_size <= MAX_BODY:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        if self._is_whole:
            return
        if self._status not in _CONTINUE:
            self._is_whole, self._keeps_alive = True, self._parser.should_keep_alive()
        elif self._status != _SWITCHED:  # an answer in another protocol is no answer to the request
            self._headers, self._has_head = [], False

    @property
    def _has_length(self) -> bool:
        names = {name for name, _ in self._headers}
        return b"content-length" in names or b"transfer-encoding" in names

    def _finish(self, *, reusable: bool) -> None:
        try:
            body = _unpacked(b"".join(self._pieces), self._headers)
        except MayHaveLeft as error:
            self.fail(error)
            return
        self.ended_well = reusable
        self.answer.set_result(RawAnswer(self._status, self._headers, body))


def _unpacked(body: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The body without its content encoding. Raises MayHaveLeft where it has another one than it states."""
    for name, value in headers:
        if name == b"content-encoding":
            return _inflated(body, value.strip().lower())
    return body


def _inflated(body: bytes, encoding: bytes) -> bytes:
    if encoding in (b"", b"identity") or not body:
        return body
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        raise MayHaveLeft("half_answer", f"The answer is packed as {encoding!r}, which cannot be read.")
    try:
        return _inflate(body, _GZIP_OR_ZLIB)
    except zlib.error as error:
        if encoding == b"deflate":
            try:
                return _inflate(body, _BARE_DEFLATE)
            except zlib.error:
                pass
        raise MayHaveLeft("half_answer", f"The answer cannot be unpacked: {error}") from error


def _inflate(body: bytes, bits: int) -> bytes:
    unpacker = zlib.decompressobj(bits)
    unpacked = unpacker.decompress(body, MAX_BODY + 1)
    if len(unpacked) > MAX_BODY:
        raise MayHaveLeft("too_large", f"The answer is longer than {MAX_BODY} bytes.")
    if not unpacker.eof:
        raise MayHaveLeft("half_answer", "The packed answer broke off.")
    return unpacked

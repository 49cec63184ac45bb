"""How requests are read: in one way only, or refused.

A proxy in front that sees another end of a request than we do would take part of its body for another caller's request
(request smuggling, RFC 9112). uvicorn's protocol on llhttp refuses most of what is ambiguous; here is the rest.
"""

from __future__ import annotations

from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of a request's line and headers, and of what may come between two pieces of its body."""
MOST_WAITING: Final = 1 << 20
"""Bytes of a next request that arrive while one is answered: reading stops at the first, but an app may resume it."""


class StrictHttp(HttpToolsProtocol):
    """One connection.

    - The next request waits until this one is answered. Where both arrive in one piece the connection ends with the
      answer to the first: a second one that the app is given early could be answered first, or instead.
    - An offer to speak another protocol (HTTP/2, WebSocket) is read past: llhttp would take the body for that protocol.
    - Headers behind a body of chunks are dropped: the app has read the request's headers before.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reads_body = False
        self.body_size = 0
        """Bytes that have arrived of the body."""
        self._unused = 0
        """Bytes since the last that belonged to a body or ended a request."""
        self._next = b""
        """What has arrived of the next request."""

    @property
    def is_answering(self) -> bool:
        """Whether a whole request has arrived and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete and not self.reads_body

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        if self.is_answering:
            self._wait_with(data)
            return
        self._unused += len(data)
        try:
            self._parse(data)
            if self._unused > LARGEST_HEAD:
                raise HttpParserError("There is no end to it.")
        except HttpParserError:
            self._refuse()

    def _wait_with(self, data: bytes) -> None:
        self.flow.pause_reading()
        self._next += data
        if len(self._next) > MOST_WAITING:
            self._next, self.cycle.keep_alive = b"", False

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._next:
            data, self._next = self._next, b""
            self.data_received(data)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            head = self._head_without_offer()
            self.parser = HttpRequestParser(self)
            self.parser.feed_data(head + data[offer.args[0] :])

    def _head_without_offer(self) -> bytes:
        headers = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        return b"%s %s HTTP/1.1\r\n%s\r\n" % (self._method(), self.url, b"".join(headers))

    def _refuse(self) -> None:
        if self.is_answering:
            self.cycle.keep_alive = False
        elif self.reads_body and self.cycle.response_started:
            self.transport.close()
        else:
            self.send_400_response("Invalid HTTP request received.")

    def on_message_begin(self) -> None:
        if self.is_answering:
            raise HttpParserError("The request before it is not answered yet.")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.reads_body:
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        self._check_head()
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self.reads_body, self.body_size = True, 0

    def on_body(self, body: bytes) -> None:
        self.body_size += len(body)
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self.reads_body = False
        self._unused = 0

    def _check_head(self) -> None:
        """Raises HttpParserError."""
        version = self.parser.get_http_version()
        names = [name for name, _ in self.headers]
        if version not in ("1.0", "1.1") or self._method() == b"CONNECT":
            raise HttpParserError("Only HTTP/1.0 and HTTP/1.1 are answered.")
        if not self.url.startswith(b"/") or b"#" in self.url:
            raise HttpParserError("The address is not a path.")
        if names.count(b"host") > 1 or (version == "1.1" and b"host" not in names):
            raise HttpParserError("A request has one Host.")
        if b"transfer-encoding" in names and (version == "1.0" or not self._is_chunked()):
            raise HttpParserError("A request comes in chunks, or as it is.")
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LARGEST_HEAD:
            raise HttpParserError("The head is too large.")

    def _is_chunked(self) -> bool:
        encodings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        return encodings == [b"chunked"]

    def _method(self) -> bytes:
        method: bytes = self.parser.get_method()
        return method

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        without_chunks = cycle.scope["http_version"] == "1.0"
        super()._start_asgi_task(cycle, _until_closed(cycle, app) if without_chunks else app)


def _until_closed(cycle: RequestResponseCycle, app: ASGIApp) -> Any:
    """For HTTP/1.0, which has no chunks: an answer of unknown length ends with the connection."""
    is_measured = True

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_plain(message: Message) -> None:
            nonlocal is_measured
            if message["type"] == "http.response.start":
                is_measured = any(name.lower() == b"content-length" for name, _ in message["headers"])
                cycle.chunked_encoding = None if is_measured else False
            elif not is_measured:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_plain)

    return answer

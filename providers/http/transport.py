"""Our httpx transport, built on aiohttp: its errors state whether the request may have been sent.

An existing transport reports a connection reset *after* the request was read as a connect timeout, so a client that
relies on it sends twice. Here `NeverLeft` is raised only while there is no connection yet, `MayHaveLeft` for
everything else.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import httpx
from yarl import URL

from providers.http.client import LEAVING, LONGEST_CONNECT, Leaving

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of an answer, unpacked. Real answers are far smaller; a longer one is refused."""
KEEP_IDLE: Final = 3.0
"""Seconds for which an idle connection is kept: less than servers do, so that we rarely write to a closed one."""
_CONNECTIONS: Final = 512
_DNS_SECONDS: Final = 60
_OURS_TO_SAY: Final = ("User-Agent", "Accept", "Content-Type")
TOO_LATE: Final = "too_late"
_UNPACKED: Final = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class NeverLeft(httpx.ConnectError):
    """No connection was made, so nothing was sent."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MayHaveLeft(httpx.TransportError):
    """The request was, or may have been, partly sent when the connection failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _TooLate(aiohttp.ClientError):
    """The request may no longer be sent."""


@dataclass(slots=True)
class _Exit:
    """The state of one request's sending."""

    leaving: Leaving
    begun: bool = False
    """Whether a byte of it may have been sent."""


_exit: ContextVar[_Exit | None] = ContextVar("exit", default=None)


class _GatedRequest(aiohttp.ClientRequest):
    """Its head is written together with its body, so nothing is sent before `write_bytes`."""

    async def write_bytes(self, writer: Any, conn: Any, content_length: int | None = None) -> None:
        way_out = _exit.get()
        if way_out is None:
            await super().write_bytes(writer, conn, content_length)
            return
        async with way_out.leaving() as may_go:
            if may_go:
                way_out.begun = True
                await super().write_bytes(writer, conn, content_length)
                if _is_held(conn.transport):
                    await asyncio.sleep(0)
            elif conn.protocol is not None:
                conn.protocol.set_exception(_TooLate("It was too late to send it."))


def _is_held(transport: asyncio.Transport | None) -> bool:
    """Whether written data may be sent only at the end of the loop's step, as with uvloop; unknown with TLS."""
    if transport is None:
        return False
    return transport.get_write_buffer_size() > 0 or transport.get_extra_info("sslcontext") is not None


class AioTransport(httpx.AsyncBaseTransport):
    """A connection pool, created at first use. Repeats no POST or PATCH, follows no redirect."""

    def __init__(self, connect_timeout: float = LONGEST_CONNECT) -> None:
        self._connect_timeout = connect_timeout
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer, read. Raises NeverLeft or MayHaveLeft; has no overall timeout of its own."""
        leaving = request.extensions.get(LEAVING)
        way_out = _Exit(leaving) if leaving else None
        _exit.set(way_out)
        try:
            return await self._send(request)
        except MayHaveLeft:
            raise
        except Exception as error:
            failure = _failure_of(error)
            if way_out is not None and not way_out.begun and isinstance(failure, MayHaveLeft):
                failure = NeverLeft(
                    failure.code, str(failure)
                )  # the connection failed while the request waited
            raise failure from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, request: httpx.Request) -> httpx.Response:
        session = self._session or self._open()
        async with session.request(
            request.method,
            URL(str(request.url), encoded=True),
            data=request.content or None,
            headers=request.headers.multi_items(),
            allow_redirects=False,
        ) as answer:
            body = await _read_bounded(answer)
        # As bytes: values may hold any byte, and an invalid one must not put an accepted message in doubt.
        headers = [(name, value) for name, value in answer.raw_headers if name.lower() not in _UNPACKED]
        return httpx.Response(answer.status, headers=headers, content=body, request=request)

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=_CONNECTIONS, keepalive_timeout=KEEP_IDLE, ttl_dns_cache=_DNS_SECONDS
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            request_class=_GatedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_timeout),
            skip_auto_headers=_OURS_TO_SAY,
            trust_env=False,
        )
        return self._session


async def _read_bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MAX_BODY:
            answer.close()
            raise MayHaveLeft("too_large", f"The answer is longer than {MAX_BODY} bytes.")
    return bytes(body)


def _failure_of(error: Exception) -> NeverLeft | MayHaveLeft:
    """Our error for aiohttp's. Only errors of its connector prove that nothing was sent."""
    match error:
        case _TooLate():
            return NeverLeft(TOO_LATE, str(error))
        case aiohttp.ClientConnectorDNSError():
            return NeverLeft("no_dns", f"The host name cannot be resolved: {error}")
        case aiohttp.ClientConnectorSSLError() | aiohttp.ClientConnectorCertificateError():
            return NeverLeft("no_tls", f"No secure connection: {error}")
        case aiohttp.ConnectionTimeoutError():
            return NeverLeft("connect_timeout", str(error))
        case aiohttp.ClientConnectorError():
            return NeverLeft("no_connection", str(error))
        case aiohttp.ClientPayloadError():
            return MayHaveLeft("half_answer", f"The answer broke off: {error}")
        case aiohttp.ClientResponseError():
            return MayHaveLeft("garbage", f"The answer is not HTTP: {error.message}")
        case aiohttp.ClientError() | OSError():
            return MayHaveLeft("connection_lost", f"The connection broke: {error}")
    return MayHaveLeft("broken", f"{type(error).__name__}: {error}")

"""Our connections to the providers: the only place that decides whether a request may have left.

`NeverLeft` is raised only while not one byte was written, `MayHaveLeft` for everything else. No request is repeated,
and no redirect is followed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import aiohappyeyeballs

from providers.http.connection import Connection, Departure, NeverLeft, RawAnswer
from providers.http.request import Headers, Origin, Request

KEEP_IDLE: Final = 3.0
"""Seconds for which an idle connection is kept: less than servers do, so that we rarely write to a closed one."""
LONGEST_CONNECT: Final = 10.0
_DNS_SECONDS: Final = 60.0
_OTHER_ADDRESS_AFTER: Final = 0.25
"""Seconds after which the next address is tried beside one that does not answer (RFC 8305)."""


class Wire:
    """A pool of connections, opened as needed: one for each exchange under way."""

    def __init__(self, connect_timeout: float = LONGEST_CONNECT) -> None:
        self._connect_timeout = connect_timeout
        self._context: ssl.SSLContext | None = None
        self._idle: defaultdict[Origin, list[Connection]] = defaultdict(list)
        """The last used at the end."""
        self._addresses: dict[Origin, tuple[Sequence[aiohappyeyeballs.AddrInfoType], float]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._keeps = True

    async def send(
        self, request: Request, secrets: Headers, departure: Departure, timeout: float
    ) -> RawAnswer:
        """The whole answer. Raises NeverLeft, MayHaveLeft, and TimeoutError if it takes longer than `timeout` seconds
        from when the request was written."""
        data, origin = _encoded(request, secrets), request.url.origin
        connection = self._kept(origin) or await self._connect(origin)
        try:
            return await connection.exchange(data, departure, timeout)
        finally:
            self._return_to_pool(origin, connection)

    async def aclose(self) -> None:
        """Close the idle connections, and those of exchanges under way once these have ended."""
        self._keeps = False
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # connections close at the loop's next step

    def _kept(self, origin: Origin) -> Connection | None:
        """An idle connection that can be used."""
        oldest = asyncio.get_running_loop().time() - KEEP_IDLE
        connections = self._idle[origin]
        while connections:
            connection = connections.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def _return_to_pool(self, origin: Origin, connection: Connection) -> None:
        if not (self._keeps and connection.reusable and connection.is_open):
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle[origin].append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(KEEP_IDLE, self._sweep)

    def _sweep(self) -> None:
        """Close what was idle for too long."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - KEEP_IDLE
        for origin, connections in list(self._idle.items()):
            for connection in connections:
                if connection.idle_since <= oldest:
                    connection.close()
            self._idle[origin] = [each for each in connections if each.idle_since > oldest]
        first = min((each[0].idle_since for each in self._idle.values() if each), default=None)
        self._sweeper = None if first is None else loop.call_at(first + KEEP_IDLE, self._sweep)

    async def _connect(self, origin: Origin) -> Connection:
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._opened(origin)
        except TimeoutError as error:
            raise NeverLeft(
                "connect_timeout", f"No connection within {self._connect_timeout:g} s."
            ) from error
        except (socket.gaierror, UnicodeError) as error:
            raise NeverLeft("no_dns", f"The host name cannot be resolved: {error}") from error
        except ssl.SSLError as error:
            raise NeverLeft("no_tls", f"No secure connection: {error}") from error
        except OSError as error:
            self._addresses.pop(origin, None)
            raise NeverLeft("no_connection", f"No connection: {error}") from error

    async def _opened(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        connected = await aiohappyeyeballs.start_connection(
            await self._resolved(origin), happy_eyeballs_delay=_OTHER_ADDRESS_AFTER
        )
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = self._tls() if origin.tls else None
            _, connection = await loop.create_connection(
                Connection, sock=connected, ssl=context, server_hostname=origin.host if context else None
            )
        except BaseException:
            connected.close()
            raise
        return connection

    async def _resolved(self, origin: Origin) -> Sequence[aiohappyeyeballs.AddrInfoType]:
        loop = asyncio.get_running_loop()
        found, until = self._addresses.get(origin, ((), 0.0))
        if loop.time() >= until:
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
            self._addresses[origin] = found, loop.time() + _DNS_SECONDS
        return found

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context()
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context


def _encoded(request: Request, secrets: Headers) -> bytes:
    try:
        return request.encode(secrets)
    except ValueError as error:
        raise NeverLeft("not_sendable", str(error)) from error

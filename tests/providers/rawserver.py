"""A TCP server that misbehaves at a chosen point and counts what it was given."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Connection:
    """One accepted connection; `number` counts from 1."""

    server: RawServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def read_request(self) -> bytes:
        """A whole request: head and body. It is counted when its first byte is read."""
        head = await self.read_some(1)
        head += await self.reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + await self.reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)

    async def read_some(self, count: int) -> bytes:
        """The first bytes of a request."""
        data = await self.reader.readexactly(count)
        self.server.begun += 1
        return data

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Closes with RST instead of FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed_by_client(self) -> None:
        with suppress(ConnectionError):
            await self.reader.read()


Behaviour = Callable[[Connection], Awaitable[None]]


@dataclass
class RawServer:
    port: int = 0
    connections: int = 0
    begun: int = 0
    """Requests of which at least the first byte was read."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_server(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Runs `behave` for every connection; the connection is closed when it returns."""
    state = RawServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        task = asyncio.current_task()
        assert task is not None
        state.tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await behave(Connection(state, reader, writer, state.connections))
        writer.close()
        with suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in state.tasks:
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await server.wait_closed()

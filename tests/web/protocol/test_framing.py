"""A request that ends in two ways is refused, over a real connection: what follows it is nobody's request."""

from __future__ import annotations

import asyncio

from storage.database.engine import Engine
from web.monitoring.metrics import Limits, Metrics
from web.server import watched

SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
TWICE = b"POST /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


async def answer_to(engine: Engine, request: bytes) -> bytes:
    """All that comes back until the server closes."""
    metrics = Metrics(engine, Limits({}, {}))
    async with watched(engine, metrics, "127.0.0.1", 0) as address, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.write(request)
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
    return received


async def test_two_lengths_are_refused_and_the_connection_is_closed(sqlite_engine: Engine) -> None:
    received = await answer_to(sqlite_engine, TWICE + SMUGGLED)
    assert received.startswith(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1") == 1
    assert b"connection: close" in received.lower()


async def test_one_length_is_answered(sqlite_engine: Engine) -> None:
    received = await answer_to(sqlite_engine, SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert received.startswith(b"HTTP/1.1 200")

"""A monitor and a provider are answered beside a flood: whoever keeps the server waiting makes room, and few words are
lost about it. On real sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import web.protocol.connections
from app.wiring.settings import Settings
from storage.database.engine import Engine
from web.protocol.strict_http import LARGEST_HEAD
from web.server import WATCHED, _listening, _server, serving

HEALTHY = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
PLACES = 30


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.protocol.connections, "MOST", PLACES)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_WITHIN", "BODY_WITHIN", "KEEP_ALIVE"):
        monkeypatch.setattr(web.protocol.connections, name, 0.3)
    monkeypatch.setattr(web.protocol.connections, "SWEEP", 0.05)


@pytest.fixture
async def port(sqlite_engine: Engine) -> AsyncIterator[int]:
    """The product's own server."""
    async with serving(sqlite_engine, Settings("sqlite:///", {}), "127.0.0.1", 0) as address:
        yield int(urlsplit(address).port or 0)


class Caller:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def says(self, request: bytes) -> int:
        """The status of the answer."""
        self.writer.write(request)
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        return int(head.split()[1])

    async def closed(self, within: float = 10) -> bool:
        """Whether the server closes the connection, whatever it says before."""
        with suppress(ConnectionError):
            try:
                await asyncio.wait_for(self.reader.read(), within)
            except TimeoutError:
                return False
        return True


@asynccontextmanager
async def calling(port: int, count: int = 1, *, address: str = "127.0.0.1") -> AsyncIterator[list[Caller]]:
    async with AsyncExitStack() as stack:
        callers = []
        for _ in range(count):
            opened = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            stack.callback(opened[1].close)
            callers.append(Caller(*opened))
        yield callers


async def statuses(port: int, requests: Sequence[bytes]) -> list[int]:
    """Each over a connection of its own."""
    async with calling(port, len(requests)) as callers:
        return [await caller.says(one) for caller, one in zip(callers, requests, strict=True)]


ASKED = (HEALTHY, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", POST + b"0123456789")


async def test_all_are_answered_while_others_hold_every_place_and_say_nothing(port: int) -> None:
    async with calling(port, 3 * PLACES):
        assert await statuses(port, ASKED) == [200, 200, 404]


async def test_all_are_answered_while_others_hold_every_place_with_half_a_request(port: int) -> None:
    async with calling(port, 3 * PLACES) as flood:
        for number, caller in enumerate(flood):
            caller.writer.write((HEALTHY[:-2], POST + b"0")[number % 2])
        assert await statuses(port, ASKED) == [200, 200, 404]


async def test_who_holds_most_makes_room_and_not_who_was_there_first(port: int) -> None:
    async with calling(port, address="127.0.0.2") as [quiet], calling(port, 2 * PLACES) as flood:
        assert await flood[0].closed()
        assert not await quiet.closed(within=0.2)
        assert await quiet.says(HEALTHY) == 200


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("begun", "drop"),
    [(b"", b""), (b"GET /health/live HTTP/1.1\r\n", b"X"), (POST, b"1"), (HEALTHY, b"")],
    ids=["nothing", "a head", "a body", "no second request"],
)
async def test_a_slow_caller_is_cut_although_a_byte_comes_now_and_then(
    port: int, begun: bytes, drop: bytes
) -> None:
    async def drip(caller: Caller) -> None:
        for _ in range(40):
            await asyncio.sleep(0.08)
            caller.writer.write(drop)

    async with calling(port) as [caller]:
        caller.writer.write(begun)
        dripping = asyncio.create_task(drip(caller))
        assert await caller.closed(within=3.5)
        dripping.cancel()


async def test_while_all_are_worked_for_monitors_are_answered_and_others_asked_to_come_again() -> None:
    all_begun, go_on = asyncio.Barrier(PLACES + 1), asyncio.Event()

    async def work(_: Request) -> Response:
        await all_begun.wait()
        await go_on.wait()
        return Response()

    async def live(_: Request) -> Response:
        return Response()

    app = Starlette(routes=[Route("/work", work), Route(WATCHED[-1], live)])
    job = b"GET /work HTTP/1.1\r\nHost: x\r\n\r\n"
    with _listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with _server(app, listener), calling(port, PLACES) as busy:
            worked_for = [asyncio.create_task(caller.says(job)) for caller in busy]
            await asyncio.wait_for(all_begun.wait(), 20)
            monitor = f"GET {WATCHED[-1]} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            assert [await statuses(port, [one]) for one in (monitor, job)] == [[200], [503]]
            go_on.set()
            assert set(await asyncio.gather(*worked_for)) == {200}


async def test_a_flood_of_nonsense_is_one_line_in_the_log(
    port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    assert set(await statuses(port, [b"nonsense\r\n\r\n"] * PLACES)) == {400}
    lines = await logged(caplog, "not HTTP")
    assert len(lines) == 1
    caplog.clear()
    monkeypatch.setattr(web.protocol.connections, "WARN_EVERY", 0.0)
    async with calling(port, 3 * PLACES):
        assert await statuses(port, [HEALTHY]) == [200]
    assert await logged(caplog, "closed for others: all connections in use")


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    """The lines of ours in the log, once one of them has the text."""
    async with asyncio.timeout(20):
        while True:
            lines = [record.message for record in caplog.records if record.name != "asyncio"]
            if any(text in line for line in lines):
                return lines
            await asyncio.sleep(0.05)


async def test_a_head_that_never_ends_is_read_no_further_than_the_bound(port: int) -> None:
    async with calling(port) as [caller]:
        caller.writer.write(b"GET /health/live HTTP/1.1\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 64 * LARGEST_HEAD and not caller.reader.at_eof():
                caller.writer.write(b"X-Long: " + b"x" * 8000 + b"\r\n")
                await caller.writer.drain()
                sent += 8010
                await asyncio.sleep(0)
        assert await caller.closed()
    assert await statuses(port, [HEALTHY]) == [200]

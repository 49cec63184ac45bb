"""Whether and when a request may go is asked when its connection is there: before, not one byte of it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from providers.http.client import Answer, Http, NotSent, Reply, Unknown
from providers.http.connection import TOO_LATE
from tests.providers.rawserver import OK, Connection, RawServer, raw_server


async def answer_all(connection: Connection) -> None:
    while await connection.read_request():
        await connection.write(OK)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(answer_all) as started:
        yield started


@pytest.fixture
async def http(server: RawServer) -> AsyncIterator[Http]:
    made = Http(server.url())
    yield made
    await made.aclose()


@dataclass
class Opens:
    """Opens after so many seconds, or refuses then."""

    after: float = 0.0
    may_go: bool = True
    counts: bool = True
    has_passed: bool = False

    async def open(self) -> bool:
        await asyncio.sleep(self.after)
        return self.may_go

    def passed(self) -> None:
        self.has_passed = True


async def post(http: Http, *, may_go: bool) -> Reply:
    gate = Opens(may_go=may_go)
    reply = await http.exchange(http.request("POST", "/messages", body={"content": "x"}), gate)
    assert gate.has_passed == may_go
    return reply


async def refused(http: Http) -> bool:
    reply = await post(http, may_go=False)
    await asyncio.sleep(0.05)  # what had left would arrive
    return isinstance(reply, NotSent) and reply.code == TOO_LATE


async def test_on_a_new_connection(server: RawServer, http: Http) -> None:
    assert await refused(http)
    assert (server.connections, server.begun) == (1, 0)


async def test_on_a_kept_connection_and_the_next_request_is_not_harmed(server: RawServer, http: Http) -> None:
    assert isinstance(await post(http, may_go=True), Answer)
    assert await refused(http)
    assert (server.connections, server.begun) == (1, 1)
    assert isinstance(await post(http, may_go=True), Answer)
    assert server.begun == 2


async def test_a_gate_that_counts_nothing_is_not_told_when_a_request_has_left(http: Http) -> None:
    gate = Opens(counts=False)
    assert isinstance(await http.exchange(http.request("POST", "/messages", body={}), gate), Answer)
    assert not gate.has_passed


async def test_the_provider_has_its_whole_time_to_answer_however_long_a_request_waits_to_leave(
    server: RawServer,
) -> None:
    http = Http(server.url(), timeout=1)
    reply = await http.exchange(http.request("POST", "/messages", body={}), Opens(1.2))
    await http.aclose()
    assert isinstance(reply, Answer)
    assert reply.latency_ms < 1_000


async def test_a_connection_that_breaks_while_a_request_waits_to_leave_is_not_in_doubt() -> None:
    async def close_at_once(connection: Connection) -> None:
        connection.reset()

    async with raw_server(close_at_once) as server:
        http = Http(server.url())
        reply = await http.exchange(http.request("POST", "/messages", body={}), Opens(0.2))
        await http.aclose()
    assert isinstance(reply, NotSent)
    assert server.begun == 0


async def test_a_connection_that_breaks_once_a_request_has_left_is_in_doubt() -> None:
    async def read_and_reset(connection: Connection) -> None:
        await connection.read_request()
        connection.reset()

    async with raw_server(read_and_reset) as server:
        http = Http(server.url())
        reply = await http.exchange(http.request("POST", "/messages", body={}), Opens(0.01))
        await http.aclose()
    assert isinstance(reply, Unknown)

"""Whether a request may still go is asked when its connection is there: where not, not one byte of it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from providers.http.client import Answer, Http, NotSent, Reply
from providers.http.transport import TOO_LATE
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


async def post(http: Http, *, may_go: bool) -> Reply:
    request = http.request("POST", "/messages", body={"content": "x"})
    return await http.exchange(request, lambda: may_go)


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

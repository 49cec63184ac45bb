"""What the bytes of an answer mean, in whatever pieces they come: only a whole, valid answer is one."""

from __future__ import annotations

import asyncio
import gc
import gzip
import weakref
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from providers.http.connection import MAX_BODY, MAX_HEAD, Connection, Departure, MayHaveLeft
from tests.support.cases import each
from tests.support.examples import share

OK = b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\n{"a"\r\n4\r\n: 1}\r\n0\r\nX-Sum: 1\r\n\r\n'
UNTIL_CLOSED = b'HTTP/1.1 200 OK\r\n\r\n{"a": 1}'
BODY = b'{"a": 1}'


class FakeTransport(asyncio.Transport):
    """A socket whose other end is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unwritten = 0
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unwritten

    def abort(self) -> None:
        self.closing = True

    close = abort


@dataclass
class Verdict:
    """What an exchange came to."""

    status: int | None = None
    body: bytes = b""
    code: str | None = None
    reusable: bool = False


async def verdict(
    pieces: list[bytes], *, lost: bool = True, error: Exception | None = None, unwritten: int = 0
) -> Verdict:
    """The outcome where the provider sends these pieces, and then closes the connection or breaks it off."""
    connection, transport = Connection(), FakeTransport()
    connection.connection_made(transport)
    transport.unwritten = unwritten
    exchange = asyncio.create_task(connection.exchange(b"request", Departure(), 60))
    await asyncio.sleep(0)
    assert transport.written == b"request"
    for piece in pieces:
        connection.data_received(piece)
    if lost and not exchange.done():
        if error is None:
            connection.eof_received()
        connection.connection_lost(error)
    try:
        answer = await exchange
    except MayHaveLeft as failure:
        return Verdict(code=failure.code, reusable=connection.reusable)
    return Verdict(answer.status, answer.body, reusable=connection.reusable)


def packed(body: bytes, encoding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


BARE = zlib.compressobj(wbits=-zlib.MAX_WBITS)
BARE_DEFLATE = BARE.compress(BODY) + BARE.flush()


@each(
    ("data", "status", "reusable"),
    [
        (OK, 201, True),
        (CHUNKED, 200, True),
        (UNTIL_CLOSED, 200, False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 201, True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 201, True),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 201, False),
        (OK.replace(b"1.1", b"1.0"), 201, False),
        (OK + OK.replace(b"201", b"500"), 201, False),
        (OK + b"trailing", 201, False),
        (packed(gzip.compress(BODY, mtime=0), "gzip"), 200, True),
        (packed(gzip.compress(BODY, mtime=0), "X-GZIP"), 200, True),
        (packed(zlib.compress(BODY), "deflate"), 200, True),
        (packed(BARE_DEFLATE, "deflate"), 200, True),
        (packed(BODY, "identity"), 200, True),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else None,
)
async def test_a_whole_answer_is_one(data: bytes, status: int, reusable: bool) -> None:
    assert await verdict([data], lost=data == UNTIL_CLOSED) == Verdict(status, BODY, reusable=reusable)


async def test_an_answer_may_have_no_body() -> None:
    assert await verdict([b"HTTP/1.1 204 No Content\r\n\r\n"], lost=False) == Verdict(204, reusable=True)


@each(
    ("data", "code"),
    [
        (b"", "connection_lost"),
        (OK[:30], "connection_lost"),
        (OK[:-1], "half_answer"),
        (CHUNKED[:-2], "half_answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "connection_lost"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{}", "garbage"),
        (OK.replace(b"\r\n", b"\n"), "garbage"),
        (OK.replace(b"Length: 8", b"Length: 8\r\nContent-Length: 9"), "garbage"),
        (OK.replace(b"Length: 8", b"Length: 8\r\nTransfer-Encoding: chunked"), "garbage"),
        (OK.replace(b"Length: 8", b"Length: -8"), "garbage"),
        (OK.replace(b"HTTP/1.1", b"HTTP/9.9"), "garbage"),
        (CHUNKED.replace(b"4;x=y", b"zz"), "garbage"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "garbage"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD, "too_large"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * MAX_HEAD, "too_large"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000, "too_large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * (MAX_BODY + 1), "too_large"),
        (packed(b"x" * (MAX_BODY + 1), "identity"), "too_large"),
        (packed(gzip.compress(b"0" * (MAX_BODY + 1), mtime=0), "gzip"), "too_large"),
        (packed(gzip.compress(BODY, mtime=0)[:-4], "gzip"), "half_answer"),
        (packed(b"????", "gzip"), "half_answer"),
        (packed(b"????", "deflate"), "half_answer"),
        (packed(BODY, "br"), "half_answer"),
        (packed(BODY, "gzip, gzip"), "half_answer"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:40].decode("latin-1"),
)
async def test_anything_else_leaves_the_request_in_doubt(data: bytes, code: str) -> None:
    assert await verdict([data]) == Verdict(code=code)


async def test_an_answer_that_is_cut_off_is_none_even_without_a_length() -> None:
    assert (await verdict([UNTIL_CLOSED], error=ConnectionResetError())).code == "half_answer"


async def test_an_answer_before_the_request_was_written_is_one_and_the_connection_is_not_used_again() -> None:
    assert await verdict([OK], lost=False, unwritten=1) == Verdict(201, BODY)


async def test_unexpected_data_closes_the_connection() -> None:
    connection, transport = Connection(), FakeTransport()
    connection.connection_made(transport)
    connection.data_received(OK)
    assert not connection.is_open


lines = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.0 201 Created\r\n", b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"\r\n", b"abc",
        b"3\r\nabc\r\n", b"0\r\n\r\n", b"X-Odd: \xfc\r\n", b"Content-Encoding: gzip\r\n", b"\n", b" ", b"\0",
    ]
)  # fmt: skip
answers = st.one_of(
    st.lists(lines, max_size=12).map(b"".join),
    st.sampled_from([OK, CHUNKED, UNTIL_CLOSED, OK + OK, packed(gzip.compress(BODY, mtime=0), "gzip")]),
    st.binary(max_size=80),
)


@share(0.5)
@given(data=answers, cuts=st.lists(st.integers(0, 200), max_size=8), closed=st.booleans())
@example(data=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", cuts=[65_000, 65_536], closed=True)
async def test_the_pieces_in_which_it_comes_change_nothing(
    data: bytes, cuts: list[int], closed: bool
) -> None:
    error = None if closed else ConnectionResetError()
    places = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert await verdict(pieces, error=error) == await verdict([data], error=error)


async def test_a_request_with_less_time_than_the_one_before_is_late_when_its_own_is_over() -> None:
    connection = Connection()
    connection.connection_made(FakeTransport())
    asyncio.get_running_loop().call_soon(connection.data_received, OK)
    await connection.exchange(b"", Departure(), 60)
    shorter = asyncio.create_task(connection.exchange(b"", Departure(), 0.01))
    await asyncio.wait({shorter}, timeout=5)
    assert shorter.done()
    assert isinstance(shorter.exception(), TimeoutError)


async def test_a_lost_connection_is_held_by_no_timer() -> None:
    connection = Connection()
    connection.connection_made(FakeTransport())
    asyncio.get_running_loop().call_soon(connection.data_received, OK)
    await connection.exchange(b"", Departure(), 60)
    connection.connection_lost(None)
    left = weakref.ref(connection)
    del connection
    gc.collect()
    assert left() is None

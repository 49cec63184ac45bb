"""The table of failures: where an exchange breaks, what we may say of it, how often the server saw it."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from providers.http import wire
from providers.http.client import Answer, Http, NotSent, Reply, Unknown
from providers.http.connection import MAX_BODY
from tests.providers.rawserver import OK, Connection, RawServer, raw_server
from tests.support.cases import each

BODY = {"to_number": ["447700900123"], "content": "x" * 200_000}
"""Longer than the socket buffers of a server that stops reading early."""


@asynccontextmanager
async def client(base_url: str, timeout: float = 5.0) -> AsyncIterator[Http]:
    http = Http(base_url, lambda: {"Authorization": "Bearer sk-very-secret"}, timeout=timeout)
    try:
        yield http
    finally:
        await http.aclose()


async def post(http: Http, body: object = BODY) -> Reply:
    return await http.exchange(http.request("POST", "/messages", body=body))


async def close_at_once(connection: Connection) -> None:
    """Accepts and goes away."""


async def reset_at_once(connection: Connection) -> None:
    connection.reset()


async def close_after_a_part(connection: Connection) -> None:
    await connection.read_some(1000)


async def reset_after_a_part(connection: Connection) -> None:
    await connection.read_some(1000)
    connection.reset()


async def close_after_all(connection: Connection) -> None:
    await connection.read_request()


async def reset_after_all(connection: Connection) -> None:
    await connection.read_request()
    connection.reset()


async def half_a_head(connection: Connection) -> None:
    await connection.read_request()
    await connection.write(b"HTTP/1.1 201 Created\r\nContent-Ty")


async def half_a_body(connection: Connection) -> None:
    await connection.read_request()
    await connection.write(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"success": tr')


async def half_a_chunked_body(connection: Connection) -> None:
    await connection.read_request()
    await connection.write(b'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"success"')


async def half_a_body_then_reset(connection: Connection) -> None:
    await half_a_body(connection)
    connection.reset()


async def another_protocol(connection: Connection) -> None:
    await connection.read_request()
    await connection.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


async def broken_packing(connection: Connection) -> None:
    await connection.read_request()
    await connection.write(b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n????")


async def endless_unpacked(connection: Connection) -> None:
    await connection.read_request()
    packed = gzip.compress(b"0" * (MAX_BODY + 1))
    head = f"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    await connection.write(head.encode() + packed)


async def never_an_answer(connection: Connection) -> None:
    await connection.read_request()
    await connection.closed_by_client()


async def body_too_late(connection: Connection) -> None:
    await half_a_body(connection)
    await connection.closed_by_client()


@each(
    ("behave", "code", "begun"),
    [
        (close_at_once, "connection_lost", 0),
        (reset_at_once, "connection_lost", 0),
        (close_after_a_part, "connection_lost", 1),
        (reset_after_a_part, "connection_lost", 1),
        (close_after_all, "connection_lost", 1),
        (reset_after_all, "connection_lost", 1),
        (half_a_head, "connection_lost", 1),
        (half_a_body, "half_answer", 1),
        (half_a_chunked_body, "half_answer", 1),
        (half_a_body_then_reset, "half_answer", 1),
        (another_protocol, "garbage", 1),
        (broken_packing, "half_answer", 1),
        (endless_unpacked, "too_large", 1),
        (never_an_answer, "late", 1),
        (body_too_late, "late", 1),
    ],
)
async def test_once_connected_every_failure_is_unknown_and_nothing_is_repeated(behave, code, begun):
    async with raw_server(behave) as server, client(server.url(), 0.5 if code == "late" else 5.0) as http:
        reply = await post(http)
        await the_server_has_seen_all(server)
    assert isinstance(reply, Unknown)
    assert reply.code == code
    assert reply.text
    assert (server.connections, server.begun) == (1, begun)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_kept_connection_that_breaks_under_the_next_request_does_not_repeat_it(method):
    async def answer_once_then_close(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(OK)
        await connection.read_request()

    async with raw_server(answer_once_then_close) as server, client(server.url()) as http:
        first = await http.exchange(http.request(method, "/messages", body={}))
        second = await http.exchange(http.request(method, "/messages", body={}))
        await the_server_has_seen_all(server)
    assert isinstance(first, Answer)
    assert isinstance(second, Unknown)
    assert (server.connections, server.begun) == (1, 2)


async def test_a_kept_connection_closed_just_before_its_reuse_is_unknown_and_seen_at_most_once():
    """The server's FIN is in our kernel but not in our loop yet: where other clients repeat the request."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        seen: list[bytes] = []
        may_close, is_closed = threading.Event(), threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(65_536))
                connection.sendall(OK)
                may_close.wait(10)
            is_closed.set()

        thread = threading.Thread(target=serve)
        thread.start()
        async with client(f"http://127.0.0.1:{listener.getsockname()[1]}") as http:
            first = await post(http, {})
            may_close.set()
            is_closed.wait(10)  # blocks the loop on purpose
            second = await post(http, {})
        thread.join(10)
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert isinstance(first, Answer)
    assert isinstance(second, Unknown)
    assert len(seen) == 1


async def test_a_kept_connection_seen_to_be_closed_is_replaced():
    async def answer_once(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length"))

    async with raw_server(answer_once) as server, client(server.url()) as http:
        replies = [await post(http, {}) for _ in range(3)]
    assert all(isinstance(reply, Answer) for reply in replies)
    assert (server.connections, server.begun) == (3, 3)


async def test_an_idle_connection_is_closed_by_us_first(monkeypatch):
    monkeypatch.setattr(wire, "KEEP_IDLE", 0.05)
    closed = asyncio.Event()

    async def answer_and_watch(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(OK)
        await connection.closed_by_client()
        closed.set()

    async with raw_server(answer_and_watch) as server, client(server.url()) as http:
        assert isinstance(await post(http, {}), Answer)
        await asyncio.wait_for(closed.wait(), 5)


def test_idle_connections_are_kept_for_less_than_servers_do():
    assert 0 < wire.KEEP_IDLE < 5


async def test_refused_is_not_sent():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    async with client(f"http://127.0.0.1:{port}") as http:
        reply = await post(http)
    assert isinstance(reply, NotSent)
    assert reply.code == "no_connection"


async def test_an_unknown_host_is_not_sent(monkeypatch):
    def nobody(*args: object, **kwargs: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    async with client("http://provider.invalid") as http:
        reply = await post(http)
    assert isinstance(reply, NotSent)
    assert reply.code == "no_dns"


async def test_a_full_backlog_is_not_sent():
    """Nobody accepts, and the kernel drops what would be the next connection."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        async with client(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.6) as http:
            reply = await post(http)
        for filler in fillers:
            filler.close()
    assert isinstance(reply, NotSent)
    assert reply.code == "connect_timeout"


async def plain_text_to_tls(connection: Connection) -> None:
    await connection.reader.read(1)
    await connection.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def silence_to_tls(connection: Connection) -> None:
    await connection.closed_by_client()


@pytest.mark.parametrize(
    ("behave", "code", "timeout"),
    [
        (plain_text_to_tls, "no_tls", 5.0),
        (close_at_once, "no_connection", 5.0),
        (reset_at_once, "no_connection", 5.0),
        (silence_to_tls, "connect_timeout", 0.6),
    ],
)
async def test_without_a_secure_connection_it_is_not_sent(behave, code, timeout):
    async with raw_server(behave) as server, client(server.url("https"), timeout) as http:
        reply = await post(http)
    assert isinstance(reply, NotSent)
    assert reply.code == code
    assert server.begun == 0


async def test_an_answer_without_a_length_ends_with_the_connection():
    async def until_closed(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(b'HTTP/1.1 200 OK\r\n\r\n{"a": 1}')

    async with raw_server(until_closed) as server, client(server.url()) as http:
        reply = await post(http, {})
    assert isinstance(reply, Answer)
    assert reply.json() == {"a": 1}


async def test_a_packed_answer_is_unpacked():
    async def packed(connection: Connection) -> None:
        await connection.read_request()
        body = gzip.compress(b'{"a": 1}')
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        await connection.write(head.encode() + body)

    async with raw_server(packed) as server, client(server.url()) as http:
        reply = await post(http, {})
    assert isinstance(reply, Answer)
    assert reply.json() == {"a": 1}


async def test_a_redirect_is_an_answer_and_is_not_followed():
    async def elsewhere(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 307 Temporary\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
        await connection.closed_by_client()

    async with raw_server(elsewhere) as server, client(server.url()) as http:
        reply = await post(http, {})
    assert isinstance(reply, Answer)
    assert reply.status == 307
    assert server.begun == 1


async def test_being_cancelled_is_passed_on_and_closes_the_connection():
    reading, gone = asyncio.Event(), asyncio.Event()

    async def watch(connection: Connection) -> None:
        await connection.read_request()
        reading.set()
        await connection.closed_by_client()
        gone.set()

    async with raw_server(watch) as server, client(server.url()) as http:
        call = asyncio.create_task(post(http, {}))
        await reading.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(gone.wait(), 5)
    assert server.begun == 1


async def test_an_echo_does_not_put_the_secret_into_an_error():
    async def echo(connection: Connection) -> None:
        await connection.write(await connection.read_request())

    async with raw_server(echo) as server, client(server.url()) as http:
        reply = await post(http, {})
    assert isinstance(reply, Unknown)
    assert "sk-very-secret" not in repr(reply)


async def the_server_has_seen_all(server: RawServer) -> None:
    """Every connection's story has ended: a second one would have been counted by now."""
    await asyncio.wait_for(asyncio.gather(*server.tasks, return_exceptions=True), 5)


@each("value", [b"Z\xfcrich", "Zürich".encode(), b"\xff\xfe", b"\xf0\x9f\x98"])
@each("name", [b"X-Served-By", b"X-Request-Id", b"Retry-After", b"Date", b"Server", b"Content-Type"])
async def test_no_byte_of_a_header_puts_an_answer_in_doubt(name, value):
    async def served_from_zurich(connection: Connection) -> None:
        await connection.read_request()
        head = b"HTTP/1.1 201 Created\r\n" + name + b": " + value + b"\r\nContent-Length: 13\r\n\r\n"
        await connection.write(head + b'{"id": "m-1"}')

    async with raw_server(served_from_zurich) as server, client(server.url()) as http:
        reply = await post(http)
    assert isinstance(reply, Answer)
    assert (reply.status, reply.json(), reply.retry_after) == (201, {"id": "m-1"}, None)
    assert (reply.request_id is None) == (name != b"X-Request-Id")

"""How connections are made and kept: who is trusted, and which address is taken."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from httptools import HttpResponseParser

from providers.http.client import Answer, Http, NotSent, Reply, Unknown
from providers.http.request import Request, Url
from tests.providers.http.test_gate import Opens, answer_all
from tests.providers.rawserver import OK, Connection, raw_server

EXPIRED = datetime(2020, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def client(base_url: str, timeout: float = 5.0) -> AsyncIterator[Http]:
    http = Http(base_url, timeout=timeout)
    try:
        yield http
    finally:
        await http.aclose()


async def post(http: Http) -> Reply:
    return await http.exchange(http.request("POST", "/messages", body={}))


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """An issuer that this machine trusts."""
    trusted = trustme.CA()
    trusted.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return trusted


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def test_a_certificate_of_a_known_issuer_for_this_host_is_trusted(authority: trustme.CA) -> None:
    tls = serving(authority.issue_cert("127.0.0.1"))
    async with raw_server(answer_all, tls) as server, client(server.url("https")) as http:
        replies = [await post(http) for _ in range(2)]
    assert all(isinstance(reply, Answer) for reply in replies)
    assert server.connections == 1


@pytest.mark.parametrize(
    "certificate",
    [
        lambda authority: authority.issue_cert("another.example"),
        lambda authority: authority.issue_cert("127.0.0.1", not_after=EXPIRED),
        lambda _: trustme.CA().issue_cert("127.0.0.1"),
    ],
    ids=["wrong name", "expired", "unknown issuer"],
)
async def test_any_other_certificate_is_refused_and_nothing_is_sent(
    authority: trustme.CA, certificate: Callable[[trustme.CA], trustme.LeafCert]
) -> None:
    tls = serving(certificate(authority))
    async with raw_server(answer_all, tls) as server, client(server.url("https")) as http:
        reply = await post(http)
    assert isinstance(reply, NotSent)
    assert reply.code == "no_tls"
    assert server.begun == 0


async def test_an_address_that_does_not_answer_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as IPv6 of a network that has none."""
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        async with raw_server(answer_all) as server:
            places = [silent.getsockname(), ("127.0.0.1", server.port)]
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            async with client("http://provider.example", timeout=4.0) as http:
                assert isinstance(await post(http), Answer)
        for filler in fillers:
            filler.close()


async def test_a_connection_whose_exchange_ends_after_the_pool_was_closed_is_closed_too() -> None:
    reading, closed = asyncio.Event(), asyncio.Event()

    async def answer_late(connection: Connection) -> None:
        await connection.read_request()
        reading.set()
        await asyncio.sleep(0.05)
        await connection.write(OK)
        await connection.closed_by_client()
        closed.set()

    async with raw_server(answer_late) as server, client(server.url()) as http:
        under_way = asyncio.create_task(post(http))
        await reading.wait()
        await http.aclose()
        assert isinstance(await under_way, Answer)
        await asyncio.wait_for(closed.wait(), 1)


@pytest.mark.parametrize("pause", [0.6, 1.2])
async def test_each_request_of_a_kept_connection_has_its_whole_time(pause: float) -> None:
    """The timer is set once for several: for the first request it looks a second after that was written."""

    async def answer_the_first(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(OK)
        await connection.read_request()
        await connection.closed_by_client()

    async with raw_server(answer_the_first) as server, client(server.url(), timeout=1) as http:
        assert isinstance(await post(http), Answer)
        await asyncio.sleep(pause)
        reply = await asyncio.wait_for(post(http), 5)
    assert isinstance(reply, Unknown)
    assert (server.connections, reply.code) == (1, "late")
    assert reply.latency_ms >= 1_000


async def test_an_answer_that_drips_in_is_late_in_all() -> None:
    async def drip(connection: Connection) -> None:
        await connection.read_request()
        while True:
            await connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.02)

    async with raw_server(drip) as server, client(server.url(), timeout=1) as http:
        reply = await post(http)
    assert isinstance(reply, Unknown)
    assert reply.code == "late"


async def test_a_request_cancelled_at_its_gate_leaves_its_connection_usable() -> None:
    async with raw_server(answer_all) as server, client(server.url()) as http:
        assert isinstance(await post(http), Answer)
        waiting = asyncio.create_task(
            http.exchange(http.request("POST", "/messages", body={}), Opens(after=60))
        )
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert isinstance(await post(http), Answer)
    assert (server.connections, server.begun) == (1, 2)


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\0b", "é"])
async def test_a_header_that_would_break_the_request_is_not_sent(value: str) -> None:
    async with raw_server(answer_all) as server, client(server.url()) as http:
        url = Url(f"{server.url()}/messages")
        reply = await http.exchange(Request("POST", url, {"Idempotency-Key": value}, b"{}"))
    assert isinstance(reply, NotSent)
    assert reply.code == "not_sendable"
    assert value not in reply.text
    assert server.connections == 0


async def test_the_bytes_of_a_request() -> None:
    got: list[bytes] = []

    async def keep(connection: Connection) -> None:
        got.append(await connection.read_request())
        await connection.write(OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length"))

    async with raw_server(keep) as server:
        http = Http(server.url(), lambda: {"Authorization": "Bearer sk-1"})
        await http.exchange(Request("POST", Url(f"{server.url()}/v1/a%20b?c=d"), {"Accept": "x"}, b"{}"))
        await http.get("/list", [("to", "+44 7")])
        await http.aclose()
    host = f"127.0.0.1:{server.port}".encode()
    assert got[0] == (
        b"POST /v1/a%20b?c=d HTTP/1.1\r\nHost: " + host + b"\r\nAccept: x\r\nAuthorization: Bearer sk-1\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    assert got[1].startswith(b"GET /list?to=%2B44%207 HTTP/1.1\r\n") or got[1].startswith(
        b"GET /list?to=%2B44+7 HTTP/1.1\r\n"
    )
    assert b"Content-Length" not in got[1]


async def test_nothing_of_an_answer_waits_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        async with raw_server(answer_all) as server, client(server.url()) as http:
            assert isinstance(await post(http), Answer)
            assert not [each for each in gc.get_objects() if type(each) is HttpResponseParser]
    finally:
        gc.enable()

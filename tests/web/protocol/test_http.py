"""Requests as bytes on a real connection: each is read in one way only, or refused and its connection closed."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

from httptools import HttpRequestParser
from starlette.types import Receive, Scope, Send

from tests.web.wire import Wire, read
from web.protocol.connections import Connection
from web.protocol.strict_http import MOST_WAITING
from web.server import _listening, _server

GET = b"GET /e HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /e HTTP/1.1\r\nHost: x\r\n"
THREE = b"Content-Length: 3\r\n\r\nabc"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Sent once a case is answered: it is answered too where the connection was kept, and in step."""
KB = b"x" * 1000

ANSWERED = {
    "GET": (GET + b"\r\n", "GET /e"),
    "HEAD": (b"HEAD /e HTTP/1.1\r\nHost: x\r\n\r\n", ""),
    "a query": (b"GET /e%20%2F?a=%20&b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /e%20%2F ?a=%20&b"),
    "a body": (POST + THREE, "POST /e abc"),
    "an empty body": (POST + b"Content-Length: 0\r\n\r\n", "POST /e"),
    "no body": (POST + b"\r\n", "POST /e"),
    "a long body": (POST + b"Content-Length: 300000\r\n\r\n" + 300 * KB, "POST /e 300000 bytes"),
    "chunks": (CHUNKED + b"\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "POST /e abcde"),
    "Chunked": (POST + b"Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "POST /e abc"),
    "the extension of a chunk": (CHUNKED + b'\r\n3;a="b"\r\nabc\r\n0\r\n\r\n', "POST /e abc"),
    "many chunks": (CHUNKED + b"\r\n" + b"8\r\nabcdefgh\r\n" * 20_000 + b"0\r\n\r\n", "POST /e 160000 bytes"),
    "a trailer is no header": (CHUNKED + b"\r\n3\r\nabc\r\n0\r\nX-Seen: y\r\n\r\n", "POST /e abc"),
    "a header": (GET + b"X-Seen: \t y z \t \r\n\r\n", "GET /e 'y z'"),
    "a header beyond ASCII": (GET + b"X-Seen: \xc3\xa9\xff\r\n\r\n", "GET /e 'Ã©ÿ'"),
    "a head below the bound": (GET + (b"X-A: " + KB + b"\r\n") * 65 + b"\r\n", "GET /e"),
    "it waits to continue": (POST + b"Expect: 100-continue\r\n" + THREE, "100", "POST /e abc"),
    "it expects something else": (POST + b"Expect: more\r\n" + THREE, "POST /e abc"),
    "HTTP/2 is offered": (GET + H2C + b"\r\n", "GET /e"),
    "HTTP/2 is offered with a body": (POST + H2C + THREE, "POST /e abc"),
    "HTTP/2 is offered with chunks": (CHUNKED + H2C + b"\r\n3\r\nabc\r\n0\r\n\r\n", "POST /e abc"),
    "HTTP/2 is offered with a long body": (
        POST + H2C + b"Content-Length: 300000\r\n\r\n" + 300 * KB,
        "POST /e 300000 bytes",
    ),
    "WebSocket is offered": (
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n",
        "GET /e",
    ),
    "an answer before the body": (
        b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + 300 * KB,
        "early",
    ),
    "lines before the request": (b"\r\n\r\n" + GET + b"\r\n", "GET /e"),
    "a line after the body": (POST + THREE + b"\r\n", "POST /e abc"),
    "two slashes": (b"GET //e//f HTTP/1.1\r\nHost: x\r\n\r\n", "GET //e//f"),
    "an answer before the body that waits to continue": (
        b"POST /early HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n0123456789",
        "early",
    ),
}
"""The connection is kept after each."""
CLOSED = {
    "it asks to close": (GET + b"Connection: close\r\n\r\n", "GET /e"),
    "it asks to close, and goes on": (GET + b"Connection: close\r\n\r\n" + GET + b"\r\n", "GET /e"),
    "HTTP/1.0": (b"GET /e HTTP/1.0\r\n\r\n", "GET /e"),
    "HTTP/1.0 that would be kept": (b"GET /e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /e"),
    "HTTP/1.0 has no chunks": (b"GET /parts HTTP/1.0\r\n\r\n", "onetwo"),
    "nonsense after a request": (POST + THREE + b"XYZ /", "POST /e abc"),
    "two requests at once": (GET + b"\r\n" + POST + THREE, "GET /e"),
    "a request hidden behind a body": (POST + THREE + GET + b"\r\n", "POST /e abc"),
}
REFUSED = {
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc" + GET + b"\r\n",
    "one length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length and chunks": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + GET
    + b"\r\n",
    "chunks and a length": CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n" + GET + b"\r\n",
    "chunked twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + GET + b"\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + GET + b"\r\n",
    "chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + GET + b"\r\n",
    "chunked, identity": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n" + THREE,
    "an empty encoding": POST + b"Transfer-Encoding:\r\n" + THREE,
    "chunks in HTTP/1.0": b"POST /e HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a positive length": POST + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "a length in hexadecimal": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "an empty length": POST + b"Content-Length: \r\n\r\nabc",
    "a length beyond all numbers": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "a blank before the colon": GET + b"X : y\r\n\r\n",
    "a blank before a length's colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "a folded header": GET + b"X-Seen: y\r\n z\r\n\r\n",
    "a folded length": POST + b"Content-Length:\r\n 3\r\n\r\nabc",
    "a first header that is folded": b"GET /e HTTP/1.1\r\n Host: x\r\n\r\n",
    "a header without a name": GET + b": y\r\n\r\n",
    "a header without a colon": GET + b"X\r\n\r\n",
    "bare LF": b"GET /e HTTP/1.1\nHost: x\n\n",
    "bare LF in a head": GET + b"X: y\nContent-Length: 3\r\n\r\n",
    "bare LF at the end of a head": POST + b"Content-Length: 3\r\n\nabc",
    "bare CR in a value": GET + b"X-Seen: a\rb\r\n\r\n",
    "NUL in a value": GET + b"X-Seen: a\0b\r\n\r\n",
    "a control character in a value": GET + b"X-Seen: a\x01b\r\n\r\n",
    "a control character in an address": b"GET /e\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address beyond ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a blank in an address": b"GET /e f HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab before the address": b"GET\t/e HTTP/1.1\r\nHost: x\r\n\r\n",
    "no address": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": b"GET /e#f HTTP/1.1\r\nHost: x\r\n\r\n",
    "a whole address": b"GET http://y/e HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address of all": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel to a path": b"CONNECT /e HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method of nobody": b"FOO /e HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in lower case": b"get /e HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /e HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET /e HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
    "HTTP/0.9": b"GET /e\r\n\r\n",
    "HTTP/1.2": b"GET /e HTTP/1.2\r\nHost: x\r\n\r\n",
    "HTTP/2.0": b"GET /e HTTP/2.0\r\nHost: x\r\n\r\n",
    "http/1.1": b"GET /e http/1.1\r\nHost: x\r\n\r\n",
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no size of a chunk": CHUNKED + b"\r\n\r\nabc\r\n0\r\n\r\n",
    "a size of a chunk that is no number": CHUNKED + b"\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "a negative size of a chunk": CHUNKED + b"\r\n-3\r\nabc\r\n0\r\n\r\n",
    "a size of a chunk beyond all numbers": CHUNKED + b"\r\n" + b"f" * 21 + b"\r\nabc",
    "a chunk that ends late": CHUNKED + b"\r\n3\r\nabcXX0\r\n\r\n",
    "a chunk with bare LF": CHUNKED + b"\r\n3\nabc\n0\n\n",
    "a chunk whose end is bare LF": CHUNKED + b"\r\n3\r\nabc\n0\r\n\r\n",
    "an extension with bare LF": CHUNKED + b"\r\n3;a\nabc\r\n0\r\n\r\n",
    "a trailer that is no header": CHUNKED + b"\r\n3\r\nabc\r\n0\r\nX y\r\n\r\n",
}
FLOODS = {
    "a head above the bound": GET + (b"X-A: " + KB + b"\r\n") * 100 + b"\r\n",
    "a head far above the bound": GET + (b"X-A: " + KB + b"\r\n") * 1_000 + b"\r\n",
    "many short headers": GET + b"a:\r\n" * 300_000 + b"\r\n",
    "an endless header": GET + b"X: " + 1_500 * KB,
    "an endless name": GET + 1_500 * KB,
    "an endless address": b"GET /" + 1_500 * KB,
    "an endless trailer": CHUNKED + b"\r\n3\r\nabc\r\n0\r\nX: " + 1_500 * KB,
    "a flood of trailers": CHUNKED + b"\r\n3\r\nabc\r\n0\r\n" + (b"X-Y: " + KB[:90] + b"\r\n") * 15_000,
    "an endless extension": CHUNKED + b"\r\n3;" + 1_500 * KB,
}
"""Refused or cut off, and never given to the app as a whole."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """What was understood of the request."""
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/early":
        parts = [b"early"]
    elif scope["path"] == "/parts":
        parts = [b"one", b"two"]
    else:
        parts = [await understood(scope, receive)]
    length = [] if len(parts) > 1 else [(b"content-length", b"%d" % len(parts[0]))]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    for number, part in enumerate(parts, 1):
        await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})


async def understood(scope: Scope, receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    query = scope["query_string"].decode()
    found = [
        scope["method"],
        scope["raw_path"].decode(),
        f"?{query}" if query else "",
        body.decode() if len(body) < 20 else f"{len(body)} bytes",
        *(repr(value.decode("latin-1")) for name, value in scope["headers"] if name == b"x-seen"),
    ]
    return " ".join(filter(None, found)).encode("latin-1")


async def answers(port: int, request: bytes, wanted: int) -> list[str]:
    """What comes back until the server closes; LAST is sent after so many answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received, last = b"", LAST
    writing = asyncio.create_task(written(writer, request))
    with suppress(ConnectionError):
        while part := await reader.read(1 << 20):
            received += part
            if last and received.count(b"HTTP/1.1 ") >= wanted:
                await written(writer, last)
                last = b""
    writing.cancel()
    writer.transport.abort()
    return [read(answer) for answer in received.split(b"HTTP/1.1 ")[1:]]


async def written(writer: asyncio.StreamWriter, content: bytes) -> None:
    with suppress(ConnectionError):
        writer.write(content)
        await writer.drain()


async def all_answers(cases: dict[str, tuple[bytes, int]]) -> dict[str, list[str]]:
    """Every case over a connection of its own, all at once."""
    with _listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with _server(echo, listener), asyncio.timeout(20):  # type: ignore[arg-type]
            found = await asyncio.gather(*(answers(port, *case) for case in cases.values()))
    return dict(zip(cases, found, strict=True))


async def test_every_request_is_understood_in_one_way_or_refused() -> None:
    kept = {name: (request, [*wanted, "GET /last"]) for name, (request, *wanted) in ANSWERED.items()}
    closed = {name: (request, wanted) for name, (request, *wanted) in CLOSED.items()}
    refused = {name: (request, ["400"]) for name, request in REFUSED.items()}
    cases = {**kept, **closed, **refused}
    found = await all_answers(
        {
            name: (request, len(wanted) - (wanted[-1] == "GET /last"))
            for name, (request, wanted) in cases.items()
        }
    )
    assert found == {name: wanted for name, (_, wanted) in cases.items()}


async def test_a_flood_is_cut_off_and_reaches_nobody() -> None:
    found = await all_answers({name: (request, 1) for name, request in FLOODS.items()})
    assert {name: got for name, got in found.items() if got not in ([], ["400"])} == {}


async def test_where_a_request_is_split_changes_nothing() -> None:
    cases: dict[str, tuple[bytes, list[str]]] = {
        **{name: (request, wanted) for name, (request, *wanted) in {**ANSWERED, **CLOSED}.items()},
        **{name: (request, ["400"]) for name, request in REFUSED.items()},
        "two requests at once": (CLOSED["two requests at once"][0], ["GET /e", "POST /e abc"]),
        "a request hidden behind a body": (
            CLOSED["a request hidden behind a body"][0],
            ["POST /e abc", "GET /e"],
        ),
        "nonsense after a request": (CLOSED["nonsense after a request"][0], ["POST /e abc", "400"]),
    }
    found = {}
    for name, (request, wanted) in cases.items():
        if len(request) < 1_000:
            wire = Wire(echo)
            await wire.feed([bytes([each]) for each in request])
            found[name] = await wire.answers(len(wanted))
            wire.close()
    assert found == {name: wanted for name, (_, wanted) in cases.items() if name in found}


async def test_nothing_of_a_connection_waits_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        kinds = ("HTTP/2 is offered with a body", "HTTP/1.0 has no chunks", "two requests at once")
        cases = ANSWERED | CLOSED
        found = await all_answers({name: (cases[name][0], 1) for name in kinds})
        assert all(found.values())
        assert not [each for each in gc.get_objects() if type(each) in (Connection, HttpRequestParser)]
    finally:
        gc.enable()


async def test_the_next_request_waits_until_the_first_is_answered() -> None:
    """The first is not answered before its last message, although the caller has all of its body."""
    go_on = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": scope["path"].encode(), "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body"})

    wire = Wire(slow)
    await wire.feed([b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n"])
    assert await wire.answers() == ["/first"]
    wire.connection.data_received(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
    assert wire.paused
    assert not wire.connection.waits
    go_on.set()
    assert await wire.answers(2) == ["/first", "/other"]
    wire.close()


async def test_what_arrives_while_a_request_is_answered_is_bounded() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    wire = Wire(never)
    await wire.feed([GET + b"\r\n"])
    for _ in range(99):
        wire.connection.data_received(b"x" * (MOST_WAITING // 9))
    assert len(wire.connection._next) <= MOST_WAITING
    assert not wire.connection.cycle.keep_alive
    wire.close()


async def test_a_body_that_breaks_is_answered_once_and_the_app_learns_of_it() -> None:
    learnt: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        while "http.disconnect" not in learnt:
            learnt.append((await receive())["type"])

    head = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    for path, wanted in (("/not-begun", ["400"]), ("/begun", [""])):
        learnt.clear()
        wire = Wire(app)
        await wire.feed([f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + head])
        await asyncio.sleep(0)
        for _ in range(2):  # over TLS data may still arrive once it is closed
            wire.connection.data_received(b"nonsense\r\n")
        assert await wire.answers(2) == wanted
        await asyncio.sleep(0)
        assert learnt == ["http.request", "http.disconnect"]

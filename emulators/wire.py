"""Failures below HTTP: what a client sees when the connection itself breaks.

uvicorn hides the transport from the app, so `connection_protocol` leaves each connection's protocol object in
the request's `state`; the functions here take the scope and work on its transport.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, cast

from starlette.types import Message, Receive, Scope
from uvicorn.protocols.http.auto import AutoHTTPProtocol

CONNECTION = "connection"
GARBAGE = b"\x16\x03\x01\x00\xa5 this is not an HTTP answer\r\n\r\n"
LINGER_ZERO = struct.pack("ii", 1, 0)


def _make_protocol(**arguments: Any) -> asyncio.Protocol:
    state = dict(arguments["app_state"])
    protocol = cast("Any", AutoHTTPProtocol)(**{**arguments, "app_state": state})
    state[CONNECTION] = protocol
    return cast("asyncio.Protocol", protocol)


# uvicorn only ever calls the class it is given, so a function that makes a protocol does, httptools or h11.
connection_protocol = cast("type[asyncio.Protocol]", _make_protocol)


async def reset(scope: Scope, receive: Receive) -> None:
    """Break the connection with a TCP RST; what was not yet sent is lost."""
    transport = _transport(scope)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()
    await _gone(receive)


async def close(scope: Scope, receive: Receive, last_words: bytes = b"") -> None:
    """Send `last_words` and close the connection in the ordinary way (FIN)."""
    transport = _transport(scope)
    if last_words:
        transport.write(last_words)
    transport.close()
    await _gone(receive)


def half_of(answer: list[Message]) -> bytes:
    """The head of an HTTP answer and half of the body that the head promises."""
    start, *rest = answer
    body = b"".join(message.get("body", b"") for message in rest)
    lines = [b"HTTP/1.1 %d Cut" % start["status"], *(b"%s: %s" % pair for pair in start["headers"])]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body[: len(body) // 2]


def _transport(scope: Scope) -> asyncio.Transport:
    protocol = scope.get("state", {}).get(CONNECTION)
    if protocol is None:
        raise RuntimeError("faults of the connection need a real one: serve the app with emulators.serve")
    return cast("asyncio.Transport", protocol.transport)


async def _gone(receive: Receive) -> None:
    # An app that returns before uvicorn has noticed the end would be taken for one that forgot to answer.
    while (await receive())["type"] != "http.disconnect":
        pass

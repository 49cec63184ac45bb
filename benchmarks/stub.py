"""A provider that answers at once, in a process of its own, so that it is never what is measured: Meta's answers to a
send and to a question about a number, and when the sends came."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from typing import cast

from terminal.running import run_loop

_SENT = b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.%020d"}]}'
_NUMBER = b'{"status":"CONNECTED","id":"106540352242922"}'
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_LENGTH = b"content-length: "
LOUDEST = 1_000_000
"""Sends whose times are kept."""


class Stub:
    """The caller's side of the process."""

    def __init__(self, pipe: Pipe, port: int) -> None:
        self._pipe = pipe
        self.port = port

    def times(self) -> list[float]:
        """When each send came since the last question, by one monotonic clock, in seconds."""
        self._pipe.send("times")
        came = array("d")
        came.frombytes(self._pipe.recv_bytes())
        return came.tolist()


@contextmanager
def stub_server() -> Iterator[Stub]:
    """The process, answering."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Stub(ours, ours.recv())
    finally:
        process.terminate()
        process.join(10)


def _serve(pipe: Pipe) -> None:
    run_loop(_answer_until_terminated(pipe))


async def _answer_until_terminated(pipe: Pipe) -> None:
    loop = asyncio.get_running_loop()
    came, numbers = array("d"), count()
    server = await loop.create_server(lambda: _Answering(came, numbers), "127.0.0.1", 0)

    def tell() -> None:
        pipe.recv()
        pipe.send_bytes(came.tobytes())
        del came[:]

    loop.add_reader(pipe.fileno(), tell)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class _Answering(asyncio.Protocol):
    """One kept-alive connection."""

    transport: asyncio.Transport

    def __init__(self, came: array[float], numbers: Iterator[int]) -> None:
        self._came = came
        self._numbers = numbers
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n") + 4) >= 4:
            head = self._unread[:end].lower()
            end += _length(head)
            if len(self._unread) < end:
                return
            self._unread = self._unread[end:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        body = _NUMBER
        if head.startswith(b"post"):
            if len(self._came) < LOUDEST:
                self._came.append(time.monotonic())
            body = _SENT % next(self._numbers)
        self.transport.write(_HEAD % len(body) + body)


def _length(head: bytes) -> int:
    at = head.find(_LENGTH)
    return 0 if at < 0 else int(head[at + len(_LENGTH) : head.index(b"\r", at)])

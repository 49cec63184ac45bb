"""A provider in a process of its own that answers as Meta does and keeps the kernel's stamp of when each send came.

On loopback the kernel stamps a request while it is being sent, so the stamp does not depend on when this process comes
to read it.
"""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from providers.meta.settings import MetaAccount

SO_TIMESTAMPNS = 35
"""Linux; Python does not name it."""
STAMP = struct.Struct("ll")
SENT = b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.%d"}]}'
NUMBER = b'{"status":"CONNECTED","id":"106540352242922"}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
"""Each call has to make a connection first: calls are not equally long on their way."""


@dataclass(frozen=True)
class Arrivals:
    """The caller's side of the process."""

    port: int
    pipe: Pipe

    def times(self) -> list[float]:
        """When each send came, in seconds, sorted."""
        self.pipe.send("times")
        return sorted(self.pipe.recv())

    def account(self, folder: Path) -> MetaAccount:
        """An account here, with the sender `shop`."""
        key = folder / "key"
        key.write_text("test-key")
        return MetaAccount.model_validate(
            {
                "adapter": "meta",
                "base_url": f"http://127.0.0.1:{self.port}/v24.0",
                "api_key": f"file:{key}",
                "senders": [{"name": "shop", "phone_number_id": "106540352242922"}],
            }
        )


@contextmanager
def stamped_arrivals() -> Iterator[Arrivals]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Arrivals(ours.recv(), ours)
    finally:
        process.terminate()
        process.join(10)


def _serve(pipe: Pipe) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # its connections inherit it
    waiting, times = selectors.DefaultSelector(), list[float]()
    for source in (listener, pipe):
        waiting.register(source, selectors.EVENT_READ)
    pipe.send(listener.getsockname()[1])
    while True:
        for key, _ in waiting.select():
            if key.fileobj is listener:
                waiting.register(listener.accept()[0], selectors.EVENT_READ)
            elif key.fileobj is pipe:
                pipe.recv()
                pipe.send(times)
            else:
                waiting.unregister(key.fileobj)
                _answer(key.fileobj, times)  # type: ignore[arg-type]


def _answer(connection: socket.socket, times: list[float]) -> None:
    """Answer a connection's one request, which comes in one piece, and close it."""
    with connection:
        request, stamps, _, _ = connection.recvmsg(65536, 256)
        body = NUMBER
        if request.startswith(b"POST"):
            [stamp] = [data for _, kind, data in stamps if kind == SO_TIMESTAMPNS]
            seconds, nanoseconds = STAMP.unpack(stamp)
            times.append(seconds + nanoseconds / 1e9)
            body = SENT % len(times)
        if request:
            connection.sendall(HEAD % len(body) + body)

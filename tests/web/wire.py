"""A connection to the web server in memory: what arrives on it comes in just the pieces that a test feeds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from web.protocol.connections import Connection, Connections


class Wire(asyncio.Transport):
    def __init__(self, app: ASGIApp, connections: Connections | None = None) -> None:
        super().__init__()
        self.written = b""
        self.paused = self.closing = False
        config = uvicorn.Config(app, ws="none", log_config=None)
        state = ServerState()
        self.connection = Connection(
            connections or Connections([]), config=config, server_state=state, app_state={}
        )
        self.tasks = state.tasks
        self.connection.connection_made(self)

    async def feed(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            for _ in range(20):
                await asyncio.sleep(0)
                if not self.paused:
                    break
            if self.closing:
                return
            self.connection.data_received(piece)

    async def answers(self, wanted: int = 1) -> list[str]:
        async with asyncio.timeout(10):
            while self.written.count(b"HTTP/1.1 ") < wanted and not self.closing:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [read(answer) for answer in self.written.split(b"HTTP/1.1 ")[1:]]

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def read(answer: bytes) -> str:
    status = answer[:3].decode()
    return answer.partition(b"\r\n\r\n")[2].decode("latin-1") if status == "200" else status

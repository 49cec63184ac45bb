"""Serving the emulators with uvicorn: from the command line, or as a subprocess of a test."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import uvicorn

from emulators.app import create_app
from emulators.settings import Settings
from emulators.wire import connection_protocol

# Longer than clients keep idle connections, so that a stale one is a fault asked for and not bad luck.
KEEP_ALIVE = 30
BACKLOG = 2048


def run(
    host: str = "127.0.0.1",
    port: int = 8899,
    settings: Settings | None = None,
    ready: Callable[[int], None] | None = None,
    parent: int | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until the process `parent` is no longer ours.

    Port 0 takes a free one; `ready` is called with the bound port once it answers. Prints nothing.
    Raises OSError if the port cannot be had, and ValueError if a fault in the settings is wrong.
    """
    config = uvicorn.Config(
        create_app(settings),
        http=connection_protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=1,
    )
    with _listen(host, port) as listener:
        _Server(config, listener, ready, parent).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


class _Server(uvicorn.Server):
    """uvicorn that reports when it is ready and ends with its parent."""

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        ready: Callable[[int], None] | None,
        parent: int | None,
    ) -> None:
        super().__init__(config)
        self._port: int = listener.getsockname()[1]
        self._ready, self._parent = ready, parent

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None:
            self._ready(self._port)

    async def on_tick(self, counter: int) -> bool:
        orphaned = self._parent is not None and os.getppid() != self._parent
        return await super().on_tick(counter) or orphaned

"""Limits on the number and duration of connections: slow ones are closed to make room for new ones.

A connection waits for its caller until a whole request is there, and again when that is answered. It is closed when it
has waited too long, and where all places are taken, the one that has waited longest of the address that holds most
makes room. Where every connection has a request that we work on, newcomers are answered on the monitor's paths alone.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Collection
from typing import Any, Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from web.protocol.strict_http import StrictHttp

logger = logging.getLogger(__name__)
_ERRORS: Final = logging.getLogger("uvicorn.error.connection")
_ERRORS.setLevel(logging.ERROR)
"""The server's own log without a line for each bad request: those are counted here."""

MOST: Final = 1_000
"""Connections."""
SPARE: Final = 50
"""Additional connections, for monitors."""
HEAD_WITHIN: Final = 10.0
"""Seconds for a new connection's first request to begin and its head to arrive in."""
BODY_WITHIN: Final = 20.0
"""Seconds for a body to arrive in, and for what is left of it once its request is answered."""
SLOWEST: Final = 64 * 1024
"""Bytes of a body that earn it another second: a list of 64 MB may be sent over a slow line."""
KEEP_ALIVE: Final = 60.0
"""Seconds for which a connection is kept between two requests."""
SWEEP: Final = 1.0
WARN_EVERY: Final = 60.0


class Connections:
    """All connections of one server."""

    def __init__(self, watched: Collection[str]) -> None:
        self._watched = frozenset(watched)
        self._most = _places()
        self._by_address: dict[str, dict[Connection, None]] = {}
        """In order of arrival."""
        self._count = 0
        self._swept_at = 0.0
        self._troubles: Counter[str] = Counter()
        self._warned_at = -WARN_EVERY

    def enter(self, connection: Connection) -> None:
        """Admit it; another may be closed to make room."""
        while self._count >= self._most and self._make_room():
            pass
        if self._count >= self._most:
            connection.app = self._for_monitors(connection.app)
        if self._count >= self._most + SPARE:
            self.note("refused: all connections in use")
            connection.transport.abort()
        self._by_address.setdefault(connection.address, {})[connection] = None
        self._count += 1

    def leave(self, connection: Connection) -> None:
        held = self._by_address[connection.address]
        del held[connection]
        self._count -= 1
        if not held:
            del self._by_address[connection.address]

    def sweep(self) -> None:
        """Close connections that have waited too long for their caller, and warn; to be called often."""
        now = time.monotonic()
        if now >= self._swept_at + SWEEP:
            self._swept_at = now
            for held in list(self._by_address.values()):
                for connection in list(held):
                    if connection.overdue(now):
                        self._cut(connection, "too slow")
        self._warn(now)

    def note(self, trouble: str) -> None:
        """Count a closed connection; one log line per minute lists all."""
        self._troubles[trouble] += 1

    def _make_room(self) -> bool:
        for held in sorted(self._by_address.values(), key=len, reverse=True):
            for connection in held:
                if connection.waits:
                    self._cut(connection, "closed for others: all connections in use")
                    return True
        return False

    def _cut(self, connection: Connection, why: str) -> None:
        self.note(why)
        self.leave(connection)
        connection.cut()

    def _for_monitors(self, app: ASGIApp) -> ASGIApp:
        async def crowded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] in self._watched:
                await app(scope, receive, send)
                return
            self.note("answered with 503: all connections in use")
            busy = PlainTextResponse("Too busy.", 503, {"Retry-After": "5", "Connection": "close"})
            await busy(scope, receive, send)

        return crowded

    def _warn(self, now: float) -> None:
        if self._troubles and now >= self._warned_at + WARN_EVERY:
            counts = ", ".join(f"{count} {trouble}" for trouble, count in self._troubles.items())
            logger.warning("Connections from outside: %s.", counts, extra={"action": "connections_closed"})
            self._troubles.clear()
            self._warned_at = now


def _places() -> int:
    """MOST, but no more than half of the files that this process may open."""
    if sys.platform == "win32":
        return MOST
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit

    files, _ = getrlimit(RLIMIT_NOFILE)
    return MOST if files == RLIM_INFINITY else min(MOST, files // 2)


class Connection(StrictHttp):
    """One connection, known to all the others."""

    def __init__(self, connections: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _ERRORS
        self._all = connections
        self._stage = (False, 0)
        self._answered = 0
        self._since = time.monotonic()
        self.closed = False
        self.address = ""

    @property
    def waits(self) -> bool:
        """Whether it is the caller's turn."""
        return not self.is_answering

    def overdue(self, now: float) -> bool:
        """Whether the caller has taken too long with its request."""
        stage = (self.reads_body, self._answered)
        if stage != self._stage:
            self._stage, self._since = stage, now
        if not self.waits:
            return False
        if self.reads_body:
            earned = 0 if self.cycle.response_complete else self.body_size / SLOWEST
            return now - self._since > BODY_WITHIN + earned
        return now - self._since > (KEEP_ALIVE if self._answered else HEAD_WITHIN)

    def cut(self) -> None:
        """Close it now, and drop data that is not sent yet."""
        self.closed = True
        self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._all.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.closed:
            self._all.leave(self)

    def on_response_complete(self) -> None:
        self._answered += 1
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._all.note("not HTTP, or with too large a head")
        super().send_400_response(msg)

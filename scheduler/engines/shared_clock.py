"""One time for all machines: the database server's. Leases, pauses and limits are compared across machines whose own
clocks may differ by more than a lease lasts."""

from __future__ import annotations

import time
from datetime import datetime

from campaigns.errors import UsageError
from campaigns.time.clock import SteadyClock
from storage.database.engine import Engine, reading
from storage.sending.workers import server_time


class SharedClock(SteadyClock):
    """Gives the server's time; between two readings it runs on this machine's monotonic clock, which is never set."""

    def __init__(self, shown: datetime, ticks: float) -> None:
        super().__init__(lambda: shown, lambda: ticks)
        self._ticks = time.monotonic

    def _look(self) -> None:
        """It is read by `set` alone."""

    async def set(self, engine: Engine) -> None:
        """Read it again: two clocks drift apart."""
        self.compare(*await _read(engine))


def require_server(engine: Engine) -> None:
    """Raise UsageError unless the database is one that several machines can reach."""
    if engine.dialect.name != "postgresql":
        raise UsageError(
            "Several machines need PostgreSQL: SQLite is one machine's.",
            hint="Set [database] url to postgresql://…, or use the embedded engine.",
        )


async def shared_clock(engine: Engine) -> SharedClock:
    """A clock set to the server's time. Raises UsageError if the database is not a server."""
    require_server(engine)
    return SharedClock(*await _read(engine))


async def _read(engine: Engine) -> tuple[datetime, float]:
    """What the server's clock showed, and when that was by our monotonic one."""
    async with reading(engine) as connection:
        await server_time(connection)  # the connection is made
        asked_at = time.monotonic()
        shown = await server_time(connection)
        return shown, (asked_at + time.monotonic()) / 2

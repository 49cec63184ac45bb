"""One time for all machines: the database server's. Leases, pauses and limits are compared across machines whose own
clocks may differ by more than a lease lasts."""

from __future__ import annotations

from datetime import datetime

from campaigns.errors import UsageError
from campaigns.time.clock import SteadyClock, ticks
from storage.database.engine import Engine, reading
from storage.sending.workers import server_time


class SharedClock(SteadyClock):
    """Gives the server's time; between two readings it runs on this machine's `ticks`, which nobody sets and which
    go on while it sleeps."""

    def __init__(self, shown: datetime, shown_at: float) -> None:
        super().__init__(lambda: shown, lambda: shown_at)
        self._ticks = ticks

    def _look(self, ticks: float) -> None:
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
    """What the server's clock showed, and when that was by `ticks`."""
    async with reading(engine) as connection:
        await server_time(connection)  # the connection is made
        asked_at = ticks()
        shown = await server_time(connection)
        return shown, (asked_at + ticks()) / 2

"""One time for all machines: the database server's. Leases, pauses and limits are compared across machines whose own
clocks may differ by more than a lease lasts."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from campaigns.errors import UsageError
from storage.database.engine import Engine, reading
from storage.sending.workers import server_time


class SharedClock:
    """Gives the server's time; between settings it runs on this machine's monotonic clock, which nobody puts back."""

    def __init__(self, zero: datetime) -> None:
        self._zero = zero

    def __call__(self) -> datetime:
        return self._zero + timedelta(seconds=time.monotonic())

    async def set(self, engine: Engine) -> None:
        """Set it again: two clocks drift apart."""
        self._zero = await _zero(engine)


def require_server(engine: Engine) -> None:
    """Raise UsageError unless the database is one that several machines can reach."""
    if engine.dialect.name != "postgresql":
        raise UsageError(
            "Several machines need PostgreSQL: SQLite is one machine's.",
            hint="Set [database] url to postgresql://…, or use the embedded engine.",
        )


async def shared_clock(engine: Engine) -> SharedClock:
    """The clock, set. Raises UsageError where the database is no server."""
    require_server(engine)
    return SharedClock(await _zero(engine))


async def _zero(engine: Engine) -> datetime:
    """What the server's clock showed when our monotonic one showed 0."""
    async with reading(engine) as connection:
        await server_time(connection)  # the connection is made
        asked_at = time.monotonic()
        told = await server_time(connection)
        return told - timedelta(seconds=(asked_at + time.monotonic()) / 2)

"""PostgreSQL's advisory lock as a lease that the server itself ends: it goes with the session that holds it, and a
session that is silent for a while is closed. So a holder that hangs, sleeps or is cut off loses it in seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from campaigns.time.clock import ticks
from storage.database.engine import Engine

logger = logging.getLogger(__name__)

RUNNER_LOCK: Final = 0x6472756D
"""Any number that nothing else on the server uses for an advisory lock."""
SILENCE: Final = 5.0
"""Seconds of silence after which the server closes the session of a holder."""
TRUSTED: Final = SILENCE - 1.0
"""Seconds after its last contact that a holder relies on its lock: it stops before the server releases the lock."""
HEARTBEAT: Final = 0.5
"""Seconds between two heartbeats to the server."""


class Hold:
    """The lock, while this process holds it."""

    def __init__(self) -> None:
        self.since = ticks()
        self._until = self.since + TRUSTED
        self._gone = asyncio.Event()

    @property
    def held(self) -> bool:
        """Whether it is certain that no other process has it."""
        return not self._gone.is_set() and ticks() < self._until

    @property
    def settled(self) -> bool:
        """Whether the holder before us has noticed by now."""
        return ticks() >= self.since + SILENCE

    async def lost(self) -> None:
        """Return once it is no longer held."""
        while self.held:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), self._until - ticks())

    async def keep(self, connection: AsyncConnection) -> None:
        """Send heartbeats to the server until one fails."""
        try:
            while True:
                spoke_at = ticks()
                await connection.execute(text("SELECT 1"))
                self._until = spoke_at + TRUSTED
                await asyncio.sleep(HEARTBEAT)
        except DBAPIError as error:
            logger.warning(
                "The connection that held the runner's lock is gone: %s",
                error.orig,
                extra={"action": "runner_lock_lost"},
            )
        finally:
            self._gone.set()


@asynccontextmanager
async def advisory_lock(engine: Engine) -> AsyncIterator[Hold | None]:
    """The lock of the one runner, or of the clock that leads, on a connection of its own; None where it is taken."""
    own = create_async_engine(engine.url, poolclass=NullPool, hide_parameters=True)
    async with own.connect() as connection:
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(f"SET idle_session_timeout = '{SILENCE:g}s'"))
            took = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": RUNNER_LOCK})
            if not took:
                yield None
                return
            hold = Hold()
            keeping = asyncio.create_task(hold.keep(connection), name="runner lock")
            try:
                yield hold
            finally:
                keeping.cancel()
                await asyncio.wait({keeping})
        finally:
            await connection.invalidate()  # closes it, dead or alive, and with it the lock

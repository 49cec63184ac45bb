"""Whether anything was committed since: as long as nothing was, and no time has come that counts, what was looked up is
what would be found again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final

from campaigns.time.clock import NEVER, Now
from storage.database.engine import Connection, Engine

_MARKS: Final = {
    # Another number whenever another connection has committed, of this process or not.
    "sqlite": "PRAGMA data_version",
    # Which transactions a statement sees. Those of the server's other databases count too: a look too many.
    "postgresql": "SELECT pg_current_snapshot()::text",
}


class Changes:
    """Notices every commit, on a connection of its own that only asks for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._opened = 0
        self._turn = asyncio.Lock()

    async def mark(self) -> str | None:
        """The same as before where nothing has been committed in between; None where the database does not answer."""
        async with self._turn:
            try:
                return await self._ask()
            except Exception:
                await self._close()  # what is wrong is met, and told, by the look that follows
                return None
            except BaseException:
                await self._close()
                raise

    async def _ask(self) -> str:
        if self._connection is None:
            self._connection = await self._engine.connect()
            await self._connection.execution_options(writes=False)
            self._opened += 1  # numbers of two connections tell nothing
        found = await self._connection.exec_driver_sql(_MARKS[self._engine.dialect.name])
        mark = f"{self._opened}:{found.scalar_one()}"
        await self._connection.rollback()
        return mark

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                await connection.invalidate()
            with suppress(Exception):
                await connection.close()

    async def close(self) -> None:
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close()


@asynccontextmanager
async def noticing_changes(engine: Engine) -> AsyncIterator[Changes]:
    changes = Changes(engine)
    try:
        yield changes
    finally:
        await changes.close()


class Look:
    """A look at the database that is repeated, and left out while its answer is known."""

    def __init__(self, changes: Changes, now: Now) -> None:
        self._changes = changes
        self._now = now
        self._mark: str | None = None
        """Of the answer that is known."""
        self._until = NEVER
        """When it may be another one though nothing is committed."""
        self._finds_nothing = True
        """While each look finds something, it is not asked whether anything was committed."""

    async def repeat(self, work: Callable[[], Awaitable[datetime]]) -> None:
        """Look again, unless that would be in vain. `work` returns when the passing of time may change what it finds;
        a time that has come where it is to be repeated anyway."""
        mark = await self._changes.mark() if self._finds_nothing else None
        if mark is not None and mark == self._mark and self._now() < self._until:
            return
        self._mark = None
        self._until = await work()
        self._mark, self._finds_nothing = mark, self._now() < self._until

"""SQLite for asyncio, with one step of the connection's thread to a statement, or to several where the row counts of
the first ones can wait. The library takes four to a statement: make a cursor, execute, fetch, close; and an event loop
that is busy sending comes back to each of them late."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Self

from aiosqlite import Connection

FIRST: Final = 1_000
"""Rows that come with their statement; for most that is all there are."""
Row = tuple[Any, ...]
RowcountCheck = Callable[[int], None]
"""Receives the number of rows that a statement affected. An error from it rolls the transaction back."""


def any_rowcount(_rows: int) -> None:
    """Accepts any number of rows."""


class BatchedConnection(Connection):
    """A connection whose cursors take one step; SQLAlchemy uses no others."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        def opened() -> sqlite3.Connection:
            connection = connect()
            self.most_values = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
            return connection

        super().__init__(opened, iter_chunk_size=FIRST)
        self.most_values = 0
        """How many values one statement may bring: 999, 32,766 or more, as the library was built."""
        self._thread.daemon = True
        self.later: RowcountCheck | None = None
        """Receives the number of affected rows; while set, what is executed waits for the next step."""
        self._deferred: list[tuple[str, Any, RowcountCheck]] = []
        self._begun = False
        self._ending: asyncio.Future[Any] | None = None
        """Done once the thread has ended."""

    async def _connect(self) -> Connection:
        """Where there is no database the thread has ended first: it would answer a loop that is over."""
        try:
            return await super()._connect()
        except sqlite3.Error:
            if self._ending is not None:
                await self._ending
            raise

    def stop(self) -> asyncio.Future[Any] | None:
        self._ending = super().stop()
        return self._ending

    def cursor(self) -> Any:
        return _Cursor(self)

    async def step(self, work: Callable[[], Any]) -> Any:
        """Do it in the connection's thread, after what was deferred."""
        return await self._execute(work)

    def begin(self, sql: str) -> None:
        """Begin a transaction with the next step."""
        self._begun = True
        self.defer(sql, (), any_rowcount)

    def defer(self, sql: str, values: Any, on_rowcount: RowcountCheck) -> None:
        """Execute it with the next step, or never where that is a rollback."""
        self._deferred.append((sql, values, on_rowcount))

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Every way to the thread leads through here, also for users of the driver's connection.
        return await super()._execute(self._catch_up, fn, *args, **kwargs)  # type: ignore[no-untyped-call]

    def _catch_up(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        deferred, self._deferred = self._deferred, []
        for sql, values, on_rowcount in deferred:
            cursor = self._conn.execute(sql, values)
            cursor.close()
            on_rowcount(cursor.rowcount)
        return work(*args, **kwargs)

    async def commit(self) -> None:
        await super().commit()
        self._begun = False

    async def rollback(self) -> None:
        """SQLAlchemy asks for one whenever a connection is given back, most often after a commit."""
        self._deferred = []
        if self._begun:
            await super().rollback()
            self._begun = False


class _Cursor:
    """What SQLAlchemy asks of an asynchronous cursor."""

    def __init__(self, connection: BatchedConnection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = None
        """Open while it may have more rows than those at hand."""
        self._rows: list[Row] = []
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, values: Iterable[Any] = ()) -> None:
        if sql.startswith("BEGIN"):
            self._connection.begin(sql)
        elif self._connection.later is not None:
            self._connection.defer(sql, values, self._connection.later)
        else:
            await self._step(self._execute, sql, values, many=False)

    async def executemany(self, sql: str, rows: Iterable[Any]) -> None:
        await self._step(self._execute, sql, rows, many=True)

    async def fetchone(self) -> Row | None:
        return next(iter(await self.fetchmany(1)), None)

    async def fetchmany(self, size: int | None = None) -> Sequence[Row]:
        wanted = size or self.arraysize
        missing = wanted - len(self._rows)
        if self._cursor is not None and missing > 0:
            self._rows += await self._step(self._cursor.fetchmany, max(missing, FIRST))
        rows, self._rows = self._rows[:wanted], self._rows[wanted:]
        return rows

    async def fetchall(self) -> Sequence[Row]:
        rows, self._rows = self._rows, []
        if self._cursor is not None:
            rows += await self._step(self._cursor.fetchall)
        return rows

    async def close(self) -> None:
        if self._cursor is not None:
            cursor, self._cursor = self._cursor, None
            await self._step(cursor.close)

    async def _step(self, work: Callable[..., Any], *values: Any, **named: Any) -> Any:
        return await self._connection.step(partial(work, *values, **named))

    def _execute(self, sql: str, values: Any, *, many: bool) -> None:
        cursor = self._connection._conn.cursor()
        (cursor.executemany if many else cursor.execute)(sql, values)
        self.description = cursor.description
        self._rows = cursor.fetchmany(FIRST) if cursor.description else []
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        if len(self._rows) < FIRST:
            cursor.close()
        else:
            self._cursor = cursor

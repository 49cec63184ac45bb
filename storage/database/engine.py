"""Opens SQLite or PostgreSQL: the same async Core API over both, with the durability that the promises rest on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from aiosqlite import Connection as AioConnection
from sqlalchemy import Executable, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from campaigns.errors import UsageError
from campaigns.untrusted import clean
from storage.database.batched_sqlite import BatchedConnection, RowcountCheck, any_rowcount

Engine = AsyncEngine
Connection = AsyncConnection
BlockingEngine = sqlalchemy.Engine
BlockingConnection = sqlalchemy.Connection

BUSY_TIMEOUT_MS = 30_000
IDLE_TRANSACTION: Final = 20.0
"""Seconds of silence after which PostgreSQL ends a session that has a transaction open: a process that is stopped or
cut off in the midst of one must not block others by its locks. Less than a lane's lease."""
LONG_FILE: Final = 1800.0
"""The same of a reader whose rows become a long file: it locks nothing, and a workbook is packed only at its end."""
_URL_HINT: Final = "Use sqlite:///FILE or postgresql://USER@HOST/NAME."
# What is stored is personal: an error's text, which is logged, must not repeat it.
_SQLITE: Final[dict[str, Any]] = {
    "connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000},
    "hide_parameters": True,
}


def open_engine(url: str) -> AsyncEngine:
    """An engine for `sqlite:///FILE` or `postgresql://…`; the async driver is chosen here. Raises UsageError."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # neither is repeated: an address may hold a password
        raise UsageError(
            "database.url is no address of a database; a port is a number.", hint=_URL_HINT
        ) from error
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(
                parsed.set(drivername="sqlite+aiosqlite").render_as_string(hide_password=False)
            )
        case "postgresql":
            return _open_postgresql(parsed.set(drivername="postgresql+psycopg"))
        case other:
            raise UsageError(
                f"database.url names {other!r}, which Drumbeat does not store in.",
                hint=_URL_HINT,
            )


def _open_postgresql(url: sqlalchemy.URL) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_pre_ping=True,  # a connection that was cut while it was idle causes no error
        pool_size=10,
        max_overflow=10,
        hide_parameters=True,
    )
    _prepare_postgresql(engine.sync_engine)
    return engine


def _prepare_postgresql(engine: BlockingEngine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION:g}s'")
        # A slice looks up some hundred rows: for a disk that turns, PostgreSQL rather reads all of a small campaign.
        cursor.execute("SET random_page_cost = 1.1")
        cursor.close()
        connection.commit()


def _open_sqlite(url: str) -> AsyncEngine:
    database = make_url(url).database or ":memory:"
    refuse_linked(Path(database))
    return _sqlite_engine(url, database)


def open_scratch() -> AsyncEngine:
    """An engine with one connection on an unnamed temporary database, which disappears with the process."""
    return _sqlite_engine("sqlite+aiosqlite://", "", poolclass=StaticPool)


def _sqlite_engine(url: str, database: str, **options: Any) -> AsyncEngine:
    connect = partial(sqlite3.connect, database, **_SQLITE["connect_args"])

    async def open_steps() -> AioConnection:
        _make_private(database)
        return await BatchedConnection(connect)

    engine = create_async_engine(url, async_creator=open_steps, hide_parameters=True, **options)
    _prepare_sqlite(engine.sync_engine)
    _open_transactions(engine.sync_engine)
    return engine


def _make_private(database: str) -> None:
    """Make the file for this user alone, before SQLite makes it for all; `-wal` and `-shm` get the same rights. One
    that is there is not even opened: to close it would give up SQLite's locks."""
    if database in ("", ":memory:"):
        return
    with suppress(OSError):  # there already; SQLite reports any other problem
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def open_blocking(engine: AsyncEngine) -> BlockingEngine:
    """An engine on the same database for a thread of its own, where each statement is a transaction by itself, and many
    rows are one statement: after every statement and every row the thread would wait until it may run Python again."""
    if engine.dialect.name == "sqlite":
        blocking = create_engine(engine.url.set(drivername="sqlite"), **_SQLITE)
        _prepare_sqlite(blocking)
        _bound_rows(blocking)
    else:
        blocking = create_engine(
            engine.url,
            isolation_level="AUTOCOMMIT",
            pool_pre_ping=True,
            pool_size=1,
            hide_parameters=True,
        )
        _prepare_postgresql(blocking)
    blocking.dialect.use_insertmanyvalues_wo_returning = True
    return blocking


def _prepare_sqlite(engine: BlockingEngine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # Transactions are opened below, if at all; the driver must not open its own, deferred, ones.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # NORMAL can lose the last commits when the power fails, and a lost intent is a message sent twice.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()


def _bound_rows(engine: BlockingEngine) -> None:
    """Many rows in one statement are no more than this build of the library takes values."""

    @event.listens_for(engine, "connect")
    def bound(connection: Any, _record: Any) -> None:
        most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        engine.dialect.insertmanyvalues_max_parameters = most


def _open_transactions(engine: BlockingEngine) -> None:
    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Any) -> None:
        # A reader that becomes a writer midway gets SQLITE_BUSY at once; taking the lock first waits its turn.
        mode = "IMMEDIATE" if connection.get_execution_options().get("writes", True) else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {mode}")


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that writes; commits at the end, rolls back on an error."""
    async with engine.begin() as connection:
        for asked_of, look in _ahead.get():
            if asked_of is engine:
                await look(connection)
        yield connection
        beside = _beside.get()
        if beside is not None and beside[0] is engine:
            await beside[1](connection)


OfTransaction = tuple[AsyncEngine, Callable[[AsyncConnection], Awaitable[None]]]
_ahead: ContextVar[tuple[OfTransaction, ...]] = ContextVar("ahead", default=())
_beside: ContextVar[OfTransaction | None] = ContextVar("beside", default=None)


@contextmanager
def ahead_of_changes(
    engine: AsyncEngine, look: Callable[[AsyncConnection], Awaitable[None]]
) -> Iterator[None]:
    """Within it, each transaction of the engine begins with `look`: what it finds holds for what is changed there."""
    token = _ahead.set((*_ahead.get(), (engine, look)))
    try:
        yield
    finally:
        _ahead.reset(token)


@contextmanager
def beside_commits(
    engine: AsyncEngine, write: Callable[[AsyncConnection], Awaitable[None]]
) -> Iterator[None]:
    """Within it, each transaction of the engine ends with `write`: both are committed, or neither."""
    token = _beside.set((engine, write))
    try:
        yield
    finally:
        _beside.reset(token)


@contextmanager
def not_yet_done() -> Iterator[None]:
    """Within it, transactions have nothing of what is asked for by `beside_commits`: the change does not end with
    them."""
    token = _beside.set(None)
    try:
        yield
    finally:
        _beside.reset(token)


@contextmanager
def by_itself() -> Iterator[None]:
    """Within it, transactions have nothing of what is asked for by `ahead_of_changes` and `beside_commits`: they only
    prepare or record."""
    ahead, beside = _ahead.set(()), _beside.set(None)
    try:
        yield
    finally:
        _beside.reset(beside)
        _ahead.reset(ahead)


async def allow_silence(connection: AsyncConnection) -> None:
    """What is read in this transaction becomes a long file: its reader may be silent for LONG_FILE."""
    if not is_sqlite(connection):
        await connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{LONG_FILE:g}s'"))


@asynccontextmanager
async def undoable(connection: AsyncConnection) -> AsyncIterator[None]:
    """A part of a transaction that an error undoes by itself: what came before it stays."""
    async with connection.begin_nested():
        try:
            yield
        finally:
            if is_sqlite(connection):  # what was left for the next step is done here, where it can be undone
                await connection.execute(text("SELECT 1"))


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One snapshot to read from; never blocks a writer."""
    async with engine.connect() as connection:
        await connection.execution_options(writes=False)
        yield connection


async def execute_later(
    connection: AsyncConnection,
    statement: Executable,
    parameters: dict[str, Any],
    on_rowcount: RowcountCheck = any_rowcount,
) -> None:
    """Execute a write; `on_rowcount` receives the number of affected rows. On SQLite it is executed together with what
    follows in the transaction, at the latest its commit, which is also where it fails."""
    opened = connection.sync_connection
    steps = opened.connection.driver_connection if opened is not None else None
    if not isinstance(steps, BatchedConnection):
        on_rowcount((await connection.execute(statement, parameters)).rowcount)
        return
    steps.later = on_rowcount
    try:
        await connection.execute(statement, parameters)
    finally:
        steps.later = None


def is_sqlite(connection: AsyncConnection | BlockingConnection) -> bool:
    return connection.dialect.name == "sqlite"


def database_file(engine: AsyncEngine) -> Path | None:
    """The file of a SQLite database, whichever symbolic links lead to it, or None for a server."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    return Path(engine.url.database).resolve()


def refuse_linked(path: Path) -> None:
    """Raise UsageError where the database's file has a second name: each name would have its own lock and its own log
    of changes (`-wal`), so that two programs that use both destroy the database and send twice."""
    if path.is_file() and path.stat().st_nlink > 1:
        raise UsageError(
            f"{path} has another name: it is a hard link, and two runners could work on it at once.",
            hint=f"Find the other name with: find DIR -samefile {path.name}. Remove it, or use a copy (cp).",
        )


async def lock_names(connection: AsyncConnection, names: Sequence[str]) -> bool:
    """Others that lock one of these names wait until this transaction ends. Lock all at once: one order for
    all means that none waits in a circle. Whether others may have written while this waited: SQLite has one writer
    anyway."""
    waits = bool(names) and not is_sqlite(connection)
    if waits:
        await connection.execute(
            text(
                "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) "
                "FROM (SELECT unnest(CAST(:names AS text[])) AS name ORDER BY 1) AS sorted"
            ),
            {"names": sorted({clean(name) for name in names})},
        )
    return waits


def server_address(engine: AsyncEngine) -> str:
    """The address of a PostgreSQL as its own clients take it; holds the password, if there is one."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

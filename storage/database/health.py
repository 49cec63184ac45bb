"""Whether the database answers, in messages for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from campaigns.errors import Unavailable
from storage.database.engine import database_file, reading

_A_READ: Final = {"sqlite": "SELECT count(*) FROM sqlite_master", "postgresql": "SELECT 1"}
"""SELECT 1 succeeds on a SQLite file that is no database at all."""

_HOW_TO_LOG_IN: Final = "Give the password in PGPASSWORD, in ~/.pgpass, or in DRUMBEAT_DATABASE__URL."

_LIMIT_EXCEEDED: Final = "54"
"""PostgreSQL's class of errors for a value that is too large."""


_DISK_FULL: Final = "53100"
"""PostgreSQL's SQLSTATE."""


@contextmanager
def plainly(place: str) -> Iterator[None]:
    """Raise Unavailable, with the driver's own message, if the database is locked, full, read-only or unreachable.
    `place`: its file, or its server."""
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        if _has_no_room(getattr(error, "orig", error)):
            raise _no_room(place, error) from error
        raise Unavailable(
            f"The database cannot be used: {first_line(error)}.",
            hint="See whether another program holds it, and whether its folder can be written to.",
        ) from error
    except Exception as error:
        if not _has_no_room(error):  # psycopg's own errors, where rows are copied
            raise
        raise _no_room(place, error) from error


def _no_room(place: str, error: Exception) -> Unavailable:
    driver = getattr(error, "orig", error)
    full = getattr(driver, "sqlite_errorcode", sqlite3.SQLITE_FULL) == sqlite3.SQLITE_FULL
    problem = (
        f"There is no room left to write to {place}"
        if full
        else f"{place} cannot be used; its disk may be full"
    )
    return Unavailable(
        f"{problem}: {first_line(error)}. What was stored before is unchanged.",
        hint="Free some space on that disk, then repeat the command.",
    )


def _has_no_room(error: object) -> bool:
    """Whether the disk is full, or the user's quota is used up. Without room for the files beside it, SQLite calls that
    an input or output error, and cannot read either."""
    result = getattr(error, "sqlite_errorcode", None)
    return (
        getattr(error, "sqlstate", None) == _DISK_FULL
        or result == sqlite3.SQLITE_FULL
        or (result is not None and result & 0xFF == sqlite3.SQLITE_IOERR)
    )


def is_outage(error: Exception) -> bool:
    """Whether the database is unreachable, full or busy, so that a later retry may succeed; not whether it refused a
    value."""
    if isinstance(error, OperationalError | InterfaceError):
        return not str(getattr(error.orig, "sqlstate", "")).startswith(_LIMIT_EXCEEDED)
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, OSError | PoolTimeout)


async def is_refusal(engine: AsyncEngine, error: Exception) -> bool:
    """Whether the database refused what it was given, so that trying again with the same never helps.

    The driver calls much an operational error that is none, such as a statement with too many values: it is an outage
    only where the database does not answer otherwise either.
    """
    if not is_outage(error):
        return True
    if not isinstance(error, OperationalError) or error.connection_invalidated or _passes(error.orig):
        return False
    try:
        await ping(engine)
    except Unavailable:
        return False
    return True


def _passes(error: object) -> bool:
    """Whether the database itself reports that it is busy, full or going down; of its SQLSTATEs and its result codes
    only one each is about the statement."""
    sqlstate, result = getattr(error, "sqlstate", None), getattr(error, "sqlite_errorcode", None)
    return sqlstate is not None or result not in (None, sqlite3.SQLITE_ERROR)


async def ping(engine: AsyncEngine) -> None:
    """Raise Unavailable, with the driver's own message, where the database cannot be read."""
    try:
        async with reading(engine) as connection:
            await connection.execute(text(_A_READ[engine.dialect.name]))
    except (SQLAlchemyError, OSError) as error:
        if _has_no_room(getattr(error, "orig", error)):
            raise _no_room(str(database_file(engine) or "the PostgreSQL server"), error) from error
        problem = first_line(error)
        hint = _HOW_TO_LOG_IN if "password" in problem else "drumbeat doctor"
        place = f"The database {file}" if (file := database_file(engine)) else "The database"
        raise Unavailable(f"{place} cannot be read: {problem}", hint=hint) from error


def first_line(error: Exception) -> str:
    """The driver's own message, in one line."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]

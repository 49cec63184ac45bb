"""Opens the database of the settings, ready for use; errors say what is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.wiring.settings import Settings
from campaigns.errors import NotFound
from storage.database.engine import Connection, Engine, open_engine, reading
from storage.database.health import ping, plainly
from storage.database.origin import copy_problem
from storage.database.schema import current, is_empty_file, require_current, upgrade


@asynccontextmanager
async def opened(settings: Settings, *, create: bool) -> AsyncIterator[Engine]:
    """An engine on a database at the newest revision. Raises NotFound, UsageError, Unavailable."""
    missing = _missing_file(settings)
    if missing and not create:
        raise NotFound(
            f"There is no database at {settings.sqlite_file} yet.", hint="drumbeat campaign load SPEC"
        )
    engine = open_engine(settings.database_url)
    try:
        with plainly(place_of(settings)):
            if not missing:
                await ping(engine)
            if missing or (create and await is_empty_file(engine)):
                await upgrade(engine)
            else:
                await require_current(engine)
            yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def snapshot(engine: Engine) -> AsyncIterator[Connection]:
    """A connection for reading one consistent snapshot."""
    async with reading(engine) as connection:
        yield connection


async def copy_of(engine: Engine) -> str | None:
    """Why the database is taken for a copy, which sends nothing before it is adopted; None: it is not."""
    async with reading(engine) as connection:
        return await copy_problem(connection, engine)


async def upgrade_database(settings: Settings) -> tuple[str | None, str | None]:
    """Upgrade it to the newest revision; creates a missing SQLite file. Returns the revisions before and after."""
    engine = open_engine(settings.database_url)
    try:
        with plainly(place_of(settings)):
            await ping(engine)
            before = await current(engine)
            await upgrade(engine)
            if engine.dialect.name == "postgresql":
                from scheduler.engines.procrastinate import install  # not loaded where it is not used

                await install(engine)
            return before, await current(engine)
    finally:
        await engine.dispose()


def place_of(settings: Settings) -> str:
    """Where the database is, for messages."""
    return str(settings.sqlite_file or "the PostgreSQL server")


def _missing_file(settings: Settings) -> bool:
    file = settings.sqlite_file
    if file is None or (file.is_file() and file.stat().st_size):
        return False
    if not file.parent.is_dir():
        raise NotFound(f"There is no folder {file.parent} for the database.", hint=f"mkdir -p {file.parent}")
    return True

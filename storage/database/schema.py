"""The database's version: upgrade it to the newest, or report that it is behind. The Alembic home: only an upgrade
loads it, which takes longer than most commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import migrations
from campaigns.errors import UsageError
from storage.database.engine import is_sqlite, reading

_FOLDER = Path(migrations.__file__).parent


def _revisions() -> list[str]:
    """The revisions in order: the numbers that the names of their files begin with."""
    return sorted(file.name.partition("_")[0] for file in (_FOLDER / "versions").glob("[0-9]*_*.py"))


def newest() -> str:
    """The revision that this version of Drumbeat needs."""
    return _revisions()[-1]


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Bring the database to the newest revision, or to an older one, in one transaction. Raises UsageError where it is
    of a newer Drumbeat."""
    found = await current(engine)
    if revision == "head" and found == newest():
        return
    if found is not None and found not in _revisions():
        raise _newer(found, newest())
    from alembic import command
    from alembic.config import Config

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(_FOLDER))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.connect() as connection, _without_foreign_keys(connection), connection.begin():
        await connection.run_sync(run)


def _newer(found: str, needed: str) -> UsageError:
    return UsageError(
        f"The database is at revision {found}, which a newer Drumbeat has made; this one knows up to {needed}.",
        hint="Use the newer Drumbeat, or a copy of the database from before its upgrade.",
    )


@asynccontextmanager
async def _without_foreign_keys(connection: AsyncConnection) -> AsyncIterator[None]:
    """A table of SQLite is changed by making it anew, and dropping the old one must take nothing else with it. The
    switch has no effect inside a transaction."""
    if not is_sqlite(connection):
        yield
        return
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.execute_fetchall("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        await raw.execute_fetchall("PRAGMA foreign_keys = ON")


async def current(engine: AsyncEngine) -> str | None:
    """The database's revision, or None where it has no tables yet."""
    async with reading(engine) as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
            return None
        found: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


async def is_empty_file(engine: AsyncEngine) -> bool:
    """Whether it is a SQLite file without any tables, as it is left where making them failed."""
    if engine.dialect.name != "sqlite":
        return False
    async with reading(engine) as connection:
        return not await connection.scalar(text("SELECT count(*) FROM sqlite_master"))


async def require_current(engine: AsyncEngine) -> None:
    """Raise UsageError unless the database is at the newest revision."""
    found, needed = await current(engine), newest()
    if found is not None and found not in _revisions():
        raise _newer(found, needed)
    if found != needed:
        raise UsageError(
            f"The database is at revision {found or 'none'}; this version needs {needed}.",
            hint="drumbeat db upgrade",
        )

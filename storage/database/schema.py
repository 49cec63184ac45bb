"""The database's version: upgrade it to the newest, or report that it is behind. The Alembic home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import migrations
from campaigns.errors import UsageError
from storage.database.engine import is_sqlite, reading


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str | None:
    """The revision that this version of Drumbeat needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Bring the database to the newest revision, or to an older one, in one transaction. Raises UsageError where it is
    of a newer Drumbeat."""
    found = await current(engine)
    if found is not None and not _is_known(found):
        raise _newer(found, newest())

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.connect() as connection, _without_foreign_keys(connection), connection.begin():
        await connection.run_sync(run)


def _is_known(revision: str) -> bool:
    script = ScriptDirectory.from_config(_config())
    return any(step.revision == revision for step in script.walk_revisions())


def _newer(found: str, needed: str | None) -> UsageError:
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
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def require_current(engine: AsyncEngine) -> None:
    """Raise UsageError unless the database is at the newest revision."""
    found, needed = await current(engine), newest()
    if found is not None and not _is_known(found):
        raise _newer(found, needed)
    if found != needed:
        raise UsageError(
            f"The database is at revision {found or 'none'}; this version needs {needed}.",
            hint="drumbeat db upgrade",
        )

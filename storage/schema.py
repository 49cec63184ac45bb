"""The database's version: bring it to the newest, or say that it is behind. The Alembic home."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations
from campaigns.errors import UsageError
from storage.engine import reading, writing


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str | None:
    """The revision that this version of Drumbeat needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the database to the newest revision, in one transaction."""

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with writing(engine) as connection:
        await connection.run_sync(run)


async def current(engine: AsyncEngine) -> str | None:
    """The database's revision, or None where it has no tables yet."""
    async with reading(engine) as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def require_current(engine: AsyncEngine) -> None:
    """Raise UsageError unless the database is at the newest revision."""
    found, needed = await current(engine), newest()
    if found != needed:
        raise UsageError(
            f"The database is at revision {found or 'none'}; this version needs {needed}.",
            hint="drumbeat db upgrade",
        )

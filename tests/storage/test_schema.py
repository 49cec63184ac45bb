"""The migrations lead to exactly the tables of `storage.tables`, on both databases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations
from campaigns.errors import UsageError
from storage.engine import open_engine, reading, writing
from storage.schema import current, newest, require_current, upgrade
from storage.tables import metadata


def _checks(connection: Connection) -> set[tuple[str, str | None]]:
    inspector = inspect(connection)
    return {
        (table, check["name"])
        for table in metadata.tables
        for check in inspector.get_check_constraints(table)
    }


async def test_migrations_equal_metadata(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": False}
        )
        return list(compare_metadata(context, metadata))

    async with reading(engine) as connection:
        assert await connection.run_sync(differences) == []


async def test_migrations_make_every_check(engine: AsyncEngine) -> None:
    declared = {
        (table.name, constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    async with reading(engine) as connection:
        assert await connection.run_sync(_checks) == declared


async def test_a_database_that_is_behind_is_named(database_url: str) -> None:
    engine = open_engine(database_url)
    assert await current(engine) is None
    with pytest.raises(UsageError, match="revision none"):
        await require_current(engine)
    await upgrade(engine)
    await require_current(engine)
    await upgrade(engine)
    assert await current(engine) == newest()
    await engine.dispose()


async def test_a_failed_upgrade_leaves_nothing(database_url: str) -> None:
    engine = open_engine(database_url)
    async with writing(engine) as connection:
        await connection.execute(text("CREATE TABLE optouts (x INTEGER)"))
    with pytest.raises(Exception, match="optouts"):
        await upgrade(engine)
    async with reading(engine) as connection:
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    assert tables == {"optouts"}
    await engine.dispose()


def test_revisions_are_numbered_in_line() -> None:
    folder = Path(migrations.__file__).parent / "versions"
    numbers = sorted(
        int(path.name[:4]) for path in folder.glob("[0-9]*.py") if re.match(r"\d{4}_\w+\.py", path.name)
    )
    assert numbers == list(range(1, len(numbers) + 1))

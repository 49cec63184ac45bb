"""What SQLite does for every row that is written: no condition, index or trigger makes a table for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from campaigns.states import CampaignState, JobState, RunState
from storage.database.engine import open_engine, writing
from storage.database.schema import upgrade
from storage.tables.all_tables import metadata
from tests.storage.database.test_schema import STORED

STATES: dict[str, type[StrEnum]] = {"campaigns": CampaignState, "runs": RunState, "jobs": JobState}


def test_no_write_makes_a_table_for_its_row(sqlite_url: str) -> None:
    with closing(sqlite3.connect(make_url(sqlite_url).database or "")) as database:
        found = {write for write in _writes() if _makes_table(database, write)}
    assert found == set()


def _writes() -> Iterator[str]:
    """Of one row each, by its whole key."""
    for table in metadata.tables.values():
        key = " AND ".join(f"{column.name} = 1" for column in table.primary_key)
        yield f"INSERT INTO {table.name} DEFAULT VALUES"
        yield f"DELETE FROM {table.name} WHERE {key}"
        for column in table.columns:
            yield f"UPDATE {table.name} SET {column.name} = 'x' WHERE {key}"


def _makes_table(database: sqlite3.Connection, write: str) -> bool:
    return any(step[1] == "OpenEphemeral" for step in database.execute(f"EXPLAIN {write}"))


async def test_an_older_database_knows_the_same_states(tmp_path: Path) -> None:
    """So does a connection that was open during the upgrade."""
    file = tmp_path / "older.db"
    engine = open_engine(f"sqlite:///{file}")
    await upgrade(engine, "0032")
    async with writing(engine) as connection:
        for statement in STORED:
            await connection.execute(text(statement))
    with closing(sqlite3.connect(file)) as database:
        assert _makes_table(database, "UPDATE jobs SET state = 'sent' WHERE id = 1")
        await upgrade(engine)
        await engine.dispose()
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for table, states in STATES.items():
            for state in states:
                assert database.execute(f"UPDATE {table} SET state = '{state}'").rowcount == 1
            with pytest.raises(sqlite3.IntegrityError, match=f"ck_{table}_state_known"):
                database.execute(f"UPDATE {table} SET state = 'lost'")
        assert not _makes_table(database, "UPDATE jobs SET state = 'read' WHERE id = 1")

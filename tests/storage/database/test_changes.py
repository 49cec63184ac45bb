"""Whether anything was committed is noticed at once, whoever did it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from campaigns.time.clock import NEVER
from storage.database.changes import Changes, Look, noticing_changes
from storage.database.engine import Engine, is_sqlite, open_engine, reading, writing
from storage.sending.lanes import ensure_lanes
from tests.support.campaigns import later


async def test_the_mark_stays_until_somebody_commits(
    engine: Engine, database_url: str, changes: Changes
) -> None:
    mark = await changes.mark()
    async with reading(engine) as connection:
        await connection.execute(text("SELECT count(*) FROM lanes"))
    if engine.dialect.name == "sqlite":  # PostgreSQL's other databases count too, and other tests work there
        assert await changes.mark() == mark
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
        before = await changes.mark()
    ours = await changes.mark()
    assert ours not in {mark, before}
    other = open_engine(database_url)
    async with writing(other) as connection:
        await ensure_lanes(connection, ["ourvoice/other"])
    await other.dispose()
    assert await changes.mark() != ours


async def test_a_connection_that_is_gone_is_replaced_and_nothing_is_taken_for_unchanged(
    engine: Engine, changes: Changes
) -> None:
    mark = await changes.mark()
    assert changes._connection is not None
    raw = await changes._connection.get_raw_connection()
    assert raw.driver_connection is not None
    await raw.driver_connection.close()
    assert await changes.mark() is None
    assert await changes.mark() not in {mark, None}


async def test_a_look_is_left_out_until_something_is_committed_or_its_time_has_come(
    sqlite_engine: Engine,
) -> None:
    async with noticing_changes(sqlite_engine) as changes:
        await look_again(sqlite_engine, changes)


async def look_again(engine: Engine, changes: Changes) -> None:
    now, until, looks = later(0), later(60), list[datetime]()
    look = Look(changes, lambda: now)

    async def work() -> datetime:
        looks.append(now)
        return until

    async def looked() -> bool:
        before = len(looks)
        await look.repeat(work)
        return len(looks) > before

    async with writing(engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
    assert [await looked() for _ in range(3)] == [True, False, False]
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["ourvoice/other"])
    assert [await looked() for _ in range(2)] == [True, False]
    now = until
    assert [await looked() for _ in range(2)] == [True, True]
    until = NEVER
    await looked()
    assert [await looked() for _ in range(2)] == [True, False]


async def test_what_is_committed_during_a_look_and_a_look_that_fails_are_repeated(
    engine: Engine, changes: Changes
) -> None:
    look, looks = Look(changes, lambda: later(0)), 0
    names = iter(["one", "two"])

    async def work() -> datetime:
        nonlocal looks
        looks += 1
        for name in names:
            async with writing(engine) as connection:
                await ensure_lanes(connection, [name])
            if name == "two":
                raise ConnectionError
            break
        return later(0) + timedelta(days=1)

    await look.repeat(work)
    with pytest.raises(ConnectionError):
        await look.repeat(work)
    await look.repeat(work)
    assert looks == 3


async def test_it_never_holds_up_a_checkpoint(engine: Engine, changes: Changes) -> None:
    """A snapshot that stayed open would keep SQLite's log, and PostgreSQL's old rows, for as long as it runs."""
    await changes.mark()
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
    async with reading(engine) as connection:
        if is_sqlite(connection):
            await connection.rollback()
            [busy, left, done] = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(RESTART)")).one()
            assert (busy, left) == (0, done)
        else:
            open_ones = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
            )
            assert await connection.scalar(open_ones) == 0

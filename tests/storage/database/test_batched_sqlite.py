"""What is deferred is executed before whatever comes next, and is part of its transaction."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text

from storage.database.engine import Connection, Engine, execute_later, reading, writing
from storage.tables.lanes import lanes


async def names(engine: Engine) -> int:
    async with reading(engine) as connection:
        return int(await connection.scalar(select(func.count()).select_from(lanes)) or 0)


async def add_raw(connection: Connection, name: str) -> None:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.execute("INSERT INTO lanes (name, epoch) VALUES (?, 0)", (name,))


ADD = text("INSERT INTO lanes (name, epoch) VALUES (:name, 0)")


async def break_off(engine: Engine) -> None:
    async with writing(engine) as connection:
        await add_raw(connection, "a")
        raise ZeroDivisionError


async def add_twice(engine: Engine) -> None:
    async with writing(engine) as connection:
        await add_raw(connection, "a")
        await execute_later(connection, ADD, {"name": "a"})


async def test_what_goes_past_the_library_is_within_the_transaction_too(sqlite_engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError):
        await break_off(sqlite_engine)
    assert await names(sqlite_engine) == 0


async def test_a_later_write_comes_before_what_follows_it_and_before_the_commit(
    sqlite_engine: Engine,
) -> None:
    async with writing(sqlite_engine) as connection:
        await execute_later(connection, ADD, {"name": "a"})
        assert await connection.scalar(select(func.count()).select_from(lanes)) == 1
        await execute_later(connection, ADD, {"name": "b"})
    assert await names(sqlite_engine) == 2


async def test_a_later_write_that_fails_undoes_the_transaction(sqlite_engine: Engine) -> None:
    with pytest.raises(Exception, match="UNIQUE"):
        await add_twice(sqlite_engine)
    assert await names(sqlite_engine) == 0
    async with writing(sqlite_engine) as connection:
        await add_raw(connection, "b")
    assert await names(sqlite_engine) == 1


def refuse(met: int) -> None:
    raise ZeroDivisionError(met)


async def add_but_refuse(engine: Engine) -> None:
    async with writing(engine) as connection:
        await execute_later(connection, ADD, {"name": "a"}, refuse)


async def test_what_a_write_met_may_undo_the_transaction(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError, match="1"):
        await add_but_refuse(engine)
    assert await names(engine) == 0

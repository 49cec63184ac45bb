"""What is deferred is executed before whatever comes next, and is part of its transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, text

from storage.database.batched_sqlite import BatchedConnection
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


class SlowToEnd(BatchedConnection):
    """Its thread takes a while to see that there is no connection to close."""

    @property
    def _connection(self) -> Any:
        if threading.current_thread() is self._thread:
            time.sleep(0.2)
        return None

    @_connection.setter
    def _connection(self, _: Any) -> None: ...


def test_a_connection_that_fails_leaves_no_thread_that_answers_a_loop_that_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    made: list[BatchedConnection] = []

    async def fail() -> None:
        made.append(SlowToEnd(partial(sqlite3.connect, "/nowhere/drumbeat.db")))
        with pytest.raises(sqlite3.OperationalError):
            await made[0]

    asyncio.run(fail())
    made[0]._thread.join(10)
    assert failed == []

"""A copy of the database sends nothing before a person has confirmed it; one that was only moved does."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from campaigns.errors import Stopped, UsageError
from storage.database.backup import back_up
from storage.database.engine import Engine, database_file, open_engine, reading, writing
from storage.database.origin import adopt, copy_problem, refuse_copy
from storage.database.schema import upgrade
from tests.support.databases import fresh_database

MADE = datetime(2026, 11, 29, 16, 0, 30, tzinfo=UTC)
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Engine]:
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    await engine.dispose()


async def run_on(engine: Engine) -> None:
    """What a runner does before it sends."""
    async with writing(engine) as connection:
        await refuse_copy(connection, engine)


async def problem(engine: Engine) -> str | None:
    async with reading(engine) as connection:
        return await copy_problem(connection, engine)


async def accept(engine: Engine) -> None:
    async with writing(engine) as connection:
        await adopt(connection, engine)


async def test_the_original_runs_again_and_again(engine: Engine) -> None:
    for _ in range(3):
        await run_on(engine)
    assert await problem(engine) is None
    await accept(engine)
    await run_on(engine)


async def test_two_processes_start_at_once_on_a_new_database(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    await upgrade(engine)
    async with writing(engine) as first:
        await refuse_copy(first, engine)
        second = asyncio.create_task(run_on(engine))
        async with reading(engine) as looking, asyncio.timeout(20):
            while not await looking.scalar(WAITING):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    await second
    assert await problem(engine) is None
    await engine.dispose()


async def test_a_backup_asks_before_it_sends(sqlite_engine: Engine, tmp_path: Path) -> None:
    await run_on(sqlite_engine)
    await back_up(sqlite_engine, tmp_path / "backup.db", MADE, replace=False)
    await run_on(sqlite_engine)
    async with opened(tmp_path / "backup.db") as copy:
        with pytest.raises(Stopped, match=r"is a backup of 2026-11-29 16:00 UTC") as caught:
            await run_on(copy)
        assert "drumbeat db adopt" in caught.value.hint
        await accept(copy)
        await run_on(copy)


async def test_a_backup_that_is_put_in_the_place_of_the_original_asks_too(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    original = database_file(sqlite_engine)
    assert original is not None
    await run_on(sqlite_engine)
    await back_up(sqlite_engine, tmp_path / "backup.db", MADE, replace=False)
    await sqlite_engine.dispose()
    for end in ("-wal", "-shm"):
        original.with_name(original.name + end).unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "backup.db", original)
    async with opened(original) as restored:
        with pytest.raises(Stopped):
            await run_on(restored)


async def test_a_plain_copy_beside_its_original_asks(sqlite_engine: Engine, tmp_path: Path) -> None:
    original = database_file(sqlite_engine)
    assert original is not None
    await run_on(sqlite_engine)
    await sqlite_engine.dispose()
    (tmp_path / "trial").mkdir()
    path = Path(shutil.copyfile(original, tmp_path / "trial" / "drumbeat.db"))
    async with opened(path) as copy:
        with pytest.raises(Stopped, match=f"is a copy of {original}, which is still there"):
            await run_on(copy)
        await accept(copy)
        await run_on(copy)
    await run_on(sqlite_engine)


@pytest.mark.parametrize("way", ["renamed", "copied and removed", "on another machine", "linked"])
async def test_a_database_that_was_moved_is_no_copy(sqlite_engine: Engine, tmp_path: Path, way: str) -> None:
    original = database_file(sqlite_engine)
    assert original is not None
    await run_on(sqlite_engine)
    if way == "on another machine":
        async with writing(sqlite_engine) as connection:
            noted = json.loads(str(await connection.scalar(text("SELECT place FROM origin"))))
            changed = json.dumps({**noted, "host": "elsewhere"})
            await connection.execute(text("UPDATE origin SET place = :place"), {"place": changed})
    await sqlite_engine.dispose()
    moved = tmp_path / "moved.db"
    if way == "renamed":
        original.rename(moved)
    elif way == "linked":
        moved.symlink_to(original)
    else:
        shutil.copyfile(original, moved)
    if way == "copied and removed":
        original.unlink()
    async with opened(moved) as engine:
        await run_on(engine)
        await run_on(engine)


async def test_a_database_of_a_server_that_was_copied_asks(postgres: str) -> None:
    with fresh_database(postgres) as original:
        await _ask_a_copy_of(original, postgres)


async def _ask_a_copy_of(original: str, postgres: str) -> None:
    engine = open_engine(original)
    await upgrade(engine)
    await run_on(engine)
    await engine.dispose()
    address, copied = make_url(original), "restored_copy"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f'CREATE DATABASE {copied} TEMPLATE "{address.database}"')
    try:
        copy = open_engine(address.set(database=copied).render_as_string(hide_password=False))
        with pytest.raises(Stopped, match="restored from a dump or copied"):
            await run_on(copy)
        await accept(copy)
        await run_on(copy)
        await copy.dispose()
    finally:
        with psycopg.connect(postgres, autocommit=True) as server:
            server.execute(f"DROP DATABASE {copied} WITH (FORCE)")


async def test_a_servers_database_is_backed_up_by_its_own_tool(postgres_url: str, tmp_path: Path) -> None:
    engine = open_engine(postgres_url)
    with pytest.raises(UsageError) as caught:
        await back_up(engine, tmp_path / "backup", MADE, replace=False)
    assert caught.value.hint.startswith("pg_dump --format=custom --file=backup ")
    await engine.dispose()

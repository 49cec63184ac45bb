"""A backup is complete, taken while others write, for its user alone, and whole or not there."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from campaigns.errors import DrumbeatError
from storage.database.backup import back_up, is_backup
from storage.database.engine import Engine, writing
from storage.tables.receipts import notices

NOW = datetime(2026, 11, 29, 16, tzinfo=UTC)


async def write(engine: Engine, text: str) -> None:
    async with writing(engine) as connection:
        row = {"account": "a", "kind": "k", "subject": "s", "text": text, "at": NOW}
        await connection.execute(insert(notices).values(**row))


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT count(*) FROM notices").fetchone()[0])


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As on a full disk: no file grows beyond it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_backup_is_one_complete_file_for_its_user(sqlite_engine: Engine, tmp_path: Path) -> None:
    await write(sqlite_engine, "kept in the log of changes only")
    size = await back_up(sqlite_engine, tmp_path / "backup.db", NOW, replace=False)
    assert {file.name for file in tmp_path.glob("*backup*")} == {"backup.db"}
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "backup.db").stat().st_size == size
    assert rows(tmp_path / "backup.db") == 1
    assert is_backup(tmp_path / "backup.db")
    assert not is_backup(tmp_path / "drumbeat.db")


async def test_a_backup_is_whole_while_others_write(sqlite_engine: Engine, tmp_path: Path) -> None:
    stop = asyncio.Event()
    written = 0

    async def keep_writing() -> None:
        nonlocal written
        while not stop.is_set():
            await write(sqlite_engine, "x" * 10_000)
            written += 1

    writer = asyncio.create_task(keep_writing())
    counts = []
    for number in range(3):
        before = written
        path = tmp_path / f"backup-{number}.db"
        await back_up(sqlite_engine, path, NOW, replace=False)
        counts.append(rows(path))
        assert before <= counts[-1] <= written + 1
    stop.set()
    await writer
    assert rows(tmp_path / "drumbeat.db") == written


async def test_a_full_disk_leaves_the_old_backup_and_nothing_else(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    target = tmp_path / "backup.db"
    await back_up(sqlite_engine, target, NOW, replace=False)
    old = target.read_bytes()
    await write(sqlite_engine, "x" * 500_000)
    with largest_file(300_000), pytest.raises(DrumbeatError, match="A file there is unchanged") as caught:
        await back_up(sqlite_engine, target, NOW, replace=True)
    assert str(target) in str(caught.value)
    assert "has room" in caught.value.hint
    assert target.read_bytes() == old
    assert sorted(file.name for file in tmp_path.glob("*backup*")) == ["backup.db"]

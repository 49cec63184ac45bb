"""A complete copy of a SQLite database while others work on it, marked as a copy inside itself."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from campaigns.atomic_files import filled_file
from campaigns.errors import Unavailable, UsageError
from storage.database.engine import BUSY_TIMEOUT_MS, database_file
from storage.database.origin import MARK, mark_of

BESIDE: Final = ("-journal", "-wal", "-shm")


async def back_up(engine: AsyncEngine, target: Path, now: datetime, *, replace: bool) -> int:
    """Write the copy to `target`; its size in bytes. Raises UsageError for a server's database, and where the copy
    cannot be written: a file there is unchanged."""
    source = database_file(engine)
    if source is None:
        raise UsageError(
            "This database is on a PostgreSQL server, which has its own tool for backups.",
            hint=f"pg_dump --format=custom --file={target.name} {engine.url.database}",
        )
    return await asyncio.to_thread(_copy, source, target, mark_of(now), replace)


def _copy(source: Path, target: Path, mark: int, replace: bool) -> int:
    with filled_file(target, replace=replace) as beside:
        try:
            with closing(_open(source, "ro")) as original, closing(_open(beside, "rw")) as copy:
                original.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, and none beside it
                copy.execute(f"PRAGMA {MARK} = {mark}")
            return beside.stat().st_size
        except sqlite3.Error as error:
            raise Unavailable(
                f"The backup {target} could not be written: {error}. A file there is unchanged.",
                hint=f"See whether {target.parent} has room for a copy of {source}, and try again.",
            ) from error
        finally:
            for end in BESIDE:
                beside.with_name(beside.name + end).unlink(missing_ok=True)


def is_backup(path: Path) -> bool:
    """Whether the file is a backup that `back_up` made."""
    try:
        with closing(_open(path, "ro")) as connection:
            return bool(connection.execute(f"PRAGMA {MARK}").fetchone()[0])
    except (sqlite3.Error, OSError):
        return False


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
    )

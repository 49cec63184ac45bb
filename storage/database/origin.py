"""Whether this database is a copy: it must not send what the original has sent meanwhile.

A backup is marked inside itself. A copy made by other means is found where it can be told for certain: a file whose
original is still at its place on this machine, or a PostgreSQL database that was restored. A file that was moved, or
whose machine, folder or file system has another name, is no copy.
"""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from campaigns.errors import Stopped
from storage.database.engine import database_file, is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.origin import origin

MARK: Final = "user_version"
"""SQLite's number for its users, in the head of the file: in a backup the minute in which it was made, else 0. A
database of any revision has it."""
_SERVER: Final = text(
    "SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::bigint, "
    "'jobs'::regclass::oid::bigint, 'runs'::regclass::oid::bigint"
)
"""Numbers that a restore gives anew; upgrading or moving the server keeps them."""


def mark_of(moment: datetime) -> int:
    """The mark of a backup made at that moment."""
    return int(moment.timestamp() // 60)


async def refuse_copy(connection: AsyncConnection, engine: AsyncEngine) -> None:
    """Before anything is sent: raise Stopped if the database is a copy, else note that this is its place."""
    if problem := await copy_problem(connection, engine):
        raise Stopped(
            f"Nothing is sent. {problem}",
            hint="drumbeat db adopt shows who could get a message twice, and confirms that this one is to send",
        )
    here = await _here(connection, engine)
    if here is not None and here != await _noted(connection):
        await _note(connection, here)


async def copy_problem(connection: AsyncConnection, engine: AsyncEngine) -> str | None:
    """Why the database is taken for a copy, in sentences, or None."""
    noted = await _noted(connection)
    if not is_sqlite(connection):
        if noted is None or noted == await _here(connection, engine):
            return None
        return "This database was restored from a dump or copied. What the original has sent since waits here too."
    file = database_file(engine)
    if minute := int(await connection.scalar(text(f"PRAGMA {MARK}")) or 0):
        made = datetime.fromtimestamp(0, UTC) + timedelta(minutes=minute)
        return f"{file} is a backup of {made:%Y-%m-%d %H:%M} UTC. What the original has sent since waits here too."
    if noted is not None and file is not None and _is_beside_original(file, noted):
        return (
            f"{file} is a copy of {noted['path']}, which is still there. Both would send the same messages."
        )
    return None


async def adopt(connection: AsyncConnection, engine: AsyncEngine) -> None:
    """From now on this database is the one that sends."""
    if is_sqlite(connection):
        await connection.execute(text(f"PRAGMA {MARK} = 0"))
    here = await _here(connection, engine)
    if here is not None:
        await _note(connection, here)


def _is_beside_original(file: Path, noted: dict[str, Any]) -> bool:
    original = Path(noted["path"])
    try:
        is_there = noted["host"] == socket.gethostname() and original.stat().st_ino == noted["inode"]
        return is_there and not original.samefile(file)
    except OSError:
        return False


async def _here(connection: AsyncConnection, engine: AsyncEngine) -> dict[str, Any] | None:
    """Where the database is; None: nowhere that could be noted."""
    if not is_sqlite(connection):
        return {"oids": list((await connection.execute(_SERVER)).one())}
    file = database_file(engine)
    if file is None or not file.is_file():
        return None
    return {"host": socket.gethostname(), "path": str(file), "inode": file.stat().st_ino}


async def _noted(connection: AsyncConnection) -> dict[str, Any] | None:
    place = await connection.scalar(select(origin.c.place))
    return None if place is None else dict(json.loads(place))


async def _note(connection: AsyncConnection, here: dict[str, Any]) -> None:
    """Also where another process that starts at the same time does."""
    note = upsert_into(is_sqlite(connection), origin).values(id=1, place=json.dumps(here))
    await connection.execute(
        note.on_conflict_do_update(index_elements=["id"], set_={"place": note.excluded.place})
    )

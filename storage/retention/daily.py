"""What the clock does once a day, whichever process keeps it, and however often it is started."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.retention import daily_duties

DAY: Final = timedelta(days=1)


async def is_due(connection: AsyncConnection, name: str, now: datetime) -> bool:
    """Whether the duty was not done within a day, by any process."""
    done = select(daily_duties.c.done_at).where(
        daily_duties.c.name == name, daily_duties.c.done_at > now - DAY
    )
    return (await connection.execute(done)).first() is None


async def note_done(connection: AsyncConnection, name: str, now: datetime) -> None:
    insert = upsert_into(is_sqlite(connection), daily_duties)
    done = insert.values(name=name, done_at=now)
    await connection.execute(
        done.on_conflict_do_update(index_elements=[daily_duties.c.name], set_={"done_at": now})
    )

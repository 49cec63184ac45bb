"""What happened to each job, in the order in which it was stored: one row to an event, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Insert, Text, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from storage.database.bulk import as_rows, by_dialect, given_rows
from storage.tables import NOW, Id, events, to_millis

EVENT: Final[dict[str, TypeEngine[Any]]] = {
    "job_id": Id,
    "at": BigInteger(),
    "source": Text(),
    "event": Text(),
    "detail": Text(),
}


def event(job_id: int, at: datetime, source: str, name: str, detail: str | None = None) -> dict[str, Any]:
    return {"job_id": job_id, "at": to_millis(at), "source": source, "event": name, "detail": detail}


@by_dialect
def _add_events(sqlite: bool) -> Insert:
    given = given_rows(sqlite, **EVENT)
    return insert(events).from_select([*EVENT, "stored_at"], select(*given.c, NOW))


async def add_events(connection: AsyncConnection, rows: Iterable[dict[str, Any]], now: datetime) -> None:
    """Append to the jobs' histories; the rows are `event`'s."""
    told = list(rows)
    if told:
        await connection.execute(_add_events(connection), {"rows": as_rows(told), "now": now})

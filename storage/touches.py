"""Who was written to and when, across campaigns: reserved with the intent, given back on a definite failure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Boolean, Text, delete, func, literal, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from campaigns.states import JobState
from storage.bulk import table_of
from storage.engine import is_sqlite
from storage.tables import Id, jobs, to_millis, touches

_NEW: Final[dict[str, TypeEngine[Any]]] = {
    "job_id": Id,
    "phone": Text(),
    "campaign_id": Id,
    "category": Text(),
    "tags": Text(),
    "counts": Boolean(),
}


@dataclass(frozen=True, slots=True)
class TouchRow:
    job_id: int
    at: datetime
    lane: str
    category: str
    tags: frozenset[str]
    counts: bool
    under_way: bool
    """Whether its call has not ended yet: it may come back, and its room with it."""


@dataclass(frozen=True, slots=True)
class NewTouch:
    job_id: int
    phone: str
    campaign_id: int
    category: str
    tags: tuple[str, ...]
    counts: bool


async def recent_touches(
    connection: AsyncConnection, phones: Sequence[str], since: datetime
) -> dict[str, list[TouchRow]]:
    """Each phone's touches after `since`, the oldest first."""
    columns = (
        touches.c.phone,
        touches.c.job_id,
        touches.c.at,
        touches.c.lane,
        touches.c.category,
        touches.c.tags,
        touches.c.counts,
        func.coalesce(jobs.c.state == JobState.SENDING.value, False),
    )
    found = (
        select(*columns)
        .outerjoin(jobs, jobs.c.id == touches.c.job_id)
        .where(touches.c.phone.in_(phones), touches.c.at > since, ~touches.c.void)
        .order_by(touches.c.at, touches.c.id)
    )
    rows: defaultdict[str, list[TouchRow]] = defaultdict(list)
    for phone, job_id, at, lane, category, tags, counts, under_way in await connection.execute(found):
        rows[phone].append(
            TouchRow(job_id, at, lane, category, frozenset(orjson.loads(tags)), counts, under_way)
        )
    return dict(rows)


async def add_touches(connection: AsyncConnection, lane: str, at: datetime, new: Sequence[NewTouch]) -> None:
    """Reserve; a job that is tried again keeps its one touch, at the newer time."""
    if not new:
        return
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    given = table_of(connection, [_row(touch) for touch in new], **_NEW)
    reserved = select(*given.c, literal(at, touches.c.at.type), literal(lane)).where(true())
    statement = insert(touches).from_select([*_NEW, "at", "lane"], reserved)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["job_id"],
            set_={"at": statement.excluded.at, "lane": statement.excluded.lane, "void": False},
        )
    )


def _row(touch: NewTouch) -> dict[str, Any]:
    return {
        "job_id": touch.job_id,
        "phone": touch.phone,
        "campaign_id": touch.campaign_id,
        "category": touch.category,
        "tags": orjson.dumps(touch.tags).decode(),
        "counts": touch.counts,
    }


async def delay_touches(connection: AsyncConnection, times: Sequence[tuple[int, datetime]]) -> None:
    """Calls that began later than planned: (job id, when)."""
    if times:
        rows = [{"job_id": job_id, "at": to_millis(at)} for job_id, at in times]
        given = table_of(connection, rows, job_id=Id, at=BigInteger())
        await connection.execute(
            update(touches).where(touches.c.job_id == given.c.job_id).values(at=given.c.at)
        )


async def void_touches(connection: AsyncConnection, job_ids: Sequence[int], *, void: bool) -> None:
    """`void`: the messages have failed, their room is free. Not `void`: they have arrived after all, and it is not."""
    if job_ids:
        await connection.execute(update(touches).where(touches.c.job_id.in_(job_ids)).values(void=void))


async def release_touches(connection: AsyncConnection, job_ids: Sequence[int]) -> None:
    """Nothing was sent, for certain: what was reserved is free again."""
    if job_ids:
        await connection.execute(delete(touches).where(touches.c.job_id.in_(job_ids)))

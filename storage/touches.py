"""Who was written to and when, across campaigns: reserved with the intent, given back on a definite failure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState
from storage.engine import is_sqlite
from storage.tables import jobs, touches


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
        .where(touches.c.phone.in_(phones), touches.c.at > since)
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
    statement = insert(touches)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["job_id"], set_={"at": statement.excluded.at, "lane": statement.excluded.lane}
        ),
        [
            {
                "job_id": touch.job_id,
                "phone": touch.phone,
                "at": at,
                "campaign_id": touch.campaign_id,
                "lane": lane,
                "category": touch.category,
                "tags": orjson.dumps(touch.tags).decode(),
                "counts": touch.counts,
            }
            for touch in new
        ],
    )


async def delay_touches(connection: AsyncConnection, times: Sequence[tuple[int, datetime]]) -> None:
    """Calls that began later than planned: (job id, when)."""
    if times:
        await connection.execute(
            update(touches).where(touches.c.job_id == bindparam("of_job")).values(at=bindparam("to_at")),
            [{"of_job": job_id, "to_at": at} for job_id, at in times],
        )


async def release_touches(connection: AsyncConnection, job_ids: Sequence[int]) -> None:
    """Nothing was sent, for certain: what was reserved is free again."""
    if job_ids:
        await connection.execute(delete(touches).where(touches.c.job_id.in_(job_ids)))

"""When a run last sent on a lane: its limits continue from there in the process that takes the lane over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables.runs import attempts, runs

LOOK: Final = 1_000
"""Newest calls of a run among which the lane's is looked for: a campaign's lanes send about equally often."""
NEVER_SENT: Final = datetime(1970, 1, 1, tzinfo=UTC)

_NEWEST: Final = (
    select(attempts.c.id, attempts.c.lane)
    .where(attempts.c.run_id == bindparam("of_run"))
    .order_by(attempts.c.id.desc())
    .limit(LOOK)
    .subquery()
)
_ON_LANE: Final = select(func.max(_NEWEST.c.id)).where(_NEWEST.c.lane == bindparam("of_lane"))
_LAST: Final = select(attempts.c.ended_at, attempts.c.latency_ms).where(
    attempts.c.id == _ON_LANE.scalar_subquery()
)
_READ: Final = select(func.count()).select_from(_NEWEST)
_RUN_BEFORE: Final[Select[Any]] = select(func.max(runs.c.id)).where(
    runs.c.campaign_id == bindparam("of_campaign"), runs.c.id < bindparam("of_run")
)


async def last_call(connection: AsyncConnection, run_id: int, campaign_id: int, lane: str) -> datetime | None:
    """When the newest call of the run on the lane began, or else of the campaign's run before it; NEVER_SENT where
    there is none. None: not known, because it is still under way or too many calls on other lanes came after it."""
    begun_at = await _last_of_run(connection, run_id, lane)
    if begun_at is not NEVER_SENT:
        return begun_at
    before = await connection.scalar(_RUN_BEFORE, {"of_campaign": campaign_id, "of_run": run_id})
    return NEVER_SENT if before is None else await _last_of_run(connection, before, lane)


async def _last_of_run(connection: AsyncConnection, run_id: int, lane: str) -> datetime | None:
    asked = {"of_run": run_id, "of_lane": lane}
    last = (await connection.execute(_LAST, asked)).first()
    if last is None:
        read = await connection.scalar(_READ, asked)
        return NEVER_SENT if read is not None and read < LOOK else None
    return None if last.ended_at is None else last.ended_at - timedelta(milliseconds=last.latency_ms or 0)

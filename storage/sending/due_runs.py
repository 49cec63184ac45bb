"""The runs that a lane may send of now. Any number of others may be open: what they cost a slice is one look."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import RunState
from storage.runs.runs import RUN_ROWS, RunRow, read_runs
from storage.tables.predicates import IS_PENDING
from storage.tables.runs import jobs, runs
from storage.tables.types import NOW

_HAS_DUE: Final = (
    select(jobs.c.id)
    .where(jobs.c.run_id == runs.c.id, jobs.c.lane == bindparam("of_lane"), IS_PENDING, jobs.c.due_at <= NOW)
    .correlate(runs)
    .exists()
)
_DUE: Final = RUN_ROWS.where(runs.c.state == RunState.RUNNING.value, _HAS_DUE)


async def due_runs(connection: AsyncConnection, lane: str, now: datetime) -> list[RunRow]:
    """The running runs with a message on the lane whose time has come, highest priority first, then oldest first."""
    return await read_runs(connection, _DUE, {"of_lane": lane, "now": now})

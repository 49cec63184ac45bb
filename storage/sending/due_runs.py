"""The runs that a lane may send of now. Any number of others may be open: what they cost a slice is one look."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, Text, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import RunState
from storage.database.bulk import as_values, by_dialect, is_among
from storage.runs.first_jobs import has_due
from storage.runs.runs import RUN_ROWS, RunRow, read_runs
from storage.tables.lanes import lanes
from storage.tables.predicates import IS_PAUSED
from storage.tables.runs import runs

_LANE: Final = bindparam("of_lane", type_=Text())
_PAUSED: Final = select(lanes.c.name).where(lanes.c.name == _LANE, IS_PAUSED)
_DUE: Final = RUN_ROWS.where(runs.c.state == RunState.RUNNING.value, has_due(_LANE), ~_PAUSED.exists())


async def due_runs(connection: AsyncConnection, lane: str, now: datetime) -> list[RunRow]:
    """The running runs with a message on the lane whose time has come, highest priority first, then oldest first; none
    while the lane is paused."""
    return await read_runs(connection, _DUE, {"of_lane": lane, "now": now})


@by_dialect
def _named(sqlite: bool) -> Select[Any]:
    return RUN_ROWS.where(is_among(sqlite, runs.c.id, "run_ids"))


async def runs_now(connection: AsyncConnection, run_ids: Collection[int]) -> dict[int, RunRow]:
    """These runs as they are now, by their ids."""
    found = await read_runs(connection, _named(connection), {"run_ids": as_values(connection, run_ids)})
    return {run.id: run for run in found}

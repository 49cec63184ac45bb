"""The runs that a lane may send of now. Any number of others may be open: what they cost a slice is one look."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Text, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import RunState
from storage.runs.first_jobs import has_due
from storage.runs.runs import RUN_ROWS, RunRow, read_runs
from storage.tables.runs import runs

_DUE: Final = RUN_ROWS.where(
    runs.c.state == RunState.RUNNING.value, has_due(bindparam("of_lane", type_=Text()))
)


async def due_runs(connection: AsyncConnection, lane: str, now: datetime) -> list[RunRow]:
    """The running runs with a message on the lane whose time has come, highest priority first, then oldest first."""
    return await read_runs(connection, _DUE, {"of_lane": lane, "now": now})

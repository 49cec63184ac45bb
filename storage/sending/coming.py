"""When the passing of time alone gives a runner something to do."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import RunState
from campaigns.time.clock import NEVER
from storage.runs.first_jobs import due_after
from storage.tables.lanes import lanes
from storage.tables.runs import runs
from storage.tables.types import NOW


async def next_moment(connection: AsyncConnection, now: datetime) -> datetime:
    """The next time at which a message is due, a run expires, or a lane's lease or pause ends."""
    found = (await connection.execute(_next_moments(), {"now": now})).one()
    return min((moment for moment in found if moment is not None), default=NEVER)


@cache
def _next_moments() -> Select[Any]:
    is_open = runs.c.state.in_([RunState.RUNNING.value, RunState.PAUSED.value])
    due = select(func.min(due_after(lanes.c.name))).select_from(lanes.join(runs, true()))
    return select(
        due.where(runs.c.state == RunState.RUNNING.value).scalar_subquery(),
        _first(runs.c.expires_at, is_open),
        _first(lanes.c.lease_until),
        _first(lanes.c.paused_until),
    )


def _first(column: ColumnElement[datetime], *which: ColumnElement[bool]) -> ScalarSelect[datetime]:
    return select(func.min(column)).where(column > NOW, *which).scalar_subquery()

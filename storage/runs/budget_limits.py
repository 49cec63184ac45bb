"""A campaign's budget limits, in its stored file and in the frozen ones of its runs: the one part of a run that people
may change."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import RunState
from storage.tables.audience import campaigns
from storage.tables.runs import runs

Change = Callable[[str], str]
"""A campaign file as JSON -> the same with another budget."""


@frozen
class OpenRun:
    """A run that has not ended."""

    id: int
    parent_id: int | None
    state: RunState
    reason: str | None


async def budgets_of_runs(connection: AsyncConnection, run_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """The `[budget]` of each of these runs that has one, as it is now."""
    if not run_ids:
        return {}
    specs = await connection.execute(select(runs.c.id, runs.c.spec).where(runs.c.id.in_(run_ids)))
    found = {run_id: orjson.loads(spec).get("budget") for run_id, spec in specs}
    return {run_id: budget for run_id, budget in found.items() if budget}


async def open_runs_of(connection: AsyncConnection, campaign_id: int) -> list[OpenRun]:
    """The campaign's runs that have not ended."""
    columns = (runs.c.id, runs.c.parent_id, runs.c.state, runs.c.reason)
    found = await connection.execute(select(*columns).where(*_open(campaign_id)).order_by(runs.c.id))
    return [OpenRun(row.id, row.parent_id, RunState(row.state), row.reason) for row in found]


async def change_runs(connection: AsyncConnection, campaign_id: int, change: Change) -> None:
    """Change the file of each run of the campaign that has not ended."""
    found = select(runs.c.id, runs.c.spec).where(*_open(campaign_id)).order_by(runs.c.id)
    for run_id, spec in (await connection.execute(found.with_for_update())).all():
        await connection.execute(update(runs).where(runs.c.id == run_id).values(spec=change(spec)))


def _open(campaign_id: int) -> tuple[ColumnElement[bool], ...]:
    return runs.c.campaign_id == campaign_id, runs.c.state.in_([RunState.RUNNING, RunState.PAUSED])


async def change_campaign(
    connection: AsyncConnection, campaign_id: int, change: Change, now: datetime
) -> None:
    """Change the campaign's stored file. The caller holds the campaign's lock."""
    spec = await connection.scalar(select(campaigns.c.spec).where(campaigns.c.id == campaign_id))
    changed = update(campaigns).where(campaigns.c.id == campaign_id)
    await connection.execute(changed.values(spec=change(str(spec)), updated_at=now))

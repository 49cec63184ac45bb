"""Each campaign's state, how much of its newest run is sent, and when its next run starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import AWAITING_RECEIPT, CampaignState, JobState, RunState
from storage.audience.campaigns import is_only_tested
from storage.runs.editions import of_audience
from storage.runs.job_counts import count_states
from storage.runs.occurrences import SCHEDULED
from storage.tables import campaigns, recipients, runs

OVER = (CampaignState.COMPLETED, CampaignState.CANCELLED)


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """One campaign. `done` of `total` messages of its newest run need no more sending."""

    id: int
    name: str
    state: CampaignState
    reason: str | None
    next_at: datetime | None
    done: int
    total: int
    in_doubt: int
    awaiting: int
    """Messages on their way: their receipt may still come."""
    states: Mapping[JobState, int]
    """The messages of its newest run, in the order of their journey."""
    run_id: int | None
    """The newest run; None: it was never launched."""


@dataclass(frozen=True, slots=True)
class SeenCampaign:
    """A campaign with those of its runs that were asked about."""

    name: str
    state: CampaignState
    reason: str | None
    next_at: datetime | None
    run_ids: tuple[int, ...]


async def list_campaign_statuses(connection: AsyncConnection, ended: int) -> list[CampaignStatus]:
    """Every campaign that is not over, the newest first, and after them the newest `ended` that are."""
    over = campaigns.c.state.in_(OVER)
    rows = [
        *(await connection.execute(_newest().where(~over))).all(),
        *(await connection.execute(_newest().where(over).limit(ended))).all(),
    ]
    return [await _status(connection, row) for row in rows]


async def page_of_campaigns(
    connection: AsyncConnection,
    limit: int,
    *,
    before: int | None = None,
    state: CampaignState | None = None,
    part_of_name: str = "",
) -> list[CampaignStatus]:
    """The newest first; `before`: only those with a smaller number."""
    query = _newest().limit(limit)
    if before is not None:
        query = query.where(campaigns.c.id < before)
    if state is not None:
        query = query.where(campaigns.c.state == state)
    if part_of_name:
        query = query.where(campaigns.c.name.icontains(part_of_name, autoescape=True))
    return [await _status(connection, row) for row in await connection.execute(query)]


def _newest() -> Select[Any]:
    columns = [campaigns.c[name] for name in ("id", "name", "state", "reason", "start_at")]
    return select(*columns).where(~is_only_tested()).order_by(campaigns.c.id.desc())


async def _status(connection: AsyncConnection, row: Row[Any]) -> CampaignStatus:
    return CampaignStatus(
        row.id,
        row.name,
        CampaignState(row.state),
        row.reason,
        None if row.state in OVER else row.start_at,
        *await _progress(connection, row.id),
    )


async def _progress(
    connection: AsyncConnection, campaign_id: int
) -> tuple[int, int, int, int, Mapping[JobState, int], int | None]:
    """Of the newest run: messages that need no more sending, all messages, those in doubt, those on their way, all by
    state, and its number. Before the first run the recipients are the messages."""
    run = (
        await connection.execute(
            select(runs.c.id, runs.c.jobs, runs.c.state)
            .where(runs.c.campaign_id == campaign_id, SCHEDULED)
            .order_by(runs.c.nominal_at.desc())
            .limit(1)
        )
    ).first()
    if run is None:
        people = select(func.count()).select_from(recipients).where(of_audience(campaign_id))
        return 0, int((await connection.execute(people)).scalar_one()), 0, 0, {}, None
    counted = await count_states(connection, [run.id])
    if RunState(run.state) not in (RunState.RUNNING, RunState.PAUSED):
        return run.jobs, run.jobs, 0, 0, counted, run.id
    waiting = counted.get(JobState.PENDING, 0) + counted.get(JobState.SENDING, 0)
    awaiting = sum(counted.get(state, 0) for state in AWAITING_RECEIPT)
    return run.jobs - waiting, run.jobs, counted.get(JobState.IN_DOUBT, 0), awaiting, counted, run.id


async def next_run(connection: AsyncConnection, now: datetime) -> tuple[str, datetime] | None:
    """The campaign whose run is the next to start, and when."""
    coming = select(campaigns.c.name, campaigns.c.start_at).where(
        campaigns.c.state.in_([CampaignState.SCHEDULED, CampaignState.RUNNING]), campaigns.c.start_at > now
    )
    row = (await connection.execute(coming.order_by(campaigns.c.start_at).limit(1))).first()
    return (row.name, row.start_at) if row else None


async def runs_of_campaigns(connection: AsyncConnection, run_ids: Sequence[int]) -> list[SeenCampaign]:
    """The campaigns of these runs, tests left out, and those whose run is to come; the oldest first."""
    mine = runs.c.id.in_(run_ids) & (runs.c.kind != "test")
    columns = [campaigns.c[name] for name in ("id", "name", "state", "reason", "start_at")]
    found = (
        select(*columns, runs.c.id.label("run_id"))
        .select_from(campaigns.outerjoin(runs, (runs.c.campaign_id == campaigns.c.id) & mine))
        .where(or_(runs.c.id.is_not(None), campaigns.c.state == CampaignState.SCHEDULED))
        .order_by(campaigns.c.id, runs.c.id)
    )
    seen: dict[int, SeenCampaign] = {}
    for row in await connection.execute(found):
        state = CampaignState(row.state)
        before = seen[row.id].run_ids if row.id in seen else ()
        ids = (*before, row.run_id) if row.run_id is not None else before
        seen[row.id] = SeenCampaign(row.name, state, row.reason, None if state in OVER else row.start_at, ids)
    return list(seen.values())

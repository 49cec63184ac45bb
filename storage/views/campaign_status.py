"""Each campaign's state, how much of its newest run is sent, and when its next run starts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import AWAITING_RECEIPT, CampaignState, JobState
from storage.audience.campaigns import is_only_tested
from storage.database.bulk import among
from storage.runs.job_counts import counted_by
from storage.runs.occurrences import SCHEDULED
from storage.runs.retries import ALREADY_ARRIVED
from storage.tables.audience import campaigns
from storage.tables.counts import job_counts
from storage.tables.runs import runs

OVER = (CampaignState.COMPLETED, CampaignState.CANCELLED)


@frozen
class CampaignStatus:
    """One campaign. `done` of `total` messages of its newest run need no more sending."""

    id: int
    """Its number in the database."""
    name: str
    """Its name."""
    state: CampaignState
    """Its state now."""
    reason: str | None
    """Why it is in that state; null: no reason is recorded."""
    next_at: datetime | None
    """When its next run starts; null: no time is given."""
    done: int
    """Messages of its newest run that need no more sending."""
    total: int
    """Messages of its newest run."""
    in_doubt: int
    """Messages of which nobody knows whether they have left."""
    awaiting: int
    """Messages on their way: their receipt may still come."""
    states: Mapping[JobState, int]
    """The messages of its newest run, in the order of their journey."""
    run_id: int | None
    """The newest run; None: it was never launched."""


@frozen
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
    return await _statuses(connection, rows)


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
    return await _statuses(connection, (await connection.execute(query)).all())


def _newest() -> Select[Any]:
    """Campaigns, each with its newest run by the schedule."""
    newest = (
        select(runs.c.id)
        .where(runs.c.campaign_id == campaigns.c.id, SCHEDULED)
        .order_by(runs.c.nominal_at.desc())
        .limit(1)
        .correlate(campaigns)
        .scalar_subquery()
    )
    run = runs.alias("run")
    columns = [campaigns.c[name] for name in ("id", "name", "state", "reason", "start_at")]
    found = select(*columns, run.c.id.label("run_id"), run.c.jobs).select_from(
        campaigns.outerjoin(run, run.c.id == newest)
    )
    return found.where(~is_only_tested()).order_by(campaigns.c.id.desc())


async def _statuses(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[CampaignStatus]:
    """With a few statements, however many they are. Before the first run the recipients are the messages."""
    counted = await _states_by_run(connection, {row.run_id: row.id for row in rows if row.run_id is not None})
    people = await _recipients_of(connection, [row.id for row in rows if row.run_id is None])
    return [_status(row, counted.get(row.run_id, {}), people.get(row.id, 0)) for row in rows]


async def _states_by_run(
    connection: AsyncConnection, campaigns_of: Mapping[int, int]
) -> dict[int, Mapping[JobState, int]]:
    """Of these runs with their retries, as the reports count: of a person's tries the newest. `campaigns_of`: the
    campaign of each run."""
    if not campaigns_of:
        return {}
    retries = select(runs.c.id, runs.c.parent_id).where(
        among(connection, runs.c.campaign_id, campaigns_of.values()),
        among(connection, runs.c.parent_id, campaigns_of),
    )
    occurrence = {run_id: run_id for run_id in campaigns_of}
    occurrence.update((await connection.execute(retries)).all())
    found: defaultdict[int, Counter[JobState]] = defaultdict(Counter)
    counted = counted_by("run_id", "state").where(
        among(connection, job_counts.c.run_id, occurrence),
        job_counts.c.reason != ALREADY_ARRIVED,
        ~job_counts.c.tried_again,
    )
    for run_id, state, number in await connection.execute(counted):
        found[occurrence[run_id]][JobState(state)] += number
    return {
        run_id: {state: states[state] for state in JobState if state in states}
        for run_id, states in found.items()
    }


async def _recipients_of(connection: AsyncConnection, campaign_ids: Sequence[int]) -> dict[int, int]:
    if not campaign_ids:
        return {}
    there = campaigns.c.recipients - campaigns.c.purged_recipients
    named = among(connection, campaigns.c.id, campaign_ids)
    return dict((await connection.execute(select(campaigns.c.id, there).where(named))).all())


def _status(row: Row[Any], counted: Mapping[JobState, int], people: int) -> CampaignStatus:
    """Of its newest run: the messages that need no more sending, all of them, those in doubt and those on their way."""
    next_at = None if row.state in OVER else row.start_at
    known = (row.id, row.name, CampaignState(row.state), row.reason, next_at)
    if row.run_id is None:
        return CampaignStatus(*known, 0, people, 0, 0, {}, None)
    waiting = counted.get(JobState.PENDING, 0) + counted.get(JobState.SENDING, 0)
    awaiting = sum(counted.get(state, 0) for state in AWAITING_RECEIPT)
    doubts = counted.get(JobState.IN_DOUBT, 0)
    return CampaignStatus(*known, row.jobs - waiting, row.jobs, doubts, awaiting, counted, row.run_id)


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

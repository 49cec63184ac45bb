"""Runs: launched once, set-based; paused, resumed, cancelled, completed by guarded updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Insert, Select, case, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import FINAL, CampaignState, JobState, RunState
from storage.tables import campaigns, events, jobs, recipients, runs


@dataclass(frozen=True, slots=True)
class DueCampaign:
    id: int
    name: str
    spec: str
    start_at: datetime


@dataclass(frozen=True, slots=True)
class RunRow:
    id: int
    campaign_id: int
    name: str
    category: str
    state: RunState
    reason: str | None
    expires_at: datetime | None
    token: str
    kind: str = "scheduled"

    @property
    def is_test(self) -> bool:
        """Whether it goes to a person's own named numbers: no cap counts it."""
        return self.kind == "test"


async def due_campaigns(connection: AsyncConnection, now: datetime) -> list[DueCampaign]:
    """Scheduled campaigns whose time has come, oldest first."""
    columns = (campaigns.c.id, campaigns.c.name, campaigns.c.spec, campaigns.c.start_at)
    due = select(*columns).where(campaigns.c.state == CampaignState.SCHEDULED, campaigns.c.start_at <= now)
    return [DueCampaign(*row) for row in await connection.execute(due.order_by(campaigns.c.start_at))]


async def next_start(connection: AsyncConnection) -> datetime | None:
    """When the next scheduled campaign starts."""
    waiting = select(campaigns.c.start_at).where(campaigns.c.state == CampaignState.SCHEDULED)
    return (await connection.execute(waiting.order_by(campaigns.c.start_at).limit(1))).scalar()


async def launch_run(
    connection: AsyncConnection,
    campaign: DueCampaign,
    *,
    lanes: Sequence[str],
    priority: int,
    expires_at: datetime | None,
    now: datetime,
) -> int | None:
    """Freeze the campaign into a run with one pending job per recipient, or None where another launcher was first.

    A contact keeps its lane: the lane follows from the recipient's bucket and the order of `lanes`.
    """
    claim = update(campaigns).where(
        campaigns.c.id == campaign.id, campaigns.c.state == CampaignState.SCHEDULED
    )
    claimed = await connection.execute(claim.values(state=CampaignState.RUNNING, reason=None, updated_at=now))
    if claimed.rowcount != 1:
        return None
    run = insert(runs).values(
        campaign_id=campaign.id,
        nominal_at=campaign.start_at,
        state=RunState.RUNNING,
        priority=priority,
        spec=campaign.spec,
        jobs=0,
        launched_at=now,
        expires_at=expires_at,
    )
    run_id = int((await connection.execute(run.returning(runs.c.id))).scalar_one())
    made = await connection.execute(_expand(campaign.id, run_id, lanes, now))
    await connection.execute(update(runs).where(runs.c.id == run_id).values(jobs=made.rowcount))
    return run_id


def _expand(campaign_id: int, run_id: int, lanes: Sequence[str], now: datetime) -> Insert:
    share = recipients.c.bucket % len(lanes)
    lane = case(*((share == place, literal(name)) for place, name in enumerate(lanes)))
    source = (
        select(
            literal(run_id),
            recipients.c.id,
            recipients.c.phone,
            lane,
            literal(JobState.PENDING.value),
            literal(now, jobs.c.due_at.type),
            literal(now, jobs.c.updated_at.type),
        )
        .where(recipients.c.campaign_id == campaign_id)
        .order_by(recipients.c.line)
    )
    return insert(jobs).from_select(
        ["run_id", "recipient_id", "phone", "lane", "state", "due_at", "updated_at"], source
    )


async def open_runs(connection: AsyncConnection) -> list[RunRow]:
    """Runs that are running or paused, highest priority first, then oldest first."""
    columns = (
        runs.c.id,
        runs.c.campaign_id,
        campaigns.c.name,
        campaigns.c.category,
        runs.c.state,
        runs.c.reason,
        runs.c.expires_at,
        runs.c.token,
        runs.c.kind,
    )
    opened = (
        select(*columns)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(runs.c.state.in_([RunState.RUNNING, RunState.PAUSED]))
        .order_by(runs.c.priority.desc(), runs.c.nominal_at, runs.c.id)
    )
    rows = (await connection.execute(opened)).all()
    return [RunRow(r.id, r.campaign_id, r.name, r.category, RunState(r.state), *r[5:]) for r in rows]


async def run_spec(connection: AsyncConnection, run_id: int) -> str:
    """The campaign file as it was frozen at the run's launch, JSON."""
    return str((await connection.execute(select(runs.c.spec).where(runs.c.id == run_id))).scalar_one())


async def pause_run(connection: AsyncConnection, run_id: int, reason: str, now: datetime) -> None:
    """Pause a running run and its campaign; the reason is shown until it is resumed."""
    paused = await connection.execute(
        update(runs)
        .where(runs.c.id == run_id, runs.c.state == RunState.RUNNING)
        .values(state=RunState.PAUSED, reason=reason)
        .returning(runs.c.campaign_id)
    )
    row = paused.first()
    if row is not None:
        await connection.execute(
            update(campaigns)
            .where(campaigns.c.id == row.campaign_id, campaigns.c.state == CampaignState.RUNNING)
            .values(state=CampaignState.PAUSED, reason=reason, updated_at=now)
        )


async def expire_jobs(connection: AsyncConnection, now: datetime) -> int:
    """End the pending jobs of runs whose time ran out, whatever holds them; how many."""
    over = select(runs.c.id).where(
        runs.c.state.in_([RunState.RUNNING, RunState.PAUSED]), runs.c.expires_at <= now
    )
    return await _end_pending(connection, over, JobState.EXPIRED, "expired", now)


async def cancel_jobs(connection: AsyncConnection, now: datetime) -> int:
    """End what came back to `pending` after its run was cancelled: its call was under way then; how many."""
    over = select(runs.c.id).where(runs.c.state == RunState.CANCELLED)
    return await _end_pending(connection, over, JobState.CANCELLED, "run_cancelled", now)


async def _end_pending(
    connection: AsyncConnection, over: Select[tuple[int]], state: JobState, reason: str, now: datetime
) -> int:
    history = select(
        jobs.c.id,
        literal(now, events.c.at.type),
        literal(now, events.c.stored_at.type),
        literal("clock"),
        literal(state.value),
    ).where(jobs.c.run_id.in_(over), jobs.c.state == JobState.PENDING)
    await connection.execute(
        insert(events).from_select(["job_id", "at", "stored_at", "source", "event"], history)
    )
    ended = await connection.execute(
        update(jobs)
        .where(jobs.c.run_id.in_(over), jobs.c.state == JobState.PENDING)
        .values(state=state, reason=reason, held_by=None, updated_at=now)
    )
    return ended.rowcount


async def complete_runs(connection: AsyncConnection, now: datetime) -> list[int]:
    """Complete every running run whose jobs are all final, and its campaign; their ids."""
    unfinished = [state for state in JobState if state not in FINAL]
    waiting = select(jobs.c.id).where(jobs.c.run_id == runs.c.id, jobs.c.state.in_(unfinished))
    done = await connection.execute(
        update(runs)
        .where(runs.c.state == RunState.RUNNING, ~waiting.exists())
        .values(state=RunState.COMPLETED, ended_at=now)
        .returning(runs.c.id, runs.c.campaign_id)
    )
    rows = done.all()
    if rows:
        await connection.execute(
            update(campaigns)
            .where(
                campaigns.c.id.in_([row.campaign_id for row in rows]),
                campaigns.c.state == CampaignState.RUNNING,
            )
            .values(state=CampaignState.COMPLETED, updated_at=now)
        )
    return [row.id for row in rows]


async def count_states(connection: AsyncConnection, run_ids: Sequence[int]) -> dict[JobState, int]:
    """How many jobs of the runs are in each state. Reads every index entry of the runs: not for a hot path."""
    counted = select(jobs.c.state, func.count()).where(jobs.c.run_id.in_(run_ids)).group_by(jobs.c.state)
    return {JobState(state): number for state, number in await connection.execute(counted)}

"""What people do to a campaign under way: schedule, pause, resume, cancel, resolve. Guarded updates, set-based."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Select, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import CampaignState, JobState, RunState
from storage.database.bulk import among
from storage.runs.campaign_events import note_state
from storage.runs.history import NOT_WAITING, in_order, move
from storage.tables.audience import campaigns
from storage.tables.runs import jobs, runs


async def move_campaign(
    connection: AsyncConnection,
    name: str,
    sources: Sequence[CampaignState],
    target: CampaignState,
    now: datetime,
    *,
    reason: str | None = None,
    start_at: datetime | None = None,
) -> bool:
    """Move the campaign from one of `sources` to `target`; False where it is in none of them."""
    values: dict[str, object] = {"state": target, "reason": reason, "updated_at": now}
    if start_at is not None:
        values["start_at"] = start_at
    moved = await connection.execute(
        update(campaigns).where(campaigns.c.name == name, campaigns.c.state.in_(sources)).values(**values)
    )
    if moved.rowcount and CampaignState.PAUSED in (target, *sources):
        await note_state(connection, campaigns.c.name == name, target, reason or "", now)
    return bool(moved.rowcount)


async def move_runs(
    connection: AsyncConnection,
    name: str,
    sources: Sequence[RunState],
    target: RunState,
    *,
    reason: str | None = None,
    ended_at: datetime | None = None,
    with_tests: bool = False,
) -> int:
    """Move the campaign's runs from one of `sources` to `target`, tests only if asked to; how many moved."""
    mine = select(campaigns.c.id).where(campaigns.c.name == name)
    moved = update(runs).where(runs.c.campaign_id.in_(mine), runs.c.state.in_(sources))
    if not with_tests:
        moved = moved.where(runs.c.kind != "test")
    done = await connection.execute(moved.values(state=target, reason=reason, ended_at=ended_at))
    return done.rowcount


def _jobs_of(name: str) -> Select[tuple[int]]:
    return (
        select(jobs.c.id)
        .join(runs, runs.c.id == jobs.c.run_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(campaigns.c.name == name)
    )


async def moved_at(connection: AsyncConnection, name: str, state: JobState, now: datetime) -> list[int]:
    """The campaign's jobs that came into the state just now."""
    return list(
        await connection.scalars(_jobs_of(name).where(jobs.c.state == state, jobs.c.updated_at == now))
    )


async def phones_in(
    connection: AsyncConnection, name: str, state: JobState, phones: Collection[str]
) -> set[str]:
    """Those of the phones to which the campaign has a message in the state."""
    mine = _jobs_of(name).where(jobs.c.state == state, among(connection, jobs.c.phone, phones))
    return set(await connection.scalars(mine.with_only_columns(jobs.c.phone)))


async def end_jobs(
    connection: AsyncConnection,
    name: str,
    source: JobState,
    target: JobState,
    now: datetime,
    *,
    reason: str | None,
    detail: str,
    phones: Collection[str] | None = None,
    most: int | None = None,
) -> int:
    """Move the campaign's jobs in `source` to `target` on request, all or those to `phones`, and of these `most`; how
    many. Their events are added."""
    mine = _jobs_of(name).where(jobs.c.state == source).limit(most)
    if phones is not None:
        mine = mine.where(among(connection, jobs.c.phone, phones))
    ids = list(await connection.scalars(in_order(mine)))  # within the UPDATE, PostgreSQL may limit twice
    guard = and_(among(connection, jobs.c.id, ids), jobs.c.state == source)
    values = {"state": target, "reason": reason, "held_by": None, "due_at": now}
    if source is JobState.PENDING:
        values |= dict.fromkeys(NOT_WAITING)
    return await move(connection, guard, values, "user", now, detail=detail)

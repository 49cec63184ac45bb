"""Runs beside the schedule: retries of an occurrence, and tests. They take no occurrence's place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import JobState, RunState
from storage.tables.audience import campaigns, imports, recipients
from storage.tables.lanes import lanes
from storage.tables.runs import attempts, jobs, runs


@frozen
class RunMessage:
    """What became of one message of a run."""

    phone: str
    """The number."""
    lane: str
    """The sender, as account/sender."""
    state: JobState
    """Its state now."""
    reason: str | None
    """Why it is in that state; null: no reason is recorded."""
    code: str | None
    """The provider's code; null: it gave none."""
    held_by: str | None
    """The rule that holds it; None: none does."""
    detail: str | None
    """The provider's text about its last call, or why its sender or its run is paused; None: neither."""
    attempts: int = 0
    """Calls made."""
    run_paused: bool = False
    """Whether its run is paused."""


TICK = timedelta(milliseconds=1)
OF_TEST: Final = "test"
"""The source of the import that holds the row of a draft's test."""


async def add_side_run(
    connection: AsyncConnection,
    campaign_id: int,
    kind: Literal["retry", "test"],
    spec: str,
    *,
    priority: int,
    expires_at: datetime | None,
    now: datetime,
    parent_id: int | None = None,
) -> int:
    """A running run without jobs yet; its id. The caller holds the campaign's lock."""
    run = insert(runs).values(
        campaign_id=campaign_id,
        nominal_at=await _free_moment(connection, campaign_id, now),
        state=RunState.RUNNING,
        priority=priority,
        spec=spec,
        jobs=0,
        launched_at=now,
        expires_at=expires_at,
        kind=kind,
        parent_id=parent_id,
    )
    return int((await connection.execute(run.returning(runs.c.id))).scalar_one())


async def count_jobs_made(connection: AsyncConnection, run_id: int, jobs: int) -> None:
    await connection.execute(update(runs).where(runs.c.id == run_id).values(jobs=jobs))


async def _free_moment(connection: AsyncConnection, campaign_id: int, now: datetime) -> datetime:
    """The first millisecond from `now` on that is neither a run's nor the next occurrence's."""
    moment = now.replace(microsecond=now.microsecond // 1000 * 1000)
    taken = select(runs.c.nominal_at).where(runs.c.campaign_id == campaign_id, runs.c.nominal_at >= moment)
    planned = select(campaigns.c.start_at).where(campaigns.c.id == campaign_id)
    used = {*(await connection.scalars(taken)), await connection.scalar(planned)}
    while moment in used:
        moment += TICK
    return moment


async def add_test_jobs(
    connection: AsyncConnection,
    run_id: int,
    recipient_id: int,
    phones: Sequence[tuple[str, str]],
    now: datetime,
) -> None:
    """A job for each (phone, lane): the message of that recipient goes to the phone."""
    same = {
        "run_id": run_id,
        "recipient_id": recipient_id,
        "state": JobState.PENDING,
        "due_at": now,
        "updated_at": now,
    }
    await connection.execute(insert(jobs), [{**same, "phone": phone, "lane": lane} for phone, lane in phones])


async def recipient_of_import(connection: AsyncConnection, import_id: int) -> int:
    """The only recipient of the import."""
    found = select(recipients.c.id).where(recipients.c.import_id == import_id)
    return int((await connection.execute(found)).scalar_one())


async def run_of_row(connection: AsyncConnection, campaign_id: int, digest: str) -> int | None:
    """The run of the import of that digest, which holds the row of one test; None: there is none yet."""
    mine = (imports.c.campaign_id == campaign_id, imports.c.digest == digest, imports.c.source == OF_TEST)
    found = select(jobs.c.run_id).join(recipients, recipients.c.id == jobs.c.recipient_id)
    found = found.join(imports, imports.c.id == recipients.c.import_id).where(*mine).limit(1)
    return await connection.scalar(found)


async def messages_of_run(connection: AsyncConnection, run_id: int) -> list[RunMessage]:
    """Every message of a small run, in the order in which they were made."""
    last = (
        select(attempts.c.detail)
        .where(attempts.c.job_id == jobs.c.id)
        .order_by(attempts.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (jobs.c.phone, jobs.c.lane, jobs.c.state, jobs.c.reason, jobs.c.code, jobs.c.held_by)
    paused = runs.c.state == RunState.PAUSED
    detail = func.coalesce(lanes.c.paused_reason, case((paused, runs.c.reason)), last)
    found = (
        select(*columns, detail, jobs.c.attempts, paused)
        .join_from(jobs, runs, runs.c.id == jobs.c.run_id)
        .outerjoin(lanes, lanes.c.name == jobs.c.lane)
    )
    rows = await connection.execute(found.where(jobs.c.run_id == run_id).order_by(jobs.c.id))
    return [RunMessage(phone, lane, JobState(state), *more) for phone, lane, state, *more in rows]

"""One recipient's story: the job, its attempts and its events. What `drumbeat why` tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState, RunState
from storage.tables import attempts, events, jobs, lanes, recipients, runs


@dataclass(frozen=True, slots=True)
class JobStory:
    """The newest job of a recipient in a campaign."""

    id: int
    run_id: int
    run_kind: str
    run_state: RunState
    run_reason: str | None
    lane: str
    state: JobState
    reason: str | None
    code: str | None
    due_at: datetime
    held_by: str | None
    lane_reason: str | None
    lane_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to a job."""

    at: datetime
    event: str
    detail: str | None


async def find_job(connection: AsyncConnection, campaign_id: int, phone: str) -> JobStory | None:
    """The newest job of the phone in the campaign, a test only where there is no other; and what stops it."""
    rows = await connection.execute(
        select(
            jobs.c.id,
            jobs.c.run_id,
            runs.c.kind.label("run_kind"),
            runs.c.state.label("run_state"),
            runs.c.reason.label("run_reason"),
            jobs.c.lane,
            jobs.c.state,
            jobs.c.reason,
            jobs.c.code,
            jobs.c.due_at,
            jobs.c.held_by,
            lanes.c.paused_reason.label("lane_reason"),
            lanes.c.paused_until.label("lane_until"),
            runs.c.launched_at.label("created_at"),
        )
        .select_from(
            jobs.join(runs, runs.c.id == jobs.c.run_id).outerjoin(lanes, lanes.c.name == jobs.c.lane)
        )
        .where(runs.c.campaign_id == campaign_id, jobs.c.phone == phone)
        .order_by(runs.c.kind == "test", jobs.c.id.desc())
        .limit(1)
    )
    row = rows.mappings().one_or_none()
    if row is None:
        return None
    return JobStory(**{**row, "state": JobState(row["state"]), "run_state": RunState(row["run_state"])})


async def is_recipient(connection: AsyncConnection, campaign_id: int, phone: str) -> bool:
    """Whether the phone is in the campaign's audience."""
    found = await connection.execute(
        select(recipients.c.id).where(recipients.c.campaign_id == campaign_id, recipients.c.phone == phone)
    )
    return found.first() is not None


async def timeline(connection: AsyncConnection, job: JobStory) -> Sequence[Moment]:
    """Everything that happened to the job, the oldest first."""
    beside = "" if job.run_kind == "scheduled" else f" as a {job.run_kind}"
    found = [Moment(job.created_at, f"launched{beside}", f"on lane {job.lane}")]
    found += await _attempt_moments(connection, job.id)
    found += await _event_moments(connection, job.id)
    return sorted(found, key=lambda moment: moment.at)


async def _attempt_moments(connection: AsyncConnection, job_id: int) -> list[Moment]:
    rows = await connection.execute(
        select(attempts).where(attempts.c.job_id == job_id).order_by(attempts.c.number)
    )
    found: list[Moment] = []
    for row in rows.mappings():
        found.append(Moment(row["intent_at"], f"attempt {row['number']}", "the provider is called"))
        if row["ended_at"] is not None:
            parts = (
                row["outcome"],
                f"HTTP {row['http_status']}" if row["http_status"] else None,
                f"code {row['code']}" if row["code"] else None,
                row["detail"],
                f"{row['latency_ms']} ms" if row["latency_ms"] is not None else None,
                f"request {row['request_id']}" if row["request_id"] else None,
            )
            found.append(
                Moment(row["ended_at"], f"answer {row['number']}", ", ".join(part for part in parts if part))
            )
    return found


async def _event_moments(connection: AsyncConnection, job_id: int) -> list[Moment]:
    rows = await connection.execute(
        select(events.c.at, events.c.event, events.c.source, events.c.detail)
        .where(events.c.job_id == job_id)
        .order_by(events.c.id)
    )
    return [
        Moment(row.at, row.event, f"{row.source}: {row.detail}" if row.detail else row.source) for row in rows
    ]


async def jobs_ahead(connection: AsyncConnection, job: JobStory) -> int:
    """How many pending jobs of the same run and lane are due before this one."""
    sooner = or_(jobs.c.due_at < job.due_at, and_(jobs.c.due_at == job.due_at, jobs.c.id < job.id))
    counted = await connection.execute(
        select(func.count())
        .select_from(jobs)
        .where(jobs.c.run_id == job.run_id, jobs.c.lane == job.lane, jobs.c.state == JobState.PENDING, sooner)
    )
    return counted.scalar_one()

"""Messages that providers accepted and later reported as failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.outcomes import AS_TEMPLATE
from campaigns.rules.names import Form
from campaigns.states import JobState, RunState
from storage.database.bulk import among
from storage.runs.history import in_order, move
from storage.tables.runs import jobs, runs


@frozen
class LateFailure:
    job_id: int
    message_id: str
    run_id: int
    variant: str | None
    lane: str
    phone: str


async def newly_failed(
    connection: AsyncConnection, message_ids: Collection[str], now: datetime
) -> list[LateFailure]:
    """Which of the messages have been marked as failed at `now`, in this transaction."""
    found = select(
        jobs.c.id, jobs.c.provider_message_id, jobs.c.run_id, jobs.c.variant, jobs.c.lane, jobs.c.phone
    ).where(
        among(connection, jobs.c.provider_message_id, message_ids),
        jobs.c.provider_message_id.is_not(None),
        jobs.c.state == JobState.FAILED.value,
        jobs.c.updated_at == now,
    )
    return [LateFailure(*row) for row in await connection.execute(found.order_by(jobs.c.id))]


async def send_as_templates(
    connection: AsyncConnection, job_ids: Sequence[int], refused_at: datetime, now: datetime
) -> set[int]:
    """Free forms that failed because the window was closed: pending again, for the template; which. Each once, free of
    charge, and only while its run may send. The caller gives back what they had reserved."""
    may_send = select(runs.c.id).where(
        runs.c.state.in_([RunState.RUNNING, RunState.PAUSED]),
        or_(runs.c.expires_at.is_(None), runs.c.expires_at > now),
    )
    wanted = and_(
        among(connection, jobs.c.id, job_ids),
        jobs.c.state == JobState.FAILED.value,
        jobs.c.form != Form.TEMPLATE.value,
        jobs.c.free_refused_at.is_(None),
        func.coalesce(jobs.c.cost_micros, 0) == 0,
        jobs.c.run_id.in_(may_send),
    )
    moved = set(await connection.scalars(select(jobs.c.id).where(wanted)))
    nothing = (
        "reason",
        "provider_message_id",
        "poll_at",
        "accepted_at",
        "sent_at",
        "cost_micros",
        "currency",
    )
    values = {
        **dict.fromkeys(nothing),
        "state": JobState.PENDING,
        "polls": 0,
        "due_at": now,
        "held_by": AS_TEMPLATE,
        "held_since": now,
        "free_refused_at": refused_at,
    }
    detail = "the window was closed; the template is sent in its place"
    guard = jobs.c.id.in_(in_order(select(jobs.c.id).where(wanted)))
    await move(connection, guard, values, "webhook", now, detail=detail)
    return moved

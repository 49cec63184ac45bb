"""A campaign's messages in doubt, with what is known of their last call."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import JobState
from storage.tables.audience import recipients
from storage.tables.runs import attempts, jobs, runs

COUNTED: Final = 10_000
"""They are counted up to here."""


@frozen
class DoubtfulMessage:
    """One message that may have arrived."""

    job_id: int
    phone: str
    vars: dict[str, str]
    lane: str
    reason: str | None
    since: datetime
    run_id: int
    run_kind: str
    attempts: int
    called_at: datetime | None
    """When the last call began."""
    http_status: int | None
    code: str | None
    detail: str | None
    content: str | None
    """The message as it was sent: JSON."""


async def doubtful_messages(
    connection: AsyncConnection, campaign_id: int, size: int, after: int = 0, phone: str | None = None
) -> list[DoubtfulMessage]:
    """A page of them, of all runs and tests, in the order of their making; only those to `phone` if it is given."""
    last = (attempts.c.job_id == jobs.c.id) & (attempts.c.number == jobs.c.attempts)
    columns = (
        jobs.c.id,
        jobs.c.phone,
        recipients.c.vars,
        jobs.c.lane,
        jobs.c.reason,
        jobs.c.updated_at,
        jobs.c.run_id,
        runs.c.kind,
        jobs.c.attempts,
        attempts.c.intent_at,
        attempts.c.http_status,
        attempts.c.code,
        attempts.c.detail,
        attempts.c.content,
    )
    people = jobs.join(recipients, recipients.c.id == jobs.c.recipient_id).join(
        runs, runs.c.id == jobs.c.run_id
    )
    query = select(*columns).select_from(people.outerjoin(attempts, last)).where(_of(campaign_id))
    # All of them are few: the table is not to be read in the order of its ids.
    key = jobs.c.id + 0
    query = query.where(key > after).order_by(key).limit(size)
    if phone is not None:
        query = query.where(jobs.c.phone == phone)
    return [
        DoubtfulMessage(job_id, to, orjson.loads(vars), *rest)
        for job_id, to, vars, *rest in await connection.execute(query)
    ]


async def count_doubtful(connection: AsyncConnection, campaign_id: int) -> int:
    """How many there are, counted up to COUNTED and one more."""
    found = select(jobs.c.id).join(runs, runs.c.id == jobs.c.run_id).where(_of(campaign_id))
    some = found.limit(COUNTED + 1).subquery()
    return int((await connection.execute(select(func.count()).select_from(some))).scalar_one())


def _of(campaign_id: int) -> ColumnElement[bool]:
    """Restricts jobs, joined to their runs, to the campaign's that are in doubt."""
    return (runs.c.campaign_id == campaign_id) & (jobs.c.state == JobState.IN_DOUBT.value)

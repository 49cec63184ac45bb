"""One person's newest message in a campaign, as it was sent."""

from __future__ import annotations

from datetime import datetime

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.runs.editions import of_audience
from storage.tables.audience import recipients
from storage.tables.runs import attempts, jobs, runs


@frozen
class SentMessage:
    """The newest call for a person's newest message; what is None is not known, or not kept."""

    job_id: int
    message_id: str | None
    """The provider's id of it."""
    attempts: int
    content: str | None
    """The message as it was sent: JSON."""
    request_id: str | None
    called_at: datetime | None


async def sent_message(connection: AsyncConnection, campaign_id: int, phone: str) -> SentMessage | None:
    """None: the person has none. A test counts where there is nothing else."""
    last = (attempts.c.job_id == jobs.c.id) & (attempts.c.number == jobs.c.attempts)
    its = select(runs.c.id).where(runs.c.campaign_id == campaign_id)
    columns = (jobs.c.id, jobs.c.provider_message_id, jobs.c.attempts)
    call = (attempts.c.content, attempts.c.request_id, attempts.c.intent_at)
    found = (
        select(*columns, *call)
        .select_from(jobs.join(runs, runs.c.id == jobs.c.run_id).outerjoin(attempts, last))
        .where(jobs.c.run_id.in_(its), jobs.c.phone == phone)
        .order_by(runs.c.kind == "test", jobs.c.id.desc())
        .limit(1)
    )
    row = (await connection.execute(found)).first()
    return None if row is None else SentMessage(*row)


async def cells_of(connection: AsyncConnection, campaign_id: int, phone: str) -> dict[str, str]:
    """The person's row in the campaign's list, column by column; empty: it has none."""
    row = select(recipients.c.vars).where(of_audience(campaign_id), recipients.c.phone == phone)
    found = await connection.scalar(row)
    return dict(orjson.loads(found)) if found else {}

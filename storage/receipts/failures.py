"""Messages that providers accepted and later reported as failed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState
from storage.database.bulk import among
from storage.tables import jobs


@dataclass(frozen=True, slots=True)
class LateFailure:
    message_id: str
    run_id: int
    lane: str
    phone: str


async def newly_failed(
    connection: AsyncConnection, message_ids: Collection[str], now: datetime
) -> list[LateFailure]:
    """Which of the messages have been marked as failed at `now`, in this transaction."""
    found = select(jobs.c.provider_message_id, jobs.c.run_id, jobs.c.lane, jobs.c.phone).where(
        among(connection, jobs.c.provider_message_id, message_ids),
        jobs.c.provider_message_id.is_not(None),
        jobs.c.state == JobState.FAILED.value,
        jobs.c.updated_at == now,
    )
    return [LateFailure(*row) for row in await connection.execute(found.order_by(jobs.c.id))]

"""What people changed about a campaign after it was loaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import campaign_events as events


@dataclass(frozen=True, slots=True)
class CampaignEvent:
    at: datetime
    event: str
    """`budget` or `list`."""
    detail: str


async def add_campaign_event(
    connection: AsyncConnection, campaign_id: int, event: str, detail: str, now: datetime
) -> None:
    values = {"campaign_id": campaign_id, "at": now, "event": event, "detail": detail}
    await connection.execute(insert(events).values(**values))


async def list_campaign_events(
    connection: AsyncConnection, campaign_id: int, newest: int
) -> list[CampaignEvent]:
    """The newest ones, the oldest of them first."""
    columns = (events.c.at, events.c.event, events.c.detail)
    found = select(*columns).where(events.c.campaign_id == campaign_id).order_by(events.c.id.desc())
    rows = (await connection.execute(found.limit(newest))).all()
    return [CampaignEvent(*row) for row in reversed(rows)]

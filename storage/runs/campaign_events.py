"""What was changed about a campaign after it was loaded, and when it was paused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import CampaignState
from storage.tables.audience import campaign_events as events
from storage.tables.audience import campaigns
from storage.tables.types import Instant

CHANGES: Final = ("budget", "list")
PAUSES: Final = 100
"""The newest that are read."""


@frozen
class CampaignEvent:
    at: datetime
    """When."""
    event: str
    """`budget`, `list`, or the state that the campaign came into by a pause or after it."""
    detail: str
    """What changed, as text."""


async def add_campaign_event(
    connection: AsyncConnection, campaign_id: int, event: str, detail: str, now: datetime
) -> None:
    values = {"campaign_id": campaign_id, "at": now, "event": event, "detail": detail}
    await connection.execute(insert(events).values(**values))


async def list_campaign_events(
    connection: AsyncConnection, campaign_id: int, newest: int
) -> list[CampaignEvent]:
    """The newest changes by people, the oldest of them first."""
    return await _newest(connection, campaign_id, newest, events.c.event.in_(CHANGES))


@frozen
class Pause:
    """A stretch of time in which nothing was sent."""

    begin: datetime
    end: datetime | None
    """None: it lasts."""
    reason: str


async def note_state(
    connection: AsyncConnection, which: ColumnElement[bool], state: CampaignState, reason: str, now: datetime
) -> None:
    """Note that a campaign was paused, or goes on or ends after a pause."""
    noted = select(campaigns.c.id, literal(now, Instant()), literal(state.value), literal(reason))
    columns = ["campaign_id", "at", "event", "detail"]
    await connection.execute(insert(events).from_select(columns, noted.where(which)))


async def list_pauses(connection: AsyncConnection, campaign_id: int) -> list[Pause]:
    """The newest pauses, the oldest of them first."""
    noted = await _newest(connection, campaign_id, 2 * PAUSES, events.c.event.not_in(CHANGES))
    return list(_pauses(noted))


def _pauses(noted: Sequence[CampaignEvent]) -> Iterator[Pause]:
    begun: CampaignEvent | None = None
    for event in noted:
        if event.event == CampaignState.PAUSED:
            begun = begun or event
        elif begun is not None:
            yield Pause(begun.at, event.at, begun.detail)
            begun = None
    if begun is not None:
        yield Pause(begun.at, None, begun.detail)


async def _newest(
    connection: AsyncConnection, campaign_id: int, newest: int, which: ColumnElement[bool]
) -> list[CampaignEvent]:
    columns = (events.c.at, events.c.event, events.c.detail)
    found = select(*columns).where(events.c.campaign_id == campaign_id, which).order_by(events.c.id.desc())
    rows = (await connection.execute(found.limit(newest))).all()
    return [CampaignEvent(*row) for row in reversed(rows)]

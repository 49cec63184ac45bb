"""People across campaigns: their messages, ours to them, and the known windows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.tables.audience import campaigns
from storage.tables.contacts import inbound, touches, windows
from storage.tables.runs import jobs


@frozen
class KnownWindow:
    lane: str
    open_until: datetime
    known_by: str


@frozen
class GotMessage:
    """A message that was, or may have been, sent; campaign and state are None if its job is purged."""

    at: datetime
    """When."""
    campaign: str | None
    """The campaign; null: its details are deleted."""
    lane: str
    """The sender, as account/sender."""
    category: str
    """marketing, utility, authentication or service."""
    state: str | None
    """The state of the message; null: its details are deleted."""


@frozen
class WroteMessage:
    """A message that the person sent."""

    at: datetime
    """When."""
    account: str
    """The account that received it."""
    lane: str | None
    """The sender that received it, as account/sender; null: not known."""
    text: str | None
    """What they wrote; null: nothing."""
    payload: str | None
    """Payload or id of the button or list row that they pressed; None: they pressed none."""
    answers: str | None
    """The provider's id of the message of ours that they answered; None: of none."""

    @property
    def shown(self) -> str:
        """What they wrote or pressed, in one text."""
        if not self.payload or self.payload == self.text:
            return self.text or ""
        return f"{self.text or ''} (button: {self.payload})".strip()


async def windows_of(connection: AsyncConnection, phone: str) -> list[KnownWindow]:
    """The last known window with each lane, the longest open first; one may be over."""
    known = select(windows.c.lane, windows.c.open_until, windows.c.known_by).where(windows.c.phone == phone)
    rows = await connection.execute(known.order_by(windows.c.open_until.desc(), windows.c.lane))
    return [KnownWindow(*row) for row in rows]


async def messages_to(connection: AsyncConnection, phone: str, most: int) -> list[GotMessage]:
    """The newest messages to the phone from all campaigns, the newest first."""
    past_messages = touches.outerjoin(jobs, jobs.c.id == touches.c.job_id).outerjoin(
        campaigns, campaigns.c.id == touches.c.campaign_id
    )
    got = (
        select(touches.c.at, campaigns.c.name, touches.c.lane, touches.c.category, jobs.c.state)
        .select_from(past_messages)
        .where(touches.c.phone == phone)
        .order_by(touches.c.at.desc(), touches.c.id.desc())
        .limit(most)
    )
    return [GotMessage(*row) for row in await connection.execute(got)]


async def messages_from(connection: AsyncConnection, phone: str, most: int) -> list[WroteMessage]:
    """The newest messages of the phone, the newest first."""
    wrote = (
        select(
            inbound.c.at,
            inbound.c.account,
            inbound.c.lane,
            inbound.c.text,
            inbound.c.payload,
            inbound.c.answers,
        )
        .where(inbound.c.phone == phone)
        .order_by(inbound.c.at.desc(), inbound.c.id.desc())
        .limit(most)
    )
    return [WroteMessage(*row) for row in await connection.execute(wrote)]

"""Events worth telling people: each is a row, written once, in the transaction that causes it or by the clock that
finds it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.notify_events import STANDING, NotifyEvent
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.notify import notify_deliveries, notify_events

WAITING: Final = "waiting"
"""The state of a delivery that is not made yet."""
CALM: Final = timedelta(minutes=10)
"""What comes back so soon after it ended is the same event still: nobody is notified again."""


@frozen
class Occurrence:
    """Something that happened, or that lasts."""

    event: NotifyEvent
    about: str
    detail: str = ""
    """The reason, or the figures. What others wrote is masked: it may hold a phone number."""
    campaign_id: int | None = None
    run_id: int | None = None
    amount: int | None = None

    def row(self, now: datetime) -> dict[str, Any]:
        series = self.about if self.campaign_id is None else f"campaign:{self.campaign_id}"
        return {
            "uid": uuid4().hex,
            "event": self.event,
            "about": self.about,
            "series": series,
            "campaign_id": self.campaign_id,
            "run_id": self.run_id,
            "detail": self.detail,
            "amount": self.amount,
            "at": now,
        }


async def add_event(connection: AsyncConnection, new: Occurrence, now: datetime) -> None:
    """It has happened; the caller has changed the state in this transaction, so nobody else adds it too."""
    await connection.execute(insert(notify_events).values(**new.row(now), ended_at=now))


async def differs_from(connection: AsyncConnection, found: Sequence[Occurrence]) -> bool:
    """Whether `store_found` has something to do."""
    now, known = {(one.event.value, one.about) for one in found}, await _known(connection)
    return bool(now - known or _ended(known, now))


async def _known(connection: AsyncConnection) -> set[tuple[str, str]]:
    """(event, about) of those that last, or are announced once and for all."""
    found = select(notify_events.c.event, notify_events.c.about).where(notify_events.c.ended_at.is_(None))
    return {(event, about) for event, about in await connection.execute(found)}


def _ended(known: set[tuple[str, str]], found: set[tuple[str, str]]) -> list[tuple[str, str]]:
    return [each for each in known - found if each[0] in STANDING]


async def store_found(connection: AsyncConnection, found: Sequence[Occurrence], now: datetime) -> None:
    """Add what is new of all that is found now, and end what lasted and is not found any more. Two that do it at once
    add it once."""
    for new in found:
        if not await _goes_on(connection, new, now):
            await connection.execute(
                upsert_into(is_sqlite(connection), notify_events)
                .values(**new.row(now))
                .on_conflict_do_nothing()
            )
    still = {(new.event.value, new.about) for new in found}
    for event, about in _ended(await _known(connection), still):
        over = update(notify_events).where(*_open(event, about))
        await connection.execute(over.values(ended_at=now))


async def _goes_on(connection: AsyncConnection, new: Occurrence, now: datetime) -> bool:
    """Whether it lasts already, or ended just now and is back."""
    e = notify_events.c
    if (await connection.execute(select(e.id).where(*_open(new.event, new.about)))).first():
        return True
    lately = (e.event == new.event, e.about == new.about, e.ended_at > now - CALM)
    newest = select(e.id).where(*lately).order_by(e.id.desc()).limit(1).scalar_subquery()
    back = update(notify_events).where(e.id == newest).values(ended_at=None)
    return bool((await connection.execute(back)).rowcount)


def _open(event: str, about: str) -> tuple[Any, ...]:
    e = notify_events.c
    return e.event == event, e.about == about, e.ended_at.is_(None)


async def forget_old(connection: AsyncConnection, before: datetime) -> None:
    """Delete the events from before then that are over and wait for nobody, with their deliveries."""
    e = notify_events.c
    waits = select(notify_deliveries.c.id).where(
        notify_deliveries.c.event_id == e.id, notify_deliveries.c.state == WAITING
    )
    over = (e.at < before, or_(e.ended_at.is_not(None), e.event.not_in(STANDING)), ~waits.exists())
    old = select(e.id).where(*over)
    await connection.execute(delete(notify_deliveries).where(notify_deliveries.c.event_id.in_(old)))
    await connection.execute(delete(notify_events).where(*over))

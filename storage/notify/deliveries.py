"""Deliveries of events to the [[notify]] tables: one for each event and table, tried until it is delivered or given up.

The order of a series is kept: of each target, one is tried only when no earlier one of its series waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.notify_events import STANDING, NotifyEvent
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.notify.events import WAITING
from storage.tables.audience import campaigns
from storage.tables.notify import notify_deliveries, notify_events, notify_targets

DELIVERED: Final = "delivered"
FAILED: Final = "failed"
UNCONFIGURED: Final = "its [[notify]] table is not in drumbeat.toml any more"

d, e = notify_deliveries.c, notify_events.c


@frozen
class Delivery:
    """One event on its way to one target."""

    id: int
    target: str
    state: str
    attempts: int
    next_at: datetime
    problem: str | None
    done_at: datetime | None
    uid: str
    event: str
    about: str
    at: datetime
    detail: str
    amount: int | None
    run_id: int | None
    campaign: str | None


@frozen
class Subscription:
    """What a target wants."""

    target: str
    events: Collection[str]
    rejects_above: int = 0


async def store_targets(connection: AsyncConnection, names: Collection[str], now: datetime) -> None:
    """From now on these are the targets: a new one is told nothing of the past, and what waits for one that is gone is
    given up."""
    gone = notify_targets.c.name.not_in(names)
    await connection.execute(delete(notify_targets).where(gone))
    left = update(notify_deliveries).where(d.state == WAITING, d.target.not_in(names))
    await connection.execute(left.values(state=FAILED, problem=UNCONFIGURED, done_at=now))
    if names:
        new = upsert_into(is_sqlite(connection), notify_targets).on_conflict_do_nothing()
        await connection.execute(new, [{"name": name, "since": now} for name in names])


async def known_targets(connection: AsyncConnection) -> set[str]:
    return set(await connection.scalars(select(notify_targets.c.name)))


async def first_since(connection: AsyncConnection) -> datetime | None:
    """Since when the longest-known target is there."""
    since = select(notify_targets.c.since).order_by(notify_targets.c.since).limit(1)
    return await connection.scalar(since)


async def plan_deliveries(
    connection: AsyncConnection, subscriptions: Iterable[Subscription], now: datetime
) -> int:
    """A delivery of each event to each target that wants it and has none yet; how many are new."""
    new = 0
    for subscription in subscriptions:
        ids = [event_id for (event_id,) in await connection.execute(_unplanned(subscription))]
        if ids:
            rows = [_new(event_id, subscription.target, now) for event_id in ids]
            await connection.execute(
                upsert_into(is_sqlite(connection), notify_deliveries).on_conflict_do_nothing(), rows
            )
        new += len(ids)
    return new


async def any_unplanned(connection: AsyncConnection, subscriptions: Iterable[Subscription]) -> bool:
    """Whether `plan_deliveries` has something to do."""
    for subscription in subscriptions:
        if (await connection.execute(_unplanned(subscription).limit(1))).first():
            return True
    return False


def _new(event_id: int, target: str, now: datetime) -> dict[str, Any]:
    return {"event_id": event_id, "target": target, "state": WAITING, "attempts": 0, "next_at": now}


def _unplanned(wanted: Subscription) -> Select[Any]:
    """Events that the target wants and that have no delivery to it: since it is there, or lasting still."""
    planned = select(d.id).where(d.event_id == e.id, d.target == wanted.target)
    enough = or_(e.event != NotifyEvent.REJECTS, e.amount > wanted.rejects_above)
    timely = or_(e.at >= notify_targets.c.since, and_(e.event.in_(STANDING), e.ended_at.is_(None)))
    return (
        select(e.id)
        .join_from(notify_events, notify_targets, notify_targets.c.name == wanted.target)
        .where(e.event.in_(wanted.events), enough, timely, ~planned.exists())
        .order_by(e.id)
    )


async def next_deliveries(
    connection: AsyncConnection, target: str, now: datetime, limit: int
) -> Sequence[Delivery]:
    """The first of each series, of those that wait and whose time has come."""
    earlier, before = notify_deliveries.alias(), notify_events.alias()
    blocked = (
        select(earlier.c.id)
        .join_from(earlier, before, before.c.id == earlier.c.event_id)
        .where(
            earlier.c.target == d.target,
            earlier.c.state == WAITING,
            before.c.series == e.series,
            earlier.c.id < d.id,
        )
    )
    due = (d.target == target, d.state == WAITING, d.next_at <= now, ~blocked.exists())
    return await _read(connection, _deliveries().where(*due).order_by(d.id).limit(limit))


async def begin_attempt(connection: AsyncConnection, delivery: Delivery, until: datetime) -> bool:
    """Note the attempt before it is made, so that nobody else makes it before `until`; False where somebody has."""
    mine = (d.id == delivery.id, d.state == WAITING, d.attempts == delivery.attempts)
    begun = update(notify_deliveries).where(*mine).values(attempts=d.attempts + 1, next_at=until)
    return bool((await connection.execute(begun)).rowcount)


async def store_delivered(connection: AsyncConnection, delivery_id: int, now: datetime) -> None:
    await _store(connection, delivery_id, state=DELIVERED, problem=None, done_at=now)


async def store_problem(
    connection: AsyncConnection, delivery_id: int, problem: str, again_at: datetime | None, now: datetime
) -> None:
    """The attempt failed; `again_at` None: it is given up."""
    if again_at is None:
        await _store(connection, delivery_id, state=FAILED, problem=problem, done_at=now)
    else:
        await _store(connection, delivery_id, problem=problem, next_at=again_at)


async def _store(connection: AsyncConnection, delivery_id: int, **values: object) -> None:
    waiting = update(notify_deliveries).where(d.id == delivery_id, d.state == WAITING)
    await connection.execute(waiting.values(**values))


async def list_deliveries(
    connection: AsyncConnection, limit: int, *, undelivered: bool = False
) -> Sequence[Delivery]:
    """The newest first."""
    query = _deliveries().order_by(d.id.desc()).limit(limit)
    return await _read(connection, query.where(d.state != DELIVERED) if undelivered else query)


async def send_again(
    connection: AsyncConnection, ids: Collection[int], now: datetime, targets: Collection[str]
) -> int:
    """Deliver these once more, whatever became of them, if their target is still there; how many."""
    return await _again(connection, d.id.in_(ids), now, targets)


async def send_failed_again(connection: AsyncConnection, now: datetime, targets: Collection[str]) -> int:
    """Deliver those that were given up; how many."""
    return await _again(connection, d.state == FAILED, now, targets)


async def _again(
    connection: AsyncConnection, chosen: ColumnElement[bool], now: datetime, targets: Collection[str]
) -> int:
    values = {"state": WAITING, "attempts": 0, "next_at": now, "problem": None, "done_at": None}
    again = update(notify_deliveries).where(chosen, d.target.in_(targets)).values(**values)
    return (await connection.execute(again)).rowcount


def _deliveries() -> Select[Any]:
    return select(
        d.id, d.target, d.state, d.attempts, d.next_at, d.problem, d.done_at,
        e.uid, e.event, e.about, e.at, e.detail, e.amount, e.run_id, campaigns.c.name,
    ).select_from(
        notify_deliveries.join(notify_events, e.id == d.event_id).outerjoin(
            campaigns, campaigns.c.id == e.campaign_id
        )
    )  # fmt: skip


async def _read(connection: AsyncConnection, query: Select[Any]) -> Sequence[Delivery]:
    return [Delivery(*row) for row in await connection.execute(query)]

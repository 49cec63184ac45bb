"""How many people an account has reached (its tier) and how many messages a campaign has sent today (its ramp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.engine import is_sqlite
from storage.tables import daily_sends, tier_counts, unique_recipients

TIER_WINDOW: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class TierUse:
    reached: int
    """People reached outside a window in the last 24 hours."""
    oldest_at: datetime | None
    already: frozenset[str]
    """Those of the asked phones that are among them."""


async def tier_use(
    connection: AsyncConnection, account: str, phones: Sequence[str], now: datetime
) -> TierUse:
    """How much of the account's tier is used. Who decides by it holds the account's lock, and has slid its count."""
    since = now - TIER_WINDOW
    at = unique_recipients.c.at
    reached = await connection.scalar(select(_slid(account, since)).where(*_useful(account, since)))
    if reached is None:
        reached = await connection.scalar(_people(account, at > since))
    oldest = select(func.min(at, type_=at.type)).where(unique_recipients.c.account == account, at > since)
    oldest_at = await connection.scalar(oldest)
    # By their phones alone, never by `at`: a planner that believes few to be recent would read them all.
    among = select(unique_recipients.c.phone, at).where(*_these(account, phones))
    already = [phone for phone, last in await connection.execute(among) if last > since]
    return TierUse(reached or 0, oldest_at, frozenset(already))


async def slide_count(connection: AsyncConnection, account: str, now: datetime) -> None:
    """Bring the count of the account's people to the 24 hours before `now`. The caller holds the account's lock."""
    since = now - TIER_WINDOW
    slid = update(tier_counts).where(*_useful(account, since))
    found = await connection.execute(slid.values(reached=_slid(account, since), since=since))
    if found.rowcount:
        return
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    count = {"since": since, "reached": _people(account, unique_recipients.c.at > since).scalar_subquery()}
    statement = insert(tier_counts).values(account=account, **count)
    await connection.execute(statement.on_conflict_do_update(index_elements=["account"], set_=count))


async def note_reached(
    connection: AsyncConnection, account: str, phones: Sequence[str], at: datetime
) -> None:
    """These people are reached outside a window now; who was before counts from now on. The caller has slid the
    account's count in this same transaction."""
    if not phones:
        return
    counted = func.count().filter(unique_recipients.c.at > tier_counts.c.since)
    already = select(counted).where(*_these(account, phones)).scalar_subquery()
    grown = update(tier_counts).where(tier_counts.c.account == account)
    await connection.execute(grown.values(reached=tier_counts.c.reached + len(set(phones)) - already))
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    statement = insert(unique_recipients)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account", "phone"], set_={"at": statement.excluded.at}
        ),
        [{"account": account, "phone": phone, "at": at} for phone in sorted(phones)],
    )


def _useful(account: str, since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Of a count that is older than whom it counted, they may be purged: it is made anew."""
    return tier_counts.c.account == account, tier_counts.c.since > since - TIER_WINDOW


def _slid(account: str, since: datetime) -> ColumnElement[int]:
    """The count of those reached after `since`: only who is between its old moment and this one is read. Clocks
    differ, and this one may be the earlier."""
    at, counted = unique_recipients.c.at, tier_counts.c.since
    gone = _people(account, at > counted, at <= since).scalar_subquery()
    back = _people(account, at > since, at <= counted).scalar_subquery()
    return tier_counts.c.reached - gone + back


def _people(account: str, *which: ColumnElement[bool]) -> Select[int]:
    return select(func.count()).where(unique_recipients.c.account == account, *which)


def _these(account: str, phones: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return unique_recipients.c.account == account, unique_recipients.c.phone.in_(phones)


async def sends_by_day(connection: AsyncConnection, lane: str, campaign_id: int) -> dict[str, int]:
    """How many the campaign has sent on the lane on each day, YYYY-MM-DD -> count, the first day first."""
    found = (
        select(daily_sends.c.day, daily_sends.c.sent)
        .where(daily_sends.c.lane == lane, daily_sends.c.campaign_id == campaign_id)
        .order_by(daily_sends.c.day)
    )
    return dict((await connection.execute(found)).all())


async def note_daily_sends(
    connection: AsyncConnection, lane: str, campaign_id: int, day: str, more: int
) -> None:
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    statement = insert(daily_sends).values(lane=lane, campaign_id=campaign_id, day=day, sent=more)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["lane", "campaign_id", "day"],
            set_={"sent": daily_sends.c.sent + statement.excluded.sent},
        )
    )

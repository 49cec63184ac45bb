"""How many people an account has reached (its tier) and how many messages a campaign has sent today (its ramp)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Insert,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    column,
    delete,
    func,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.database.bulk import as_rows, as_values, by_dialect, given_array, given_rows, is_among
from storage.database.engine import execute_later, is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.contacts import touches
from storage.tables.lanes import daily_sends, tier_counts, unique_recipients

TIER_WINDOW: Final = timedelta(hours=24)


@frozen
class TierUse:
    reached: int
    """People reached outside a window in the last 24 hours."""
    oldest_at: datetime | None
    already: frozenset[str]
    """Those of the asked phones that are among them."""


_person: Final = unique_recipients.c
_count: Final = tier_counts.c
_ACCOUNT: Final = bindparam("of_account", type_=Text())
_SINCE: Final = bindparam("from_then", type_=_person.at.type)


def _reached_after(since: ColumnElement[datetime]) -> Select[int]:
    return select(func.count()).where(_person.account == _ACCOUNT, _person.at > since)


_OLDEST: Final = (
    select(func.min(_person.at, type_=_person.at.type))
    .where(_person.account == _ACCOUNT, _person.at > _SINCE)
    .scalar_subquery()
)
_SLID: Final = (
    _count.reached
    - _reached_after(_count.since).where(_person.at <= _SINCE).scalar_subquery()
    + _reached_after(_SINCE).where(_person.at <= _count.since).scalar_subquery()
)
"""The count of those reached after a moment: only who is between the count's own and that one is read. Clocks differ,
and it may be the earlier."""
_IS_USEFUL: Final = and_(
    _count.account == _ACCOUNT, _count.since > bindparam("long_ago", type_=_count.since.type)
)
"""Of a count that is older than whom it counted, they may be purged: it is made anew."""
_SLIDE: Final = update(tier_counts).where(_IS_USEFUL).values(reached=_SLID, since=_SINCE)
_READ: Final = select(_SLID, _OLDEST).where(_IS_USEFUL)
_READ_ALL: Final = select(_reached_after(_SINCE).scalar_subquery(), _OLDEST)


def _these(sqlite: bool) -> tuple[FromClause, FromClause]:
    """Those of the `phones` that the account has reached; and what a SELECT of them is from. PostgreSQL looks each up
    by its key: all at once it looks for by their account alone, and reads everybody, where it takes that for few."""
    mine = select(_person.phone, _person.at).where(_person.account == _ACCOUNT)
    if sqlite:
        found = mine.where(is_among(sqlite, _person.phone, "phones")).subquery("reached")
        return found, found
    phones = func.unnest(given_array("phones", Text()))
    asked = phones.table_valued(column("phone", Text), name="asked").render_derived()
    one = mine.where(_person.phone == asked.c.phone).limit(1).lateral("reached")
    return one, asked.join(one, true())


@by_dialect
def _among(sqlite: bool) -> Select[str, datetime]:
    found, source = _these(sqlite)
    return select(found.c.phone, found.c.at).select_from(source)


@by_dialect
def _grow(sqlite: bool) -> Update:
    found, source = _these(sqlite)
    recent = func.count().filter(found.c.at > _count.since)
    already = select(recent).select_from(source).correlate(tier_counts).scalar_subquery()
    more = bindparam("more", type_=BigInteger())
    return (
        update(tier_counts).where(_count.account == _ACCOUNT).values(reached=_count.reached + more - already)
    )


@by_dialect
def _reach(sqlite: bool) -> Insert:
    given, moment = given_rows(sqlite, phone=Text()), bindparam("at", type_=_person.at.type)
    people = select(_ACCOUNT, given.c.phone, moment).where(true())
    insert = upsert_into(sqlite, unique_recipients).from_select(["account", "phone", "at"], people)
    return insert.on_conflict_do_update(index_elements=["account", "phone"], set_={"at": insert.excluded.at})


async def tier_use(
    connection: AsyncConnection, account: str, phones: Sequence[str], now: datetime
) -> TierUse:
    """How much of the account's tier is used. Who decides by it holds the account's lock, and has slid its count."""
    asked = _asked(account, now)
    read = (await connection.execute(_READ, asked)).first()
    reached, oldest_at = read or (await connection.execute(_READ_ALL, asked)).one()
    among = {"of_account": account, "phones": as_values(connection, phones)}
    rows = await connection.execute(_among(connection), among)
    already = frozenset(phone for phone, at in rows if at > now - TIER_WINDOW)
    return TierUse(reached, oldest_at, already)


async def slide_count(connection: AsyncConnection, account: str, now: datetime) -> None:
    """Bring the count of the account's people to the 24 hours before `now`. The caller holds the account's lock."""
    asked = _asked(account, now)
    if (await connection.execute(_SLIDE, asked)).rowcount:
        return
    reached, _ = (await connection.execute(_READ_ALL, asked)).one()
    count = {"since": now - TIER_WINDOW, "reached": reached}
    statement = upsert_into(is_sqlite(connection), tier_counts).values(account=account, **count)
    await connection.execute(statement.on_conflict_do_update(index_elements=["account"], set_=count))


def _asked(account: str, now: datetime) -> dict[str, Any]:
    since = now - TIER_WINDOW
    return {"of_account": account, "from_then": since, "long_ago": since - TIER_WINDOW}


async def note_reached(
    connection: AsyncConnection, account: str, phones: Sequence[str], at: datetime
) -> None:
    """These people are reached outside a window now; who was before counts from now on. The caller has slid the
    account's count in this same transaction."""
    if not phones:
        return
    people = sorted(set(phones))
    grown = {"of_account": account, "phones": as_values(connection, people), "more": len(people)}
    await execute_later(connection, _grow(connection), grown)
    rows = as_rows([(phone,) for phone in people])
    await execute_later(connection, _reach(connection), {"of_account": account, "rows": rows, "at": at})


async def forget_reached(
    connection: AsyncConnection, account: str, phones: Sequence[str], accounts: Sequence[str] = ()
) -> None:
    """Messages to these people were not sent, and their contact history entries are deleted: a person counts from the
    newest remaining message of `account`, or of any of the `accounts` that are counted together under that name, or not
    at all. The caller holds its lock."""
    among = {"of_account": account, "phones": as_values(connection, phones)}
    counted: dict[str, datetime] = dict((await connection.execute(_among(connection), among)).all())
    if not counted:
        return
    left: dict[str, datetime] = {}
    for one in accounts or [account]:
        for phone, at in await connection.execute(_left(connection), {**among, "of_account": one}):
            left[phone] = max(at, left.get(phone, at))
    since = await connection.scalar(select(_count.since).where(_count.account == account))
    earlier = {phone: min(counted[phone], at) for phone, at in left.items() if phone in counted}
    mine = (_person.account == account, _person.phone == bindparam("of_phone"))
    if uncounted := [{"of_phone": phone} for phone in sorted(counted.keys() - earlier.keys())]:
        await connection.execute(delete(unique_recipients).where(*mine), uncounted)
    if moved := [{"of_phone": phone, "to": at} for phone, at in sorted(earlier.items())]:
        moment = bindparam("to", type_=_person.at.type)
        await connection.execute(update(unique_recipients).where(*mine).values(at=moment), moved)
    if since is not None:
        fewer = sum(at > since >= earlier.get(phone, since) for phone, at in counted.items())
        shrunk = update(tier_counts).where(_count.account == account).values(reached=_count.reached - fewer)
        await connection.execute(shrunk)


@by_dialect
def _left(sqlite: bool) -> Select[Any]:
    """When each person was last sent something else outside their window."""
    at = func.max(touches.c.at, type_=touches.c.at.type)
    of_account = func.substr(touches.c.lane, 1, func.length(_ACCOUNT) + 1) == _ACCOUNT.concat("/")
    return (
        select(touches.c.phone, at)
        .where(is_among(sqlite, touches.c.phone, "phones"), touches.c.outside, of_account)
        .group_by(touches.c.phone)
    )


async def sends_by_day(connection: AsyncConnection, lane: str, campaign_id: int) -> dict[str, int]:
    """How many the campaign has sent on the lane on each day, YYYY-MM-DD -> count, the first day first."""
    found = (
        select(daily_sends.c.day, daily_sends.c.sent)
        .where(daily_sends.c.lane == lane, daily_sends.c.campaign_id == campaign_id, daily_sends.c.sent > 0)
        .order_by(daily_sends.c.day)
    )
    return dict((await connection.execute(found)).all())


async def note_daily_sends(
    connection: AsyncConnection, lane: str, campaign_id: int, day: str, more: int
) -> None:
    statement = upsert_into(is_sqlite(connection), daily_sends).values(
        lane=lane, campaign_id=campaign_id, day=day, sent=more
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["lane", "campaign_id", "day"],
            set_={"sent": daily_sends.c.sent + statement.excluded.sent},
        )
    )


async def take_back_daily_sends(
    connection: AsyncConnection, fewer: Mapping[tuple[str, int, str], int]
) -> None:
    """Subtract messages that were not sent, by (lane, campaign, day)."""
    if not fewer:
        return
    mine = (
        daily_sends.c.lane == bindparam("of_lane"),
        daily_sends.c.campaign_id == bindparam("of_campaign"),
        daily_sends.c.day == bindparam("of_day"),
    )
    await connection.execute(
        update(daily_sends).where(*mine).values(sent=daily_sends.c.sent - bindparam("fewer")),
        [
            {"of_lane": lane, "of_campaign": campaign_id, "of_day": day, "fewer": count}
            for (lane, campaign_id, day), count in sorted(fewer.items())
        ],
    )

"""What providers show of the senders' limits, and which accounts share one: those of a portfolio count their people
together, in one pool."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, and_, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.database.bulk import as_values, by_dialect, is_among
from storage.database.engine import is_sqlite, lock_names
from storage.database.upserts import upsert_into
from storage.tables.lanes import tier_counts, unique_recipients
from storage.tables.limits import sender_limits

UNLIMITED: Final = -1
_SHOWN: Final = ("portfolio", "people", "quality", "throughput", "verified_name", "name_status")


@frozen
class SenderLimit:
    """One sender, as its provider showed it last."""

    lane: str
    account: str
    portfolio: str | None = None
    people: int | None = None
    """The most that its portfolio may reach in 24 hours outside a window; UNLIMITED; None: not known."""
    quality: str | None = None
    throughput: str | None = None
    verified_name: str | None = None
    name_status: str | None = None
    fetched_at: datetime | None = None
    expired_at: datetime | None = None
    problem: str | None = None

    def is_due(self, every: timedelta, now: datetime) -> bool:
        """Whether it must be read again: never read, changed since, or older than that; one from the future was read
        while the clock was ahead."""
        if self.fetched_at is None or self.expired_at is not None:
            return True
        return not timedelta() <= now - self.fetched_at < every


@frozen
class AccountLimit:
    people: int | None
    """None: no limit, or not known."""
    pool: str
    """Under which its people are counted: its own name, or its portfolio's with other accounts."""
    is_known: bool
    """Whether any of its senders has shown a limit, or that there is none."""


def tier_lock(pool: str) -> str:
    """The name under which a pool's tier is locked."""
    return f"tier:{pool}"


def pool_of(account: str, portfolio: str | None) -> str:
    """A portfolio's name has a space, which no account's has."""
    return account if portfolio is None else f"portfolio {portfolio}"


@by_dialect
def _of_accounts(sqlite: bool) -> Select[Any]:
    columns = sender_limits.c
    names = ("lane", "account", *_SHOWN, "fetched_at", "expired_at", "problem")
    found = select(*(columns[name] for name in names)).where(is_among(sqlite, columns.account, "accounts"))
    return found.order_by(columns.lane)


async def find_limits(connection: AsyncConnection, accounts: Collection[str]) -> list[SenderLimit]:
    asked = {"accounts": as_values(connection, accounts)}
    return [SenderLimit(*row) for row in await connection.execute(_of_accounts(connection), asked)]


async def account_limit(connection: AsyncConnection, account: str) -> AccountLimit:
    """The account's limit, as its senders are stored."""
    return limit_of(account, await find_limits(connection, [account]))


def limit_of(account: str, found: Collection[SenderLimit]) -> AccountLimit:
    """The account's limit, the lowest that any of its senders shows."""
    known = [one.people for one in found if one.people not in (None, UNLIMITED)]
    portfolio = next((one.portfolio for one in found if one.portfolio), None)
    return AccountLimit(
        min((people for people in known if people), default=None),
        pool_of(account, portfolio),
        any(one.people is not None for one in found),
    )


async def pools_of(connection: AsyncConnection, accounts: Collection[str]) -> dict[str, str]:
    """The pool of each account."""
    pools = {account: account for account in accounts}
    for one in await find_limits(connection, accounts) if accounts else ():
        if one.portfolio is not None:
            pools[one.account] = pool_of(one.account, one.portfolio)
    return pools


async def accounts_in(connection: AsyncConnection, pools: Iterable[str]) -> dict[str, list[str]]:
    """The accounts of each pool: those of a portfolio, or the one that it is named after."""
    found: dict[str, list[str]] = {}
    for pool in pools:
        _, _, portfolio = pool.partition(" ")
        mine = select(sender_limits.c.account).where(sender_limits.c.portfolio == portfolio).distinct()
        found[pool] = sorted(await connection.scalars(mine)) if portfolio else [pool]
    return found


async def store_limits(
    connection: AsyncConnection, account: str, shown: Mapping[str, Mapping[str, Any]], asked_at: datetime
) -> None:
    """Store what the account's lanes showed when they were asked, in place of what was known of the account, but for
    a portfolio that they do not show now; people who were counted for the account alone count for its portfolio from
    now on. Others that store them wait until this transaction ends."""
    await lock_names(connection, [f"limits {account}"])
    before = (await pools_of(connection, [account]))[account]
    fresh = await _changed_since(connection, account, asked_at)
    known = await find_limits(connection, [account])
    portfolio = next((one.portfolio for one in known if one.portfolio), None)
    stamp = {"account": account, "fetched_at": asked_at, "expired_at": fresh}
    rows = [
        {"lane": lane, **stamp, **values, "portfolio": values["portfolio"] or portfolio}
        for lane, values in shown.items()
    ]
    await connection.execute(delete(sender_limits).where(sender_limits.c.account == account))
    if rows:
        await connection.execute(insert(sender_limits), rows)
    after = (await pools_of(connection, [account]))[account]
    if after != before == account:
        await _move_people(connection, before, after)


async def _changed_since(connection: AsyncConnection, account: str, asked_at: datetime) -> datetime | None:
    """When an event changed something after it was asked for; None: none did."""
    newest = select(func.max(sender_limits.c.expired_at, type_=sender_limits.c.expired_at.type))
    expired_at: datetime | None = await connection.scalar(newest.where(sender_limits.c.account == account))
    return expired_at if expired_at is not None and expired_at > asked_at else None


async def _move_people(connection: AsyncConnection, before: str, after: str) -> None:
    await lock_names(connection, [tier_lock(before), tier_lock(after)])
    person = unique_recipients.c
    mine = select(literal(after), person.phone, person.at).where(person.account == before)
    moved = upsert_into(is_sqlite(connection), unique_recipients).from_select(
        ["account", "phone", "at"], mine
    )
    newer = moved.excluded.at > unique_recipients.c.at
    await connection.execute(
        moved.on_conflict_do_update(
            index_elements=["account", "phone"], set_={"at": moved.excluded.at}, where=newer
        )
    )
    await connection.execute(delete(unique_recipients).where(person.account == before))
    await connection.execute(delete(tier_counts).where(tier_counts.c.account.in_([before, after])))


async def note_limits_problem(
    connection: AsyncConnection, account: str, lanes: Sequence[str], problem: str
) -> None:
    """Store why the limits could not be read; what was read before stays."""
    row = upsert_into(is_sqlite(connection), sender_limits)
    stored = row.on_conflict_do_update(index_elements=["lane"], set_={"problem": problem})
    values = [{"lane": lane, "account": account, "problem": problem} for lane in lanes]
    if values:
        await connection.execute(stored, values)


async def expire_limits(connection: AsyncConnection, account: str, now: datetime) -> None:
    """Note that something has changed at the provider since the limits were read."""
    mine = sender_limits.c.account == account
    await connection.execute(update(sender_limits).where(mine).values(expired_at=now))


async def set_limit(connection: AsyncConnection, account: str, people: int) -> str:
    """Store the limit of the account's pool, as an event showed it; the pool."""
    pool = (await pools_of(connection, [account]))[account]
    accounts = (await accounts_in(connection, [pool]))[pool]
    known = and_(sender_limits.c.account.in_(accounts), sender_limits.c.fetched_at.is_not(None))
    await connection.execute(update(sender_limits).where(known).values(people=people))
    return pool

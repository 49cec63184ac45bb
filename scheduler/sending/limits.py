"""The limits that providers show of the senders: read from them, stored, and used as the account's tier."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Final

from campaigns.errors import DrumbeatError, Unavailable, UsageError
from campaigns.frozen import frozen
from campaigns.untrusted import LONGEST_TEXT, clean
from scheduler.sending.lanes import Account
from storage.database.engine import Connection, Engine, writing
from storage.sending.freed_room import Freed, wake
from storage.sending.limits import account_limit, note_limits_problem, set_limit, store_limits, tier_lock

if TYPE_CHECKING:
    from providers.adapter import NumberLimits

PATIENCE: Final = 60.0
"""The most seconds that reading them may take."""


@frozen
class Tier:
    """How many people an account may reach in 24 hours outside a window."""

    most: int | None
    """The lower of what is set and shown; None: no limit, or not known."""
    pool: str
    """Under which they are counted."""
    is_counted: bool
    """Whether they are: also while the limit is not known, so that it holds once it is."""

    @property
    def locks(self) -> list[str]:
        return [tier_lock(self.pool)] if self.is_counted else []


async def tier_of(connection: Connection, account: Account) -> Tier:
    """The account's tier by its settings and by what is stored."""
    own = account.settings.tier
    if not account.adapter.capabilities.shows_limits:
        return Tier(own, account.name, own is not None)
    shown = await account_limit(connection, account.name)
    most = min((limit for limit in (own, shown.people) if limit is not None), default=None)
    return Tier(most, shown.pool, most is not None or not shown.is_known)


async def fetch_limits(account: Account) -> dict[str, NumberLimits]:
    """What the provider shows now, by sender. Raises UsageError where it shows none, Unavailable, AccountError,
    NotFound."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await account.adapter.read_limits(account.http)
    except TimeoutError:
        raise Unavailable(f"The limits were not complete after {PATIENCE:g} seconds.") from None


async def keep_limits(
    engine: Engine, account: Account, shown: Mapping[str, NumberLimits], asked_at: datetime
) -> None:
    """Store them; who waits for a higher limit is due again."""
    rows = {f"{account.name}/{name}": asdict(limits) for name, limits in shown.items()}
    async with writing(engine) as connection:
        await store_limits(connection, account.name, rows, asked_at)
        pool = (await account_limit(connection, account.name)).pool
        await wake(connection, Freed(tiers={pool}), asked_at)


async def keep_limits_problem(engine: Engine, account: Account, error: DrumbeatError) -> None:
    lanes = [f"{account.name}/{sender.name}" for sender in account.settings.senders]
    async with writing(engine) as connection:
        await note_limits_problem(connection, account.name, lanes, clean(str(error), LONGEST_TEXT))


async def sync_limits(engine: Engine, account: Account, now: datetime) -> None:
    """Fetch and store them. Raises as `fetch_limits`; that the provider refused or did not answer is stored."""
    try:
        shown = await fetch_limits(account)
    except UsageError:
        raise
    except DrumbeatError as error:
        await keep_limits_problem(engine, account, error)
        raise
    await keep_limits(engine, account, shown, now)


async def change_limit(connection: Connection, account: str, people: str, now: datetime) -> None:
    """An event showed the limit of the account's portfolio."""
    pool = await set_limit(connection, account, int(people))
    await wake(connection, Freed(tiers={pool}), now)

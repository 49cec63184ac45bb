"""Room that a message had taken and that is free again: under caps, in budgets, in the account's tier, in the ramp; and
messages that wait for such room are decided again.

A wait for room may be long, until the end of a day or of a cap's stretch. So freeing room wakes, in the same
transaction, what waits for it: all messages that wait for a person's caps, and of the others so many at a time; those
wake more where they find room.
Deciding by room and freeing it both hold its lock: no message begins to wait for room that has just been freed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, Select, Text, Update, bindparam, literal_column, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.rules.names import Rule
from campaigns.states import LEFT, RunState
from storage.database.bulk import as_values, by_dialect, is_among
from storage.database.engine import lock_names
from storage.sending.budgets import budget_locks, settle
from storage.sending.contact_history import release_history, taken_by
from storage.sending.limits import accounts_in, pools_of, tier_lock
from storage.sending.tier_and_ramp import forget_reached, take_back_daily_sends
from storage.tables.lanes import lanes
from storage.tables.runs import jobs, runs
from storage.tables.types import NOW

AT_ONCE: Final = 100
"""Messages of a lane that are woken together: about a slice."""
_HELD_FOR_PERSON: Final = text("(jobs.held_by = 'frequency_cap' OR jobs.held_by = 'min_gap')")
"""Written as in the index `ix_jobs_held_person`, so that the planner sees that it holds them."""


@dataclass(slots=True)
class Freed:
    """Where there is room again."""

    people: set[str] = field(default_factory=set)
    """Phones: under caps, and for a gap between messages."""
    budgets: set[tuple[str, int]] = field(default_factory=set)
    """(account, campaign)."""
    tiers: set[str] = field(default_factory=set)
    """Pools, see `storage.sending.limits`."""
    ramps: set[tuple[str, int]] = field(default_factory=set)
    """(lane, campaign)."""

    def add(self, other: Freed) -> None:
        self.people |= other.people
        self.budgets |= other.budgets
        self.tiers |= other.tiers
        self.ramps |= other.ramps


def ramp_lock(lane: str) -> str:
    """The name under which a lane's ramps are locked."""
    return f"ramp:{lane}"


async def unsent(connection: AsyncConnection, job_ids: Sequence[int]) -> list[int]:
    """Those of the jobs that the provider does not have, by their current states."""
    if not job_ids:
        return []
    asked = {"job_ids": as_values(connection, job_ids)}
    return list(await connection.scalars(_unsent(connection), asked))


@by_dialect
def _unsent(sqlite: bool) -> Select[Any]:
    left = [state.value for state in LEFT]
    return select(jobs.c.id).where(is_among(sqlite, jobs.c.id, "job_ids"), jobs.c.state.not_in(left))


async def free_room(connection: AsyncConnection, job_ids: Sequence[int]) -> Freed:
    """Give back what unsent messages had taken beside money. The caller holds the locks of tiers and ramps."""
    freed = Freed()
    sends: Counter[tuple[str, int, str]] = Counter()
    outside: dict[str, list[str]] = {}
    for taken in await release_history(connection, job_ids):
        freed.people.add(taken.phone)
        if taken.ramp_day is not None:
            freed.ramps.add((taken.lane, taken.campaign_id))
            sends[taken.lane, taken.campaign_id, taken.ramp_day] += 1
        if taken.outside:
            outside.setdefault(account_of(taken.lane), []).append(taken.phone)
    await take_back_daily_sends(connection, sends)
    pools = await pools_of(connection, outside.keys())
    for pool in sorted({*pools.values()}):
        freed.tiers.add(pool)
        phones = [
            phone for account, its in sorted(outside.items()) if pools[account] == pool for phone in its
        ]
        await forget_reached(connection, pool, phones, (await accounts_in(connection, [pool]))[pool])
    return freed


async def give_back(connection: AsyncConnection, job_ids: Sequence[int], now: datetime) -> None:
    """Free all that these messages in doubt had reserved, and wake who waits for it: the provider has none of them. The
    last step of a transaction that has changed their jobs."""
    free = await unsent(connection, job_ids)
    if not free:
        return
    await lock_names(connection, list(await locks_of(connection, free)))
    await wake(connection, await give_back_locked(connection, free), now)


async def locks_of(connection: AsyncConnection, job_ids: Sequence[int]) -> set[str]:
    """The names of the locks of all that these messages have reserved."""
    names = await budget_locks(connection, job_ids)
    taken = await taken_by(connection, job_ids)
    pools = await pools_of(connection, {account_of(one.lane) for one in taken})
    for one in taken:
        names |= {one.phone, tier_lock(pools[account_of(one.lane)]), ramp_lock(one.lane)}
    return names


async def give_back_locked(connection: AsyncConnection, job_ids: Sequence[int]) -> Freed:
    """As `give_back`, where the caller holds the locks and wakes who waits."""
    taken = await taken_by(connection, job_ids)
    freed = await free_room(connection, job_ids)
    campaigns = await settle(connection, dict.fromkeys(job_ids))
    freed.budgets |= {
        (account_of(one.lane), one.campaign_id) for one in taken if one.campaign_id in campaigns
    }
    return freed


def account_of(lane: str) -> str:
    """The account that the lane belongs to."""
    return lane.partition("/")[0]


async def wake(connection: AsyncConnection, freed: Freed, now: datetime) -> None:
    """Who waits for the room that is free again is due now. Who is being decided about just now sees that room."""
    if freed.people:
        people = {"phones": as_values(connection, freed.people), "now": now}
        await connection.execute(_wake_people(connection), people)
    pooled = {account for own in (await accounts_in(connection, freed.tiers)).values() for account in own}
    of_account = await _lanes_of(connection, {account for account, _ in freed.budgets} | pooled)
    await _wake(
        connection,
        Rule.BUDGET,
        ((lane, campaign) for account, campaign in freed.budgets for lane in of_account[account]),
        now,
    )
    await _wake(connection, Rule.RAMP, freed.ramps, now)
    tiered = ((lane, None) for account in pooled for lane in of_account[account])
    await _wake(connection, Rule.TIER, tiered, now)


async def _lanes_of(connection: AsyncConnection, accounts: Collection[str]) -> dict[str, list[str]]:
    of_account: dict[str, list[str]] = {account: [] for account in accounts}
    if accounts:
        for lane in await connection.scalars(select(lanes.c.name)):
            if (account := account_of(lane)) in of_account:
                of_account[account].append(lane)
    return of_account


async def _wake(
    connection: AsyncConnection, rule: Rule, scopes: Iterable[tuple[str, int | None]], now: datetime
) -> None:
    rows = [{"of_lane": lane, "of_campaign": campaign, "now": now} for lane, campaign in sorted(scopes)]
    if rows:
        await connection.execute(_wake_some(rule), rows)


@by_dialect
def _wake_people(sqlite: bool) -> Update:
    waiting = (
        select(jobs.c.id)
        .where(_HELD_FOR_PERSON, is_among(sqlite, jobs.c.phone, "phones"), jobs.c.due_at > NOW)
        .with_for_update(skip_locked=True)
    )
    return update(jobs).where(jobs.c.id.in_(waiting)).values(due_at=NOW, updated_at=NOW)


@cache
def _wake_some(rule: Rule) -> Update:
    of_rule = select(runs.c.id).where(runs.c.state == RunState.RUNNING.value)
    if rule is not Rule.TIER:
        # A paused run's messages are due when it is resumed; and they must not take the place of other runs'.
        mine = runs.c.campaign_id == bindparam("of_campaign", type_=Integer())
        of_rule = select(runs.c.id).where(
            mine, or_(runs.c.state == RunState.RUNNING.value, runs.c.state == RunState.PAUSED.value)
        )
    waiting = (
        select(jobs.c.id)
        .where(
            # Written out, so that the planner sees that the partial index holds them.
            jobs.c.held_by == literal_column(f"'{rule}'", Text()),
            jobs.c.lane == bindparam("of_lane", type_=Text()),
            jobs.c.run_id.in_(of_rule),
            jobs.c.due_at > NOW,
        )
        .limit(literal_column(str(AT_ONCE)))
        .with_for_update(skip_locked=True)
    )
    return update(jobs).where(jobs.c.id.in_(waiting)).values(due_at=NOW, updated_at=NOW)

"""Money set aside for messages and settled later: a budget is what is reserved and what is spent, never more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.money.costs import Money
from storage.database.bulk import among
from storage.database.engine import is_sqlite, lock_names
from storage.tables import budgets, reservations

LARGEST_PORTION = 500
"""Ids to a statement."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a message may cost at most, and the budgets it is paid from."""

    job_id: int
    keys: tuple[str, ...]
    money: Money


def budget_lock(campaign_id: int) -> str:
    """The name under which all budgets of a campaign are locked."""
    return f"budget:{campaign_id}"


async def used_of(connection: AsyncConnection, keys: Collection[str]) -> dict[str, int]:
    """What is reserved and spent of each budget, in micro-units; one of which nothing was ever used is left out. Who
    decides by it holds their locks."""
    if not keys:
        return {}
    used = select(budgets.c.key, budgets.c.reserved_micros + budgets.c.spent_micros)
    return dict((await connection.execute(used.where(budgets.c.key.in_(keys)))).all())


async def reserve(connection: AsyncConnection, new: Sequence[Reservation]) -> None:
    """Set money aside; the caller has seen that there is enough, in this same transaction."""
    if not new:
        return
    await _open(connection, {key: one.money.currency for one in new for key in one.keys})
    await connection.execute(
        insert(reservations),
        [
            {
                "job_id": one.job_id,
                "paid_from": orjson.dumps(one.keys).decode(),
                "micros": one.money.micros,
                "currency": one.money.currency,
            }
            for one in new
        ],
    )
    await _change(connection, ((key, one.money.micros, 0) for one in new for key in one.keys))


async def _open(connection: AsyncConnection, currencies: Mapping[str, str]) -> None:
    """A row for each budget that is new, with its currency."""
    upsert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    new = [
        {"key": key, "currency": currency, "reserved_micros": 0, "spent_micros": 0}
        for key, currency in sorted(currencies.items())
    ]
    await connection.execute(upsert(budgets).on_conflict_do_nothing(), new)


async def settle(
    connection: AsyncConnection, costs: Mapping[int, Money | None], *, may_arrive: bool = False
) -> None:
    """Turn the jobs' reservations into what they cost; None: nothing was sent, and nothing is owed. `may_arrive`: what
    that frees is remembered, to be taken again.

    A cost in another currency than the budget's, unless it is 0, is settled at what was reserved for it. A caller
    that holds other locks has taken those of the budgets together with them.
    """
    if not await lock_budgets(connection, costs):
        return
    for job_ids in _portions(sorted(costs)):
        held = (reservations.c.job_id.in_(job_ids), ~reservations.c.void)
        taken = (await connection.execute(delete(reservations).where(*held).returning(*reservations.c))).all()
        if may_arrive and (voided := [row for row in taken if costs[row.job_id] is None]):
            await connection.execute(insert(reservations), [{**row._mapping, "void": True} for row in voided])
        await _change(
            connection,
            (
                (key, -row.micros, _owed(costs[row.job_id], row.micros, row.currency))
                for row in taken
                for key in orjson.loads(row.paid_from)
            ),
        )


async def reserve_again(connection: AsyncConnection, job_ids: Sequence[int]) -> None:
    """Set aside again what was freed when these messages failed: they have arrived after all. It may be more than a
    budget has left, and is owed none the less."""
    if not await lock_budgets(connection, job_ids):
        return
    freed = (among(connection, reservations.c.job_id, job_ids), reservations.c.void)
    back = await connection.execute(
        update(reservations).where(*freed).values(void=False).returning(*reservations.c)
    )
    await _change(connection, ((key, row.micros, 0) for row in back for key in orjson.loads(row.paid_from)))


async def lock_budgets(connection: AsyncConnection, job_ids: Collection[int]) -> bool:
    """Lock the budgets that these jobs are paid from; False where there are none. Who takes several steps locks all
    of theirs before the first: else two may wait for each other."""
    keys: set[str] = set()
    for some in _portions(sorted(job_ids)):
        texts = select(reservations.c.paid_from).where(reservations.c.job_id.in_(some)).distinct()
        keys |= {key for text in await connection.scalars(texts) for key in orjson.loads(text)}
    await lock_names(connection, [budget_lock(int(key.partition(":")[0])) for key in keys])
    return bool(keys)


def _owed(cost: Money | None, reserved: int, currency: str) -> int:
    if cost is None or not cost.amount:
        return 0
    return cost.micros if cost.currency == currency else reserved


async def _change(connection: AsyncConnection, changes: Iterable[tuple[str, int, int]]) -> None:
    """Add to what is reserved and spent of each budget, in the one order of their keys."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for key, reserved, spent in changes:
        sums[key][0] += reserved
        sums[key][1] += spent
    if sums:
        await connection.execute(
            update(budgets)
            .where(budgets.c.key == bindparam("of_key"))
            .values(
                reserved_micros=budgets.c.reserved_micros + bindparam("more_reserved"),
                spent_micros=budgets.c.spent_micros + bindparam("more_spent"),
            ),
            [
                {"of_key": key, "more_reserved": reserved, "more_spent": spent}
                for key, (reserved, spent) in sorted(sums.items())
            ],
        )


def _portions(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[at : at + LARGEST_PORTION] for at in range(0, len(ids), LARGEST_PORTION))

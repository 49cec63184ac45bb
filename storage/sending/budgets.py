"""Money reserved for messages and settled later: a budget is what is reserved and what is spent, never more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Boolean, Row, Update, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.money.costs import Money
from storage.database.bulk import among, as_rows, by_dialect, given_rows
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.money import budgets, reservations
from storage.tables.money import learnt_prices as learnt
from storage.tables.runs import jobs, runs
from storage.tables.types import Id

LARGEST_PORTION: Final = 500
"""Ids to a statement."""
LearntPrices = dict[tuple[int, str, int], int]
"""(campaign, currency, micro-units expected) -> micro-units that such a message has cost at most."""


@frozen
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
    """Reserve money; the caller has checked that there is enough, in this same transaction."""
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
    new = [
        {"key": key, "currency": currency, "reserved_micros": 0, "spent_micros": 0}
        for key, currency in sorted(currencies.items())
    ]
    await connection.execute(upsert_into(is_sqlite(connection), budgets).on_conflict_do_nothing(), new)


async def settle(
    connection: AsyncConnection, costs: Mapping[int, Money | None], *, may_arrive: bool = False
) -> set[int]:
    """Turn the jobs' reservations into what they cost; None: nothing was sent, and nothing is owed. The campaigns whose
    budgets have more left than before. The caller holds the locks of all these budgets.

    `may_arrive`: None is a message that the provider took and that failed; it costs what the provider has named, or
    nothing, and its reservation is remembered, to be taken again. A cost in another currency than the budget's, unless
    it is 0, is settled at what was reserved for it. A later cost replaces an earlier one.
    """
    sums = _Sums()
    for job_ids in _portions(sorted(costs)):
        changed, settled, dearer = [], [], {}
        theirs = among(connection, reservations.c.job_id, job_ids)
        for row in await connection.execute(select(*reservations.c).where(theirs)):
            cost = costs[row.job_id]
            spent = row.spent_micros if cost is None else _owed(cost, row.micros, row.currency)
            if cost is None and not may_arrive:
                settled.append(row.job_id)
                sums.add(row, _charge(row), (0, 0))
                continue
            void = row.void or cost is None
            if (void, spent) == (row.void, row.spent_micros):
                continue
            changed.append((row.job_id, void, spent))
            sums.add(row, _charge(row), _charge_of(row.micros, void, spent))
            if spent is not None and spent > row.micros:
                dearer[row.job_id] = spent
        if changed:
            await connection.execute(_settle(connection), {"rows": as_rows(changed)})
        if settled:
            await connection.execute(
                delete(reservations).where(among(connection, reservations.c.job_id, settled))
            )
        await _learn(connection, dearer)
    await _change(connection, sums.changes)
    return sums.freed


async def reserve_again(connection: AsyncConnection, job_ids: Sequence[int]) -> None:
    """Reserve again what was freed when these messages failed: they have arrived after all. It may be more than a
    budget has left, and is owed none the less. The caller holds the budgets' locks."""
    named = among(connection, reservations.c.job_id, job_ids)
    freed = (named, reservations.c.void, reservations.c.spent_micros.is_(None))
    back = await connection.execute(
        update(reservations).where(*freed).values(void=False).returning(*reservations.c)
    )
    await _change(connection, [(key, row.micros, 0) for row in back for key in orjson.loads(row.paid_from)])


async def budget_locks(connection: AsyncConnection, job_ids: Collection[int]) -> set[str]:
    """The names of the locks of the budgets that these jobs are paid from. Who takes several steps locks all of theirs
    before the first: else two may wait for each other."""
    keys: set[str] = set()
    for some in _portions(sorted(job_ids)):
        theirs = among(connection, reservations.c.job_id, some)
        texts = select(reservations.c.paid_from).where(theirs).distinct()
        keys |= {key for text in await connection.scalars(texts) for key in orjson.loads(text)}
    return {budget_lock(campaign_of(key)) for key in keys}


def campaign_of(key: str) -> int:
    """Whose budget it is."""
    return int(key.partition(":")[0])


async def learnt_prices(connection: AsyncConnection, campaign_ids: Collection[int]) -> LearntPrices:
    """What messages of these campaigns have cost at most where that was more than expected."""
    if not campaign_ids:
        return {}
    found = select(*learnt.c).where(learnt.c.campaign_id.in_(campaign_ids))
    return {(row[0], row[1], row[2]): row[3] for row in await connection.execute(found)}


async def _learn(connection: AsyncConnection, dearer: Mapping[int, int]) -> None:
    """These jobs cost more than was reserved: from now on as much is reserved for those that should cost the same."""
    if not dearer:
        return
    priced = (
        select(jobs.c.id, runs.c.campaign_id, jobs.c.price_currency, jobs.c.price_micros)
        .join(runs, runs.c.id == jobs.c.run_id)
        .where(among(connection, jobs.c.id, dearer), jobs.c.price_micros.is_not(None))
    )
    most: defaultdict[tuple[int, str, int], int] = defaultdict(int)
    for job_id, *key in await connection.execute(priced):
        most[key[0], key[1], key[2]] = max(most[key[0], key[1], key[2]], dearer[job_id])
    if most:
        insert_one = upsert_into(is_sqlite(connection), learnt)
        cost = insert_one.excluded.cost_micros
        names = [column.name for column in learnt.c]
        await connection.execute(
            insert_one.on_conflict_do_update(
                index_elements=list(learnt.primary_key),
                set_={"cost_micros": cost},
                where=cost > learnt.c.cost_micros,
            ),
            [dict(zip(names, (*key, cost), strict=True)) for key, cost in sorted(most.items())],
        )


@by_dialect
def _settle(sqlite: bool) -> Update:
    given = given_rows(sqlite, job_id=Id, void=Boolean(), spent_micros=BigInteger())
    return (
        update(reservations)
        .where(reservations.c.job_id == given.c.job_id)
        .values(void=given.c.void, spent_micros=given.c.spent_micros)
    )


def _charge(row: Row[Any]) -> tuple[int, int]:
    return _charge_of(row.micros, row.void, row.spent_micros)


def _charge_of(micros: int, void: bool, spent: int | None) -> tuple[int, int]:
    """How much of its budgets a message has reserved, and how much it has spent."""
    if spent is not None:
        return 0, spent
    return (0 if void else micros), 0


class _Sums:
    """What settling several messages changes in their budgets."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, int, int]] = []
        self._used: defaultdict[str, int] = defaultdict(int)

    def add(self, row: Row[Any], before: tuple[int, int], after: tuple[int, int]) -> None:
        reserved, spent = after[0] - before[0], after[1] - before[1]
        for key in orjson.loads(row.paid_from):
            self.changes.append((key, reserved, spent))
            self._used[key] += reserved + spent

    @property
    def freed(self) -> set[int]:
        """The campaigns of the budgets of which less is used than before."""
        return {campaign_of(key) for key, used in self._used.items() if used < 0}


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

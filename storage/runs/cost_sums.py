"""What the messages cost, as the database's triggers add it up: never read from the messages when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, Select, delete, func, insert, literal, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.money.costs import from_micros
from campaigns.states import RANK, JobState
from storage.database.engine import is_sqlite
from storage.tables.audience import recipients
from storage.tables.counts import cost_sums
from storage.tables.runs import jobs

_TEXTS: Final = ("region", "category", "form", "currency", "price_currency")
KEY: Final = ("run_id", *_TEXTS, "card_id", "failed", "settled", "priced")
SUMS: Final = ("jobs", "cost_micros", "price_micros")
TAKEN: Final = [state.value for state in RANK]
"""States of messages that a provider took."""


def summed_costs(run_ids: Sequence[int] | Select[tuple[int]]) -> Select[Any]:
    """The sums of these runs: a row for the messages that are alike in `KEY`; where all of them are one with null for
    what is not known."""
    one = cost_sums.c
    total = {name: func.sum(one[name]) for name in SUMS}
    return (
        select(
            one.run_id,
            *(func.nullif(one[name], "").label(name) for name in _TEXTS),
            func.nullif(one.card_id, 0).label("card_id"),
            *(one[name] for name in ("failed", "settled", "priced")),
            *(total[name].label(name) for name in SUMS),
        )
        .where(one.run_id.in_(run_ids))
        .group_by(*(one[name] for name in KEY))
        .having(total["jobs"] != 0)
    )


@frozen
class Sums:
    """Of messages that are alike."""

    messages: int
    charged: Decimal
    expected: Decimal


@frozen
class CostDifference:
    """Messages that are alike, whose kept sums are not theirs."""

    run_id: int
    country: str | None
    category: str | None
    form: str | None
    currency: str | None
    """Of what was charged."""
    price_currency: str | None
    """Of what was expected."""
    kept: Sums
    counted: Sums


async def cost_differences(connection: AsyncConnection) -> list[CostDifference]:
    """Where the sums over all messages differ from the kept ones. Reads all of them: seconds for each million."""
    nothing = literal(0, BigInteger)
    kept = select(
        *(cost_sums.c[name] for name in KEY),
        *(cost_sums.c[name].label(f"kept_{name}") for name in SUMS),
        *(nothing.label(f"counted_{name}") for name in SUMS),
    )
    again = _recounted().subquery()
    counted = select(
        *(again.c[name] for name in KEY), *[nothing] * len(SUMS), *(again.c[name] for name in SUMS)
    )
    both = union_all(kept, counted).subquery()
    groups = [both.c[name] for name in KEY]
    sums = [func.sum(both.c[f"{which}_{name}"]) for which in ("kept", "counted") for name in SUMS]
    wrong = [one != other for one, other in zip(sums[: len(SUMS)], sums[len(SUMS) :], strict=True)]
    found = select(*groups, *sums).group_by(*groups).having(wrong[0] | wrong[1] | wrong[2]).order_by(*groups)
    return [_difference(tuple(row)) for row in await connection.execute(found)]


def _difference(row: tuple[Any, ...]) -> CostDifference:
    run_id, region, category, form, currency, price_currency = row[: 1 + len(_TEXTS)]
    kept, counted = row[len(KEY) : len(KEY) + len(SUMS)], row[len(KEY) + len(SUMS) :]
    return CostDifference(
        run_id,
        region or None,
        category or None,
        form or None,
        currency or None,
        price_currency or None,
        _sums(*kept),
        _sums(*counted),
    )


def _sums(messages: int, cost_micros: int, price_micros: int) -> Sums:
    return Sums(int(messages), from_micros(int(cost_micros)), from_micros(int(price_micros)))


def _recounted() -> Select[Any]:
    """All messages that a provider took, added up anew by the key of the sums."""
    values = {
        "run_id": jobs.c.run_id,
        "region": func.coalesce(recipients.c.region, ""),
        **{name: func.coalesce(jobs.c[name], "") for name in _TEXTS[1:]},
        "card_id": func.coalesce(jobs.c.card_id, 0),
        "failed": jobs.c.state == JobState.FAILED.value,
        "settled": jobs.c.cost_micros.is_not(None),
        "priced": jobs.c.price_micros.is_not(None),
    }
    each = (
        select(
            *(values[name].label(name) for name in KEY),
            literal(1).label("jobs"),
            *(func.coalesce(jobs.c[name], 0).label(name) for name in SUMS[1:]),
        )
        .join(recipients, recipients.c.id == jobs.c.recipient_id)
        .where(jobs.c.provider_message_id.is_not(None), jobs.c.state.in_(TAKEN))
        .subquery()
    )
    groups = [each.c[name] for name in KEY]
    return select(*groups, *(func.sum(each.c[name]).label(name) for name in SUMS)).group_by(*groups)


async def recount_costs(connection: AsyncConnection) -> None:
    """Replace the kept sums by those over all messages; whoever changes messages waits until this transaction ends."""
    if not is_sqlite(connection):
        await connection.execute(text("LOCK TABLE cost_sums IN SHARE ROW EXCLUSIVE MODE"))
    await connection.execute(delete(cost_sums))
    await connection.execute(insert(cost_sums).from_select([*KEY, *SUMS], _recounted()))

"""What the messages of a report cost, by country, category and form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from sqlalchemy import (
    CTE,
    BigInteger,
    RowMapping,
    Select,
    Subquery,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.money.costs import NO_CURRENCY, Money, from_micros
from storage.database.bulk import among
from storage.retention.purged_totals import purged_ledger
from storage.runs.cost_sums import summed_costs
from storage.tables.audience import campaigns
from storage.tables.runs import runs
from storage.views.report_scope import few_of


@frozen
class CostLine:
    """What the messages of one group cost, in one currency (None: no price is known of them)."""

    group: str | None
    currency: str | None
    messages: int
    estimated: Decimal | None
    """What they were expected to cost when they were sent; None: no price was known of any."""
    actual: Decimal
    """What the provider has charged."""
    unsettled: Decimal
    """The estimate of those whose charge the provider has not named yet."""
    unpriced: int
    """Messages with neither."""


class Costs:
    """What a campaign's messages cost, read once."""

    def __init__(self, rows: Sequence[RowMapping]) -> None:
        self._rows = rows

    def by(self, group: Literal["country", "category", "form"]) -> list[CostLine]:
        """Per country of the number (None: it has none), category or form (None: purged), and currency; the dearest
        first."""
        found: dict[tuple[str | None, str | None], CostLine] = {}
        for row in self._rows:
            key = row[group], row["currency"]
            line = _cost_line(*key, row)
            found[key] = _added(found[key], line) if key in found else line
        return sorted(
            found.values(),
            key=lambda line: (-line.actual - line.unsettled, line.group or "", line.currency or ""),
        )

    @property
    def card_ids(self) -> list[int]:
        """The rate cards that priced them."""
        return sorted({row["card_id"] for row in self._rows if row["card_id"] is not None})


async def read_costs(
    connection: AsyncConnection, campaign_id: int, run_ids: Sequence[int] | None = None
) -> Costs:
    """Of these scheduled runs and their retries, or of all; tests cost money too and are counted with all."""
    wanted = _runs(campaign_id, run_ids)
    few = await few_of(connection, wanted)
    charge = _charges(_ledger(wanted if few is None else few)).c
    groups = [charge[name] for name in (*_GROUPS, "currency")]
    sums = [func.sum(charge[name]).label(name) for name in _SUMS]
    found = await connection.execute(select(*groups, *sums).group_by(*groups))
    return Costs(found.mappings().all())


@frozen
class CostSoFar:
    """What a campaign's messages have cost, or will where their charge is not known yet."""

    amounts: Sequence[Money]
    """One per currency."""
    unpriced: int
    """Messages of which neither a price nor a charge is known."""


NOTHING: Final = CostSoFar((), 0)


async def costs_so_far(connection: AsyncConnection, campaign_ids: Sequence[int]) -> dict[int, CostSoFar]:
    """Of each of these campaigns of which anything was sent; tests cost money too."""
    charge = _charges(_ledger(select(runs.c.id).where(among(connection, runs.c.campaign_id, campaign_ids)))).c
    groups = (charge.campaign_id, charge.currency)
    sums = (func.sum(charge.actual + charge.unsettled), func.sum(charge.unpriced))
    found: dict[int, CostSoFar] = {}
    rows = await connection.execute(select(*groups, *sums).group_by(*groups).order_by(*groups))
    for campaign_id, currency, micros, unpriced in rows:
        before = found.get(campaign_id, NOTHING)
        amounts = [] if currency is None else [Money(from_micros(int(micros)), currency)]
        found[campaign_id] = CostSoFar([*before.amounts, *amounts], before.unpriced + int(unpriced))
    return found


@frozen
class Spent:
    """What those messages of a run cost that are of one country or category and one currency (None: no price is known
    of them)."""

    campaign: str
    launched_at: datetime
    group: str | None
    currency: str | None
    actual: Decimal
    unsettled: Decimal
    unpriced: int


async def spent_since(
    connection: AsyncConnection, since: datetime, group: Literal["country", "category"]
) -> list[Spent]:
    """Of each run that was launched since then, by country or category; tests cost money too."""
    charge = _charges(_ledger(select(runs.c.id).where(runs.c.launched_at >= since)))
    groups = (campaigns.c.name, runs.c.launched_at, charge.c[group], charge.c.currency)
    sums = [func.sum(charge.c[name]) for name in ("actual", "unsettled", "unpriced")]
    of_runs = charge.join(runs, runs.c.id == charge.c.run_id).join(
        campaigns, campaigns.c.id == runs.c.campaign_id
    )
    found = select(*groups, *sums).select_from(of_runs).group_by(runs.c.id, *groups)
    return [
        Spent(name, at, key, currency, from_micros(int(actual)), from_micros(int(unsettled)), int(unpriced))
        for name, at, key, currency, actual, unsettled, unpriced in await connection.execute(found)
    ]


_GROUPS: Final = ("country", "category", "form", "card_id")
_SUMS: Final = ("messages", "estimated", "actual", "unsettled", "unpriced")


def _runs(campaign_id: int, run_ids: Sequence[int] | None) -> Select[tuple[int]]:
    mine = select(runs.c.id).where(runs.c.campaign_id == campaign_id)
    return mine if run_ids is None else mine.where(or_(runs.c.id.in_(run_ids), runs.c.parent_id.in_(run_ids)))


def _ledger(wanted: Select[tuple[int]] | Sequence[int]) -> CTE:
    """The messages of these runs that the provider took, tests too: a row for those that are alike, and one for those
    purged alike. What is null in each of them is null in their sum."""
    both = union_all(_kept(wanted), purged_ledger(wanted)).subquery().c
    columns = [both[name] for name in ("region", "form", "card_id", "failed", "jobs", *_MONEY)]
    # Of messages that are purged, or older than the column, it is not known what they were sent as.
    category = func.coalesce(both.category, campaigns.c.category).label("category")
    of_campaigns = runs.join(campaigns, campaigns.c.id == runs.c.campaign_id)
    return (
        select(both.run_id, runs.c.campaign_id, category, *columns)
        .join(of_campaigns, runs.c.id == both.run_id)
        .cte("ledger")
    )


_MONEY: Final = ("cost_micros", "currency", "price_micros", "price_currency")


def _kept(wanted: Select[tuple[int]] | Sequence[int]) -> Select[Any]:
    one = summed_costs(wanted).subquery().c
    return select(
        *(one[name] for name in ("run_id", "category", "region", "form", "card_id", "failed", "jobs")),
        case((one.settled, one.cost_micros)).label("cost_micros"),
        one.currency,
        case((one.priced, one.price_micros)).label("price_micros"),
        one.price_currency,
    )


def _charges(ledger: CTE) -> Subquery:
    """What each row of the ledger adds to its currency; a second row where its price is in another one."""
    row = ledger.c
    settled = row.cost_micros.is_not(None)
    charged_in = case(
        (settled & (row.currency != NO_CURRENCY), row.currency),
        (settled, func.coalesce(row.price_currency, row.currency)),
        else_=row.price_currency,
    )
    # A message that failed without a named charge owes nothing.
    owing = ~settled & ~row.failed
    nothing = literal(0, BigInteger)
    groups = (row.run_id, row.campaign_id, row.region.label("country"), row.category, row.form, row.card_id)
    charged = select(
        *groups,
        charged_in.label("currency"),
        row.jobs.label("messages"),
        case((row.price_currency == charged_in, row.price_micros)).label("estimated"),
        func.coalesce(row.cost_micros, nothing).label("actual"),
        case((owing, func.coalesce(row.price_micros, nothing)), else_=nothing).label("unsettled"),
        case((owing & row.price_micros.is_(None), row.jobs), else_=nothing).label("unpriced"),
    )
    priced_elsewhere = select(
        *groups, row.price_currency, nothing, row.price_micros, nothing, nothing, nothing
    ).where(row.price_currency != charged_in)
    return union_all(charged, priced_elsewhere).subquery("charges")


def _cost_line(group: str | None, currency: str | None, row: RowMapping) -> CostLine:
    estimated = row["estimated"]
    return CostLine(
        group,
        currency,
        int(row["messages"]),
        None if estimated is None else from_micros(int(estimated)),
        from_micros(int(row["actual"])),
        from_micros(int(row["unsettled"])),
        int(row["unpriced"]),
    )


def _added(one: CostLine, other: CostLine) -> CostLine:
    known = [amount for amount in (one.estimated, other.estimated) if amount is not None]
    return replace(
        one,
        messages=one.messages + other.messages,
        estimated=sum(known, Decimal(0)) if known else None,
        actual=one.actual + other.actual,
        unsettled=one.unsettled + other.unsettled,
        unpriced=one.unpriced + other.unpriced,
    )

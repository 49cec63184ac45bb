"""What the messages of a report cost, by country, category and form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
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

from campaigns.message.template_category import AUTO
from campaigns.money.costs import NO_CURRENCY, from_micros
from campaigns.states import RANK, JobState
from storage.retention.purged_totals import purged_ledger
from storage.tables import campaigns, jobs, recipients, runs, touches
from storage.views.report_scope import few_of


@dataclass(frozen=True, slots=True)
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
    charge = _charges(_ledger(campaign_id, wanted if few is None else few)).c
    groups = [charge[name] for name in (*_GROUPS, "currency")]
    sums = [func.sum(charge[name]).label(name) for name in _SUMS]
    found = await connection.execute(select(*groups, *sums).group_by(*groups))
    return Costs(found.mappings().all())


_GROUPS: Final = ("country", "category", "form", "card_id")
_SUMS: Final = ("messages", "estimated", "actual", "unsettled", "unpriced")


def _runs(campaign_id: int, run_ids: Sequence[int] | None) -> Select[tuple[int]]:
    mine = select(runs.c.id).where(runs.c.campaign_id == campaign_id)
    return mine if run_ids is None else mine.where(or_(runs.c.id.in_(run_ids), runs.c.parent_id.in_(run_ids)))


def _ledger(campaign_id: int, wanted: Select[tuple[int]] | Sequence[int]) -> CTE:
    """The messages that the provider took, tests too: a row for those that are alike, and one for those purged alike.
    What is null in each of them is null in their sum."""
    person = recipients.c.id == jobs.c.recipient_id
    message = (
        select(
            _category(campaign_id).label("category"),
            recipients.c.region,
            *(jobs.c[name] for name in ("form", "card_id", "state")),
            *(jobs.c[name] for name in ("cost_micros", "currency", "price_micros", "price_currency")),
        )
        .select_from(jobs.join(recipients, person))
        .where(jobs.c.run_id.in_(wanted), jobs.c.provider_message_id.is_not(None))
        .subquery()
        .c
    )
    alike = [message[name] for name in ("category", "region", "form", "card_id", "state")]
    known = [message[name].is_(None) for name in ("cost_micros", "price_micros")]
    live = select(
        *alike,
        func.count().label("jobs"),
        func.sum(message.cost_micros).label("cost_micros"),
        message.currency,
        func.sum(message.price_micros).label("price_micros"),
        message.price_currency,
    ).group_by(*alike, message.currency, message.price_currency, *known)
    taken = [state.value for state in RANK]
    both = union_all(live, purged_ledger(wanted)).subquery()
    return select(both).where(both.c.state.in_(taken)).cte("ledger")


def _category(campaign_id: int) -> ColumnElement[str]:
    """The campaign's; where it takes it from its template, the category that the message was sent as."""
    named = select(campaigns.c.category).where(campaigns.c.id == campaign_id).scalar_subquery()
    as_sent = select(touches.c.category).where(touches.c.job_id == jobs.c.id).scalar_subquery()
    return case((named == AUTO, func.coalesce(as_sent, AUTO)), else_=named)


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
    owing = ~settled & (row.state != JobState.FAILED)
    nothing = literal(0, BigInteger)
    groups = (row.region.label("country"), row.category, row.form, row.card_id)
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

"""What the messages of a report cost, by country and by category."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
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


async def cost_by_country(
    connection: AsyncConnection, campaign_id: int, run_id: int | None = None
) -> list[CostLine]:
    """Per country of the number (None: it has none) and currency, the dearest first; of one run and its retries, or of
    all runs."""
    return await _costs(connection, _ledger(campaign_id, run_id), "region")


async def cost_by_category(
    connection: AsyncConnection, campaign_id: int, run_id: int | None = None
) -> list[CostLine]:
    """Per category and currency."""
    return await _costs(connection, _ledger(campaign_id, run_id), "category")


def _runs(campaign_id: int, run_id: int | None) -> Select[tuple[int]]:
    mine = select(runs.c.id).where(runs.c.campaign_id == campaign_id)
    return mine if run_id is None else mine.where(or_(runs.c.id == run_id, runs.c.parent_id == run_id))


def _ledger(campaign_id: int, run_id: int | None) -> Subquery:
    """The messages that the provider took, tests too: a row for each, and one for those purged alike."""
    person = recipients.c.id == jobs.c.recipient_id
    wanted = _runs(campaign_id, run_id)
    live = (
        select(
            _category().label("category"),
            recipients.c.region,
            jobs.c.state,
            literal(1, BigInteger).label("jobs"),
            *(jobs.c[name] for name in ("cost_micros", "currency", "price_micros", "price_currency")),
        )
        .select_from(jobs.join(recipients, person).join(runs).join(campaigns))
        .where(runs.c.id.in_(wanted), jobs.c.provider_message_id.is_not(None))
    )
    taken = [state.value for state in RANK]
    both = union_all(live, purged_ledger(wanted)).subquery()
    return select(both).where(both.c.state.in_(taken)).subquery("ledger")


def _category() -> ColumnElement[str]:
    """The campaign's; where it takes it from its template, the category that the message was sent as."""
    as_sent = select(touches.c.category).where(touches.c.job_id == jobs.c.id).scalar_subquery()
    return case((campaigns.c.category == AUTO, func.coalesce(as_sent, AUTO)), else_=campaigns.c.category)


async def _costs(connection: AsyncConnection, ledger: Subquery, group: str) -> list[CostLine]:
    """Tests cost money too and are counted."""
    charge = _charges(ledger, group).c
    sums = (charge.messages, charge.estimated, charge.actual, charge.unsettled, charge.unpriced)
    found = await connection.execute(
        select(charge.group, charge.currency, *map(func.sum, sums)).group_by(charge.group, charge.currency)
    )
    lines = [_cost_line(*row) for row in found]
    return sorted(
        lines, key=lambda line: (-line.actual - line.unsettled, line.group or "", line.currency or "")
    )


def _charges(ledger: Subquery, group: str) -> Subquery:
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
    charged = select(
        row[group].label("group"),
        charged_in.label("currency"),
        row.jobs.label("messages"),
        case((row.price_currency == charged_in, row.price_micros)).label("estimated"),
        func.coalesce(row.cost_micros, nothing).label("actual"),
        case((owing, func.coalesce(row.price_micros, nothing)), else_=nothing).label("unsettled"),
        case((owing & row.price_micros.is_(None), row.jobs), else_=nothing).label("unpriced"),
    )
    priced_elsewhere = select(
        row[group], row.price_currency, nothing, row.price_micros, nothing, nothing, nothing
    ).where(row.price_currency != charged_in)
    return union_all(charged, priced_elsewhere).subquery("charges")


def _cost_line(
    group: str | None,
    currency: str | None,
    messages: int,
    estimated: int | None,
    actual: int,
    unsettled: int,
    unpriced: int,
) -> CostLine:
    return CostLine(
        group,
        currency,
        int(messages),
        None if estimated is None else from_micros(int(estimated)),
        from_micros(int(actual)),
        from_micros(int(unsettled)),
        int(unpriced),
    )

"""What was spent this month and last: in all, by campaign, category, country and day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Final

from campaigns.frozen import frozen
from campaigns.money.costs import known_currency
from storage.database.engine import Connection
from storage.views.costs import Spent, spent_since

MOST: Final = 50
"""Lines of a table that are shown, the dearest."""


@frozen
class Spending:
    """What the messages of one group cost, in one currency; a message is of the month in which its run started."""

    group: str
    """A campaign, a category, a country or a day; empty: not known, or all."""
    currency: str | None
    """None: the provider names none."""
    this_month: Decimal
    """What was charged, and the expected price of what is not settled yet."""
    last_month: Decimal
    unsettled: Decimal
    """Of both months: what is expected for messages whose charge the provider has not named yet."""


@frozen
class Unpriced:
    """A campaign's messages of which neither a price nor a charge is known."""

    campaign: str
    this_month: int
    last_month: int


@frozen
class MonthlySpending:
    month: date
    """The first day of this month."""
    before: date
    """The first day of the last one."""
    totals: Sequence[Spending]
    """One for each currency."""
    campaigns: Sequence[Spending]
    """MOST of them at most."""
    more_campaigns: int
    categories: Sequence[Spending]
    countries: Sequence[Spending]
    days: Sequence[Spending]
    """Those on which a run started that cost something, the newest first."""
    unpriced: Sequence[Unpriced]


async def monthly_spending(connection: Connection, now: datetime, zone: tzinfo) -> MonthlySpending:
    """Months and days are those of the zone."""
    month = now.astimezone(zone).date().replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    since = datetime.combine(before, time(), zone).astimezone(UTC)
    spent = await spent_since(connection, since, "category")
    by_country = await spent_since(connection, since, "country")

    def is_new(one: Spent) -> bool:
        return one.launched_at.astimezone(zone).date() >= month

    def grouped(lines: Iterable[Spent], group: Callable[[Spent], str | None]) -> list[Spending]:
        return sorted(_added_up(lines, group, is_new), key=_dearest_first)

    campaigns = grouped(spent, lambda one: one.campaign)
    days = _added_up(spent, lambda one: one.launched_at.astimezone(zone).date().isoformat(), is_new)
    return MonthlySpending(
        month,
        before,
        grouped(spent, lambda one: None),
        campaigns[:MOST],
        len(campaigns[MOST:]),
        grouped(spent, lambda one: one.group),
        grouped(by_country, lambda one: one.group)[:MOST],
        sorted(days, key=lambda one: (one.group, one.currency or ""), reverse=True),
        _unpriced(spent, is_new)[:MOST],
    )


def _added_up(
    lines: Iterable[Spent], group_of: Callable[[Spent], str | None], is_new: Callable[[Spent], bool]
) -> list[Spending]:
    """One line for each group and currency in which something was spent."""
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for one in lines:
        if one.currency is not None:
            of_group = sums[group_of(one) or "", one.currency]
            of_group[0 if is_new(one) else 1] += one.actual + one.unsettled
            of_group[2] += one.unsettled
    return [
        Spending(group, known_currency(currency), *amounts)
        for (group, currency), amounts in sums.items()
        if any(amounts)
    ]


def _dearest_first(one: Spending) -> tuple[str, Decimal, Decimal, str]:
    """Of each currency; amounts of two cannot be compared."""
    return one.currency or "", -one.this_month, -one.last_month, one.group


def _unpriced(lines: Iterable[Spent], is_new: Callable[[Spent], bool]) -> list[Unpriced]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in lines:
        counts[one.campaign][0 if is_new(one) else 1] += one.unpriced
    found = [Unpriced(name, *numbers) for name, numbers in counts.items() if any(numbers)]
    return sorted(found, key=lambda one: (-one.this_month, -one.last_month, one.campaign))

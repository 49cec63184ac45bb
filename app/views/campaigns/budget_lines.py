"""What campaigns may cost, and what of it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from campaigns.frozen import frozen
from campaigns.time.zones import find_zone
from storage.database.engine import Connection
from storage.views.budgets import BudgetUse, budget_limits, newest_use

_LIMITS: Final = {"run": "max", "day": "per_day", "month": "per_month"}


@frozen
class BudgetLine:
    """A limit of a campaign, and what is used of it in the newest run, or this day or month of the campaign's clock."""

    campaign: str
    per: str
    """run, day or month."""
    used: Decimal
    """Spent, or reserved for messages whose cost is not known yet."""
    limit: Decimal
    currency: str
    drawn: bool
    """Whether any message has drawn on it."""

    @property
    def share(self) -> Decimal:
        """Of the limit, at most 1."""
        return min(self.used / self.limit, Decimal(1)) if self.limit else Decimal(1)


async def budget_lines(
    connection: Connection, names: Mapping[int, str], now: datetime
) -> dict[int, list[BudgetLine]]:
    """The limits of these campaigns, those without any left out; `names`: by their ids."""
    limits = await budget_limits(connection, list(names))
    uses = await newest_use(connection, list(limits), 1)
    found = {}
    for one, (budget, zone) in limits.items():
        today = now.astimezone(find_zone(zone)).date().isoformat()
        found[one] = list(_lines(names[one], budget, uses.get(one, ()), today))
    return found


def _lines(
    name: str, budget: Mapping[str, Any], uses: Sequence[BudgetUse], today: str
) -> Iterator[BudgetLine]:
    current = {"day": f"day {today}", "month": f"month {today[:7]}"}
    by_kind = {use.kind: use for use in uses if use.budget == current.get(use.kind, use.budget)}
    for per, setting in _LIMITS.items():
        if budget.get(setting) is not None:
            use = by_kind.get(per)
            used = use.spent + use.reserved if use else Decimal(0)
            yield BudgetLine(
                name, per, used, Decimal(str(budget[setting])), budget["currency"], use is not None
            )

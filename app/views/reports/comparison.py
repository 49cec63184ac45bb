"""Several campaigns beside each other: how far each got, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from app.views.reports import reports
from app.views.reports.cost_report import FORMULAS as COST_FORMULAS
from app.views.reports.cost_report import make_cost_report
from app.views.reports.funnel import STEPS, Funnel, read_funnel
from app.views.reports.parts import Report, Table, find_asked
from campaigns.errors import UsageError
from campaigns.figures import Share
from campaigns.frozen import frozen
from campaigns.states import CampaignState
from campaigns.time.period import ALWAYS, Period
from storage.database.engine import Connection
from storage.views.costs import read_costs
from storage.views.reports import Delivery, delivery

FORMULAS: Final = {
    **STEPS,
    "delivery_rate": reports.FORMULAS["delivery_rate"],
    "read_rate": reports.FORMULAS["read_rate"],
    "reply_rate": "replied / delivered",
    "actual": "the sum of what the provider has charged",
    "unpriced": COST_FORMULAS["unpriced"],
    "per_delivered": "(actual + unsettled) / delivered; nothing where a message has no price",
}


@frozen
class Line:
    """One campaign."""

    name: str
    state: CampaignState
    begun: datetime | None
    delivery: Delivery
    funnel: Funnel
    costs: Sequence[dict[str, Any]]
    """A total per currency."""

    @property
    def json(self) -> dict[str, Any]:
        return {
            "campaign": self.name,
            "state": self.state,
            "begun_at": self.begun,
            **{step.name: step.count for step in self.funnel.steps},
            "delivery_rate": Share.from_rate(self.delivery.delivery_rate),
            "read_rate": Share.from_rate(self.delivery.read_rate),
            "reply_rate": Share.of(self.funnel["replied"], self.funnel["delivered"]),
            "costs": [
                {
                    "currency": cost["currency"],
                    "actual": cost["actual"],
                    "unsettled": cost["unsettled"],
                    "unpriced": cost["unpriced"],
                    "per_delivered": self._each(cost),
                }
                for cost in self.costs
            ],
        }

    def _each(self, cost: dict[str, Any]) -> Decimal | None:
        delivered = self.funnel["delivered"]
        if not delivered or cost["unpriced"]:
            return None
        whole: Decimal = cost["actual"] + cost["unsettled"]
        return (whole / delivered).quantize(Decimal("0.000001"))


async def compare_campaigns(connection: Connection, names: Sequence[str], period: Period = ALWAYS) -> Report:
    """Each campaign, or its runs of a range of dates, in the order asked for. Raises NotFound, UsageError."""
    if len(set(names)) < 2:
        raise UsageError("To compare, name two campaigns or more.", hint="drumbeat campaign list")
    lines = [await _line(connection, name, period) for name in dict.fromkeys(names)]
    shown = [line.json for line in lines]
    measures = [key for key in shown[0] if key not in ("campaign", "costs")]
    rows = [(key.replace("_", " "), *(line[key] for line in shown), FORMULAS.get(key)) for key in measures]
    rows += [
        (f"{key.replace('_', ' ')} {currency or '(currency unknown)'}", *amounts, FORMULAS.get(key))
        for currency in dict.fromkeys(cost["currency"] for line in shown for cost in line["costs"])
        for key in ("actual", "unsettled", "unpriced", "per_delivered")
        for amounts in [[_amount(line["costs"], currency, key) for line in shown]]
    ]
    names_shown = [line.name for line in lines]
    return Report(
        {
            "since": period.since,
            "until": period.until,
            "campaigns": shown,
            "formulas": FORMULAS,
        },
        [Table("Compared", ("", *(f">{name}" for name in names_shown), "how it is counted"), rows)],
        Table(None, ("measure", *names_shown), [row[:-1] for row in rows]),
        (),
        FORMULAS,
    )


def _amount(costs: Sequence[dict[str, Any]], currency: str | None, key: str) -> Decimal | int | None:
    return next((cost[key] for cost in costs if cost["currency"] == currency), None)


async def _line(connection: Connection, name: str, period: Period) -> Line:
    asked = await find_asked(connection, name, period=period)
    cost = make_cost_report(asked, await read_costs(connection, asked.campaign.id, asked.run_ids), None).json
    found = await delivery(connection, asked.campaign, asked.runs)
    funnel = await read_funnel(connection, asked, found)
    begun = found.runs[0].nominal_at if found.runs else None
    return Line(name, asked.campaign.state, begun, found, funnel, cost.get("totals") or [cost])

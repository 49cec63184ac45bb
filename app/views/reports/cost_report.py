"""The cost report: what was expected, what the provider charged, what is open, by country, category and form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from app.views.reports.parts import Asked, Report, Table, find_asked, purged_remarks
from campaigns.money.costs import known_currency
from campaigns.time.period import ALWAYS, Period
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from storage.retention.purged_totals import purged_since
from storage.views.costs import CostLine, Costs, read_costs

GROUPS: Final[tuple[Literal["country", "category", "form"], ...]] = ("country", "category", "form")
FORMULAS: Final = {
    "messages": "messages that the provider accepted; tests among them where all runs are counted",
    "estimated": "the sum of the prices expected when they were sent",
    "actual": "the sum of what the provider has charged",
    "unsettled": "the sum of the expected prices of those whose charge the provider has not reported (yet)",
    "unpriced": "messages with neither an expected price nor a charge",
}


async def cost_report(
    connection: Connection, name: str, run_id: int | None = None, period: Period = ALWAYS
) -> Report:
    """The expected cost, what the provider charged, and what is not settled yet; of some runs, or of all."""
    asked = await find_asked(connection, name, run_id, period)
    return make_cost_report(
        asked,
        await read_costs(connection, asked.campaign.id, asked.run_ids),
        await purged_since(connection, asked.campaign.id),
    )


def make_cost_report(asked: Asked, costs: Costs, purged_at: datetime | None) -> Report:
    """The report of costs that were read."""
    campaign = asked.campaign
    groups = {group: costs.by(group) for group in GROUPS}
    totals = _totals(groups["country"])
    lines = [(group, line) for group, found in groups.items() for line in found]
    return Report(
        {
            "campaign": campaign.name,
            **asked.json,
            **(totals[0] if len(totals) == 1 else {}),
            **({"totals": totals} if len(totals) != 1 else {}),
            **{f"by_{group}": [_cost_json(group, line) for line in found] for group, found in groups.items()},
            "purged_at": purged_at,
            "formulas": FORMULAS,
        },
        [
            _cost_total_table(campaign, totals),
            *(_cost_table(group, found) for group, found in groups.items()),
        ],
        Table(
            None,
            ("group", "name", "currency", *_AMOUNTS),
            [
                (kind, line.group, _currency(line), *(getattr(line, name) for name in _AMOUNTS))
                for kind, line in lines
            ],
        ),
        [*_cost_remarks(totals), *purged_remarks(purged_at)],
        FORMULAS,
    )


_AMOUNTS = ("messages", "estimated", "actual", "unsettled", "unpriced")


def _totals(lines: Sequence[CostLine]) -> list[dict[str, Any]]:
    """One total per currency; messages without a price count in each, because their currency is unknown."""
    priced: dict[str | None, list[CostLine]] = defaultdict(list)
    for line in lines:
        if line.currency is not None:
            priced[line.currency].append(line)
    unpriced = sum(line.unpriced for line in lines)
    return [
        {
            "currency": known_currency(currency),
            "estimated": _sum_known(line.estimated for line in group),
            "actual": sum((line.actual for line in group), Decimal(0)),
            "unsettled": sum((line.unsettled for line in group), Decimal(0)),
            "unpriced": unpriced,
        }
        for currency, group in (priced or {None: []}).items()
    ]


def _sum_known(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """None if none is known: that is not 0."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None


def _currency(line: CostLine) -> str | None:
    return known_currency(line.currency)


def _cost_json(group: str, line: CostLine) -> dict[str, Any]:
    return {
        group: line.group,
        "currency": _currency(line),
        **{name: getattr(line, name) for name in _AMOUNTS},
    }


def _cost_total_table(campaign: Campaign, totals: Sequence[dict[str, Any]]) -> Table:
    rows = [
        (t["currency"] or "(unknown)", t["estimated"], t["actual"], t["unsettled"], t["unpriced"])
        for t in totals
    ]
    headings = ("currency", ">estimated", ">charged", ">unsettled", ">messages unpriced")
    return Table(f"Cost of {campaign.name}", headings, rows)


def _cost_table(group: str, lines: Sequence[CostLine]) -> Table:
    headings = (group, "currency", ">messages", ">estimated", ">charged", ">unsettled", ">unpriced")
    rows = [
        (line.group or "(none)", _currency(line), *(getattr(line, name) for name in _AMOUNTS))
        for line in lines
    ]
    return Table(None, headings, rows)


def _cost_remarks(totals: Sequence[dict[str, Any]]) -> list[str]:
    remarks = []
    if any(total["unsettled"] for total in totals):
        remarks.append(
            "Unsettled: the estimate for messages whose charge the provider has not reported (yet)."
        )
    if any(total["unpriced"] for total in totals):
        remarks.append(
            "Unpriced: neither a rate card nor the provider gives a price; it is not counted as 0."
        )
    if any(total["currency"] is None and total["actual"] for total in totals):
        remarks.append("The provider reports no currency.")
    return remarks

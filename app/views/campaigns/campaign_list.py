"""The list of campaigns, with what each has cost: a page at a time, or whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from app.views.campaigns.budget_lines import BudgetLine, budget_lines
from app.wiring.rights import AUTHORING
from campaigns.frozen import field_names, frozen
from campaigns.money.costs import known_currency, plain
from campaigns.states import CampaignState
from campaigns.time.clock import Now, utc_now
from storage.access.audit import who_did
from storage.audience import campaigns
from storage.audience.campaigns import CampaignLine
from storage.database.engine import Connection
from storage.views.campaign_status import CampaignStatus, page_of_campaigns
from storage.views.costs import NOTHING, CostSoFar, costs_so_far

PAGE: Final = 50


@frozen
class CampaignPage:
    """A page of campaigns, the newest first."""

    campaigns: Sequence[CampaignStatus]
    owners: Mapping[str, str]
    """Who has loaded each, by its name, as far as the audit knows."""
    costs: Mapping[int, CostSoFar]
    """By campaign: those of which anything was sent."""
    budgets: Mapping[int, Sequence[BudgetLine]]
    """By campaign: those that have one."""
    older: int | None
    """Where the next page begins; None: this is the last."""

    def cost_of(self, campaign: CampaignStatus) -> list[str]:
        return cost_lines(self.costs.get(campaign.id))

    def budgets_of(self, campaign: CampaignStatus) -> list[str]:
        return [budget_line(line) for line in self.budgets.get(campaign.id, ())]

    @property
    def json(self) -> list[dict[str, Any]]:
        return [
            {
                **asdict(each),
                **_money_json(self.costs.get(each.id, NOTHING), self.budgets.get(each.id, ())),
            }
            for each in self.campaigns
        ]


async def campaign_page(
    connection: Connection,
    *,
    before: int | None = None,
    state: CampaignState | None = None,
    part_of_name: str = "",
    size: int = PAGE,
    now: Now = utc_now,
) -> CampaignPage:
    """`before`: the `older` of the page before."""
    found = await page_of_campaigns(
        connection, size + 1, before=before, state=state, part_of_name=part_of_name
    )
    shown = found[:size]
    owners = await who_did(connection, AUTHORING, [each.name for each in shown])
    older = found[size - 1].id if len(found) > size else None
    costs = await costs_so_far(connection, [each.id for each in shown])
    budgets = await budget_lines(connection, {each.id: each.name for each in shown}, now())
    return CampaignPage(shown, owners, costs, budgets, older)


@frozen
class ListedCampaign:
    """A campaign as `campaign list` shows it."""

    line: CampaignLine
    cost: CostSoFar
    budgets: Sequence[BudgetLine]

    @property
    def json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self.line, name) for name in field_names(CampaignLine) if name != "id"},
            **_money_json(self.cost, self.budgets),
        }


def _money_json(cost: CostSoFar, budgets: Sequence[BudgetLine]) -> dict[str, Any]:
    return {
        "cost": [{"currency": known_currency(one.currency), "amount": one.amount} for one in cost.amounts],
        "unpriced": cost.unpriced,
        "budgets": [
            {"per": one.per, "currency": one.currency, "used": one.used, "limit": one.limit}
            for one in budgets
        ],
    }


async def list_campaigns(connection: Connection, *, now: Now = utc_now) -> list[ListedCampaign]:
    """Every campaign, the newest first."""
    lines = await campaigns.list_campaigns(connection)
    costs = await costs_so_far(connection, [line.id for line in lines])
    budgets = await budget_lines(connection, {line.id: line.name for line in lines}, now())
    return [ListedCampaign(line, costs.get(line.id, NOTHING), budgets.get(line.id, ())) for line in lines]


def cost_lines(cost: CostSoFar | None) -> list[str]:
    """What it has cost, shortly: `1.20 EUR`, `4 unpriced`."""
    if cost is None:
        return []
    amounts = [f"{plain(one.amount)} {known_currency(one.currency) or ''}".strip() for one in cost.amounts]
    return [*amounts, *([f"{cost.unpriced:,} unpriced"] if cost.unpriced else [])]


def budget_line(line: BudgetLine) -> str:
    return f"{plain(line.used)} of {plain(line.limit)} {line.currency} per {line.per}"

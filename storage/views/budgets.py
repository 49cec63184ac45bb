"""Budgets that campaigns have drawn on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, ColumnElement, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.money.costs import from_micros
from storage.database.bulk import among
from storage.database.engine import is_sqlite
from storage.tables.audience import campaigns
from storage.tables.money import budgets

KINDS: Final = ("run", "day", "month")
OF_EACH_KIND: Final = 3


@frozen
class BudgetUse:
    """What is used of one budget."""

    budget: str
    """`run 12`, `day 2026-12-01` or `month 2026-12`."""
    currency: str
    """Of the amounts; three letters."""
    reserved: Decimal
    """For messages whose cost is not known yet."""
    spent: Decimal
    """What is charged."""

    @property
    def kind(self) -> str:
        """run, day or month."""
        return self.budget.partition(" ")[0]


@frozen
class CampaignBudget:
    """What is used of one budget."""

    campaign: str
    budget: str
    """`run 12`, `day 2026-12-01` or `month 2026-12`."""
    currency: str
    reserved: Decimal
    spent: Decimal


async def newest_budgets(connection: AsyncConnection, campaigns_read: int) -> Sequence[CampaignBudget]:
    """Of the newest campaigns the newest of each kind, the newest campaign first."""
    newest = select(campaigns.c.id, campaigns.c.name).order_by(campaigns.c.id.desc()).limit(campaigns_read)
    names: dict[int, str] = dict((await connection.execute(newest)).all())
    uses = await newest_use(connection, names, OF_EACH_KIND)
    return [
        CampaignBudget(name, use.budget, use.currency, use.reserved, use.spent)
        for campaign_id, name in names.items()
        for use in uses.get(campaign_id, ())
    ]


async def newest_use(
    connection: AsyncConnection, campaign_ids: Collection[int], limit: int
) -> dict[int, list[BudgetUse]]:
    """The newest budgets of each kind that these campaigns have drawn on. Their keys are CAMPAIGN:KIND:WHICH."""
    if not campaign_ids:
        return {}
    campaign = cast(_before_colon(budgets.c.key, is_sqlite(connection)), BigInteger)
    kind = case(*((budgets.c.key.contains(f":{name}:"), place) for place, name in enumerate(KINDS)))
    newest_first = func.length(budgets.c.key).desc(), budgets.c.key.desc()
    nth = func.row_number().over(partition_by=(campaign, kind), order_by=newest_first)
    columns = (campaign.label("campaign"), kind.label("kind"), nth.label("nth"))
    drawn = select(*budgets.c, *columns).where(among(connection, campaign, campaign_ids)).subquery()
    rows = select(drawn).where(drawn.c.nth <= limit).order_by(drawn.c.campaign, drawn.c.kind, drawn.c.nth)
    found: dict[int, list[BudgetUse]] = {}
    for row in await connection.execute(rows):
        which = row.key.partition(":")[2].replace(":", " ", 1)
        use = BudgetUse(which, row.currency, from_micros(row.reserved_micros), from_micros(row.spent_micros))
        found.setdefault(row.campaign, []).append(use)
    return found


def _before_colon(key: ColumnElement[str], sqlite: bool) -> ColumnElement[str]:
    return func.substr(key, 1, func.instr(key, ":") - 1) if sqlite else func.split_part(key, ":", 1)


async def budget_limits(
    connection: AsyncConnection, campaign_ids: Collection[int]
) -> dict[int, tuple[dict[str, Any], str]]:
    """The `[budget]` of each of these campaigns that has one, and the zone of its days."""
    named = among(connection, campaigns.c.id, campaign_ids)
    specs = await connection.execute(select(campaigns.c.id, campaigns.c.spec).where(named))
    files = {campaign_id: orjson.loads(spec) for campaign_id, spec in specs}
    return {
        campaign_id: (file["budget"], file.get("schedule", {}).get("timezone") or "UTC")
        for campaign_id, file in files.items()
        if file.get("budget")
    }

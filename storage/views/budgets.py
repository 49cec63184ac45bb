"""Budgets that campaigns have drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.money.costs import from_micros
from storage.tables import budgets, campaigns


@dataclass(frozen=True, slots=True)
class CampaignBudget:
    """What is used of one budget."""

    campaign: str
    budget: str
    """`run 12`, `day 2026-12-01` or `month 2026-12`."""
    currency: str
    reserved: Decimal
    spent: Decimal


async def newest_budgets(connection: AsyncConnection, campaigns_read: int) -> Sequence[CampaignBudget]:
    """Those of the newest campaigns, the newest campaign first."""
    newest = select(campaigns.c.id, campaigns.c.name).order_by(campaigns.c.id.desc()).limit(campaigns_read)
    found = []
    for number, name in (await connection.execute(newest)).all():
        mine = f"{number}:"
        of_campaign = budgets.c.key.startswith(mine, autoescape=True)
        drawn = select(budgets).where(of_campaign).order_by(budgets.c.key.desc())
        for row in await connection.execute(drawn.limit(10)):
            which = row.key.removeprefix(mine).replace(":", " ")
            spent, reserved = from_micros(row.spent_micros), from_micros(row.reserved_micros)
            found.append(CampaignBudget(name, which, row.currency, reserved, spent))
    return found

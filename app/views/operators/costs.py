"""Budgets that were drawn on, rate cards, and which of them an account uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from app.wiring.settings import Settings
from campaigns.frozen import frozen
from campaigns.money.costs import Money
from storage.audience.rates import CardLine, list_cards
from storage.database.engine import Connection
from storage.views.budgets import CampaignBudget, newest_budgets

NEWEST: Final = 50


@frozen
class AccountPrice:
    """Where the prices of an account come from."""

    account: str
    card: str | None
    in_force: CardLine | None
    """The card of that name that applies today; None: none was imported."""
    flat: Money | None
    """One price for every message, where the settings name one."""


@frozen
class Costs:
    budgets: Sequence[CampaignBudget]
    cards: Sequence[CardLine]
    accounts: Sequence[AccountPrice]


async def costs(connection: Connection, settings: Settings, now: datetime) -> Costs:
    cards = await list_cards(connection)
    accounts = [
        AccountPrice(
            name,
            account.rates,
            _in_force(cards, account.rates, now.date()),
            account.price,
        )
        for name, account in settings.accounts.items()
    ]
    return Costs(await newest_budgets(connection, NEWEST), cards, accounts)


def _in_force(cards: Sequence[CardLine], name: str | None, today: date) -> CardLine | None:
    valid = [card for card in cards if card.name == name and card.effective_from <= today]
    return max(valid, key=lambda card: card.effective_from, default=None)

"""The rate cards that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from campaigns.errors import NotFound
from campaigns.money.costs import from_micros
from campaigns.money.prices import RateCard
from campaigns.nearest import nearest
from storage.audience import rates
from storage.audience.rates import CardLine
from storage.database.engine import Connection

if TYPE_CHECKING:
    from app.views.answers.operators import CardHead, CardRate, CardsOfName, ImportedCard, ListedCard


async def list_cards(connection: Connection) -> list[CardLine]:
    """Every card, one line each."""
    return await rates.list_cards(connection)


async def cards_named(connection: Connection, name: str) -> list[RateCard]:
    """Every card of that name, by its first valid day. Raises NotFound with the nearest name."""
    if cards := await rates.load_cards(connection, name):
        return cards
    guess = nearest(name.lower(), [line.name for line in await list_cards(connection)])
    raise NotFound(
        f"There is no rate card {name!r}.",
        hint=f"Did you mean {guess}?" if guess else f"drumbeat rates import FILE --name {name} …",
    )


def imported_json(card: RateCard, replaced: bool) -> ImportedCard:
    """As `rates import --json` prints it."""
    markets = len({market for market, _, _ in card.rates})
    return {**_head(card), "markets": markets, "replaced": replaced}


def line_json(line: CardLine) -> ListedCard:
    """As `rates show --json` lists it."""
    return {**_head(line), "markets": line.markets, "imported_at": line.imported_at}


def cards_json(name: str, cards: Sequence[RateCard]) -> CardsOfName:
    """As `rates show NAME --json` prints them."""
    return {"name": name, "cards": [{**_head(card), "rates": _rates(card)} for card in cards]}


def _head(card: RateCard | CardLine) -> CardHead:
    return {
        "name": card.name,
        "effective_from": card.effective_from.isoformat(),
        "currency": card.currency,
        "source": card.source,
    }


def _rates(card: RateCard) -> list[CardRate]:
    return [
        {"market": market, "category": category, "window": window, "rate": amount_of(micros)}
        for (market, category, window), micros in sorted(card.rates.items())
    ]


def amount_of(micros: int | None) -> Decimal | None:
    return None if micros is None else from_micros(micros)

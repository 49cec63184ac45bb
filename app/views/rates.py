"""The rate cards that are stored."""

from __future__ import annotations

from campaigns.errors import NotFound
from campaigns.money.prices import RateCard
from campaigns.spec.toml_files import nearest
from storage.audience import rates
from storage.audience.rates import CardLine
from storage.database.engine import Connection


async def list_cards(connection: Connection) -> list[CardLine]:
    """Every card, one line each."""
    return await rates.list_cards(connection)


async def cards_named(connection: Connection, name: str) -> list[RateCard]:
    """Every card of that name, by its first valid day. Raises NotFound with the nearest name."""
    if cards := await rates.load_cards(connection, name):
        return cards
    guess = nearest(name, [line.name for line in await list_cards(connection)])
    raise NotFound(
        f"There is no rate card {name!r}.",
        hint=f"Did you mean {guess}?" if guess else f"drumbeat rates import FILE --name {name} …",
    )

"""Rate cards: imported whole, stored by name, date and currency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.money.prices import RateCard
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.audience import rate_cards, rates


@frozen
class CardLine:
    """A rate card without its rates."""

    id: int
    name: str
    effective_from: date
    currency: str
    source: str
    imported_at: datetime
    markets: int


async def store_card(connection: AsyncConnection, card: RateCard, now: datetime) -> bool:
    """Store the card, in place of the one with its name, date and currency; whether there was one.

    A replaced card keeps its id, by which jobs name it: what they were priced at is kept with each of them.
    """
    columns = rate_cards.c
    key = {
        "name": card.name,
        "effective_from": card.effective_from.isoformat(),
        "currency": card.currency,
    }
    same = [columns[name] == value for name, value in key.items()]
    replaced = (await connection.execute(select(columns.id).where(*same))).scalar() is not None
    details = {"source": card.source, "imported_at": now}
    stored = await connection.execute(
        upsert_into(is_sqlite(connection), rate_cards)
        .values(**key, **details)
        .on_conflict_do_update(index_elements=list(key), set_=details)
        .returning(columns.id)
    )
    card_id = stored.scalar_one()
    await connection.execute(delete(rates).where(rates.c.card_id == card_id))
    await connection.execute(insert(rates), _rows(card_id, card.rates))
    return replaced


def _rows(card_id: int, given: Mapping[tuple[str, str, str], int]) -> list[dict[str, object]]:
    return [
        {"card_id": card_id, "market": market, "category": category, "window": window, "micros": micros}
        for (market, category, window), micros in given.items()
    ]


async def list_cards(connection: AsyncConnection, name: str | None = None) -> list[CardLine]:
    """The cards of a name, or all: the oldest date first, and of one date the last imported last."""
    found = await connection.execute(
        select(
            rate_cards.c.id,
            rate_cards.c.name,
            rate_cards.c.effective_from,
            rate_cards.c.currency,
            rate_cards.c.source,
            rate_cards.c.imported_at,
            select(func.count(rates.c.market.distinct()))
            .where(rates.c.card_id == rate_cards.c.id)
            .scalar_subquery(),
        )
        .where(*([] if name is None else [rate_cards.c.name == name]))
        .order_by(rate_cards.c.name, rate_cards.c.effective_from, rate_cards.c.imported_at, rate_cards.c.id)
    )
    return [
        CardLine(card_id, card, date.fromisoformat(since), *rest) for card_id, card, since, *rest in found
    ]


async def load_cards(connection: AsyncConnection, name: str) -> list[RateCard]:
    """The cards of a name with their rates, in the order of `list_cards`; none: there is no card of that name."""
    lines = await list_cards(connection, name)
    given: defaultdict[int, dict[tuple[str, str, str], int]] = defaultdict(dict)
    found = await connection.execute(
        select(rates.c.card_id, rates.c.market, rates.c.category, rates.c.window, rates.c.micros).where(
            rates.c.card_id.in_([line.id for line in lines])
        )
    )
    for card_id, market, category, window, micros in found:
        given[card_id][market, category, window] = micros
    return [
        RateCard(line.id, line.name, line.effective_from, line.currency, line.source, given[line.id])
        for line in lines
    ]

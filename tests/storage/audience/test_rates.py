"""Rate cards in both databases: stored whole, replaced whole, loaded as they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import cast

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from campaigns.money.prices import RateCard
from storage.audience.rates import list_cards, load_cards, store_card
from storage.database.engine import Engine, reading, writing
from storage.tables.audience import rates

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
RATES = {("Rest of Africa", "marketing", "any"): 22_500, ("Nigeria", "utility", "closed"): 6_700}
CARD = RateCard(0, "meta-usd", date(2026, 1, 1), "USD", "a transcription", RATES)


async def test_a_card_comes_back_as_it_was_stored(engine: Engine) -> None:
    async with writing(engine) as connection:
        assert not await store_card(connection, CARD, NOW)
        assert not await store_card(connection, replace(CARD, name="other"), NOW)
    async with reading(engine) as connection:
        (found,) = await load_cards(connection, "meta-usd")
        lines = await list_cards(connection)
        assert await load_cards(connection, "none") == []
    assert replace(found, id=0) == CARD
    assert [(line.name, line.markets, line.imported_at) for line in lines] == [
        ("meta-usd", 2, NOW),
        ("other", 2, NOW),
    ]


async def test_the_same_name_date_and_currency_is_replaced_and_keeps_its_id(engine: Engine) -> None:
    newer = replace(CARD, source="the real one", rates={("India", "marketing", "any"): 11_800})
    async with writing(engine) as connection:
        await store_card(connection, CARD, NOW)
        (before,) = await load_cards(connection, "meta-usd")
        assert await store_card(connection, newer, NOW + timedelta(days=1))
    async with reading(engine) as connection:
        (found,) = await load_cards(connection, "meta-usd")
        assert await connection.scalar(select(func.count()).select_from(rates)) == 1
    assert found == replace(newer, id=before.id)


async def test_cards_are_listed_by_date_and_then_by_import(engine: Engine) -> None:
    async with writing(engine) as connection:
        await store_card(connection, replace(CARD, effective_from=date(2026, 7, 1)), NOW)
        await store_card(connection, CARD, NOW + timedelta(hours=1))
        await store_card(connection, replace(CARD, currency="EUR"), NOW)
    async with reading(engine) as connection:
        found = await load_cards(connection, "meta-usd")
    assert [(card.effective_from.month, card.currency) for card in found] == [
        (1, "EUR"),
        (1, "USD"),
        (7, "USD"),
    ]


async def test_a_card_that_cannot_be_stored_leaves_the_old_one(engine: Engine) -> None:
    async with writing(engine) as connection:
        await store_card(connection, CARD, NOW)
    broken = replace(CARD, rates={("India", cast(str, None), "any"): 1})
    with pytest.raises(IntegrityError):
        async with writing(engine) as connection:
            await store_card(connection, broken, NOW)
    async with reading(engine) as connection:
        (found,) = await load_cards(connection, "meta-usd")
    assert dict(found.rates) == RATES

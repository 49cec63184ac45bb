"""Rate cards: what messages cost, imported with their source."""

from __future__ import annotations

from app.wiring.rights import act
from campaigns.money.prices import RateCard
from campaigns.time.clock import Now, utc_now
from storage.audience.rates import store_card
from storage.database.engine import Engine, writing


@act("rates.import", about=None)
async def import_card(engine: Engine, card: RateCard, *, now: Now = utc_now) -> bool:
    """Store the card; returns whether it replaced one of the same name and date."""
    async with writing(engine) as connection:
        return await store_card(connection, card, now())

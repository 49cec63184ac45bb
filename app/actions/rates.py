"""Rate cards: what messages cost, imported with their source."""

from __future__ import annotations

from pathlib import Path

from app.wiring.rights import act
from campaigns.bounded_files import open_small
from campaigns.intake.workbook import is_workbook, read_table
from campaigns.money.prices import RateCard
from campaigns.money.rate_files import Rates, rates_in
from campaigns.time.clock import Now, utc_now
from storage.audience.rates import store_card
from storage.database.engine import Engine, writing


def read_card_file(path: Path, currency: str, sheet: str | None = None) -> Rates:
    """The rates in a CSV or in a sheet of a workbook, such as Meta's own. Raises NotFound, InvalidInput."""
    file = open_small(path)
    table = read_table(file, sheet).text if is_workbook(file) else file
    return rates_in(path, b"".join(table.blocks()), currency)


@act("rates.import", about=None)
async def import_card(engine: Engine, card: RateCard, *, now: Now = utc_now) -> bool:
    """Store the card; returns whether it replaced one of the same name and date."""
    async with writing(engine) as connection:
        return await store_card(connection, card, now())

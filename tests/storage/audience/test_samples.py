"""The rows that a preview is made of, the same on both databases."""

from __future__ import annotations

from collections import Counter

from storage.audience.samples import all_rows, first_rows, random_rows, rows_on_line
from storage.database.engine import Engine, reading
from tests.support.campaigns import phone, spec, store_campaign


async def test_the_first_and_a_line(engine: Engine) -> None:
    campaign_id = await store_campaign(engine, spec(), 10)
    async with reading(engine) as connection:
        first = await first_rows(connection, campaign_id, 3)
        [fourth] = await rows_on_line(connection, campaign_id, 5)
        assert await rows_on_line(connection, campaign_id, 99) == []
    assert [(row.line, row.phone) for row in first] == [(2, phone(0)), (3, phone(1)), (4, phone(2))]
    assert (fourth.line, fourth.phone) == (5, phone(3))


async def test_by_lot_is_the_same_for_a_seed_and_fair_over_seeds(engine: Engine) -> None:
    await store_campaign(engine, spec("other"), 50)
    campaign_id = await store_campaign(engine, spec(), 20)
    drawn: Counter[str] = Counter()
    async with reading(engine) as connection:
        for seed in range(200):
            rows = await random_rows(connection, campaign_id, 5, seed)
            assert rows == await random_rows(connection, campaign_id, 5, seed)
            assert len({row.phone for row in rows}) == 5
            drawn.update(row.phone for row in rows)
    # 50 draws are expected of each, with a deviation of 6.
    assert drawn.keys() == {phone(n) for n in range(20)}
    assert 20 < min(drawn.values()) <= max(drawn.values()) < 80


async def test_all_of_them_come_once(engine: Engine) -> None:
    campaign_id = await store_campaign(engine, spec(), 4500)
    async with reading(engine) as connection:
        pages = [page async for page in all_rows(connection, campaign_id)]
    assert [row.phone for page in pages for row in page] == [phone(n) for n in range(4500)]
    assert len(pages) > 1

"""What messages use up: people's patience, money, tiers. Two at once never take the same room twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from campaigns.money.costs import Money
from storage.database.engine import Engine, lock_names, open_engine, reading, writing
from storage.database.schema import upgrade
from storage.sending.budgets import Reservation, budget_lock, reserve, settle, used_of
from storage.sending.contact_history import (
    NewHistoryRow,
    add_to_history,
    delay_history,
    recent_history,
    release_history,
)
from storage.sending.tier_and_ramp import (
    forget_reached,
    note_daily_sends,
    note_reached,
    sends_by_day,
    slide_count,
    take_back_daily_sends,
    tier_use,
)
from storage.tables.types import to_millis
from tests.support.campaigns import EPOCH, later

PHONE = "+22997000001"
KEY = "7:run:1"


def touch(job_id: int, phone: str = PHONE) -> NewHistoryRow:
    return NewHistoryRow(job_id, phone, 7, "marketing", ("sale",), counts=True)


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


async def used(engine: Engine) -> int:
    async with writing(engine) as connection:
        return (await used_of(connection, [KEY])).get(KEY, 0)


async def test_touches_are_found_by_person_and_time(engine: Engine) -> None:
    async with writing(engine) as connection:
        await add_to_history(connection, "meta/one", later(10), [touch(1), touch(2, "+4477")])
        await add_to_history(connection, "meta/two", later(20), [touch(3)])
        found = await recent_history(connection, [PHONE], EPOCH)
        assert [(t.job_id, t.at, t.lane, t.tags, t.counts) for t in found[PHONE]] == [
            (1, later(10), "meta/one", frozenset({"sale"}), True),
            (3, later(20), "meta/two", frozenset({"sale"}), True),
        ]
        assert [t.job_id for t in (await recent_history(connection, [PHONE], later(10)))[PHONE]] == [3]


async def test_a_job_has_one_history_entry_which_moves_and_is_released(engine: Engine) -> None:
    async with writing(engine) as connection:
        await add_to_history(connection, "meta/one", later(10), [touch(1)])
        await add_to_history(connection, "meta/one", later(30), [touch(1)])
        await delay_history(connection, [(1, later(40))])
        found = await recent_history(connection, [PHONE], EPOCH)
        assert [t.at for t in found[PHONE]] == [later(40)]
        await release_history(connection, [1])
        assert await recent_history(connection, [PHONE], EPOCH) == {}


@pytest.mark.parametrize(
    ("cost", "left_over"),
    [
        (usd("0.02"), 20_000),
        (usd("0"), 0),
        (None, 0),
        (Money(Decimal(9), "EUR"), 50_000),  # in a currency that the budget is not in
    ],
)
async def test_money_is_reserved_then_settled(engine: Engine, cost: Money | None, left_over: int) -> None:
    async with writing(engine) as connection:
        await reserve(connection, [Reservation(1, (KEY,), usd("0.05"))])
    assert await used(engine) == 50_000
    for _ in range(2):  # the second word about the same message changes nothing
        async with writing(engine) as connection:
            await settle(connection, {1: cost, 2: usd("1")})
        assert await used(engine) == left_over


async def test_to_ask_what_is_left_writes_nothing(engine: Engine) -> None:
    """Else `why`, which asks in the midst of a snapshot, would find the database locked beside a runner."""
    async with reading(engine) as looking:
        assert await used_of(looking, [KEY]) == {}
        async with writing(engine) as connection:
            await reserve(connection, [Reservation(1, (KEY,), usd("0.05"))])
        await used_of(looking, ["7:day:2026-01-01"])
    assert await used(engine) == 50_000


async def test_two_who_take_from_one_budget_take_turns(engine: Engine) -> None:
    """Each sees what the other has taken: room for one is given once."""

    async def take(job_id: int) -> bool:
        async with writing(engine) as connection:
            await lock_names(connection, [budget_lock(7), PHONE])
            if (await used_of(connection, [KEY])).get(KEY, 0) + 50_000 > 90_000:
                return False
            await asyncio.sleep(0.01)
            await reserve(connection, [Reservation(job_id, (KEY,), usd("0.05"))])
            return True

    assert sorted(await asyncio.gather(*(take(job_id) for job_id in range(1, 5)))) == [
        False,
        False,
        False,
        True,
    ]
    assert await used(engine) == 50_000


async def test_two_who_write_to_one_person_take_turns(engine: Engine) -> None:
    async def take(job_id: int) -> int:
        async with writing(engine) as connection:
            await lock_names(connection, [f"+{n}" for n in range(20, 0, -1)] + [PHONE])
            found = (await recent_history(connection, [PHONE], EPOCH)).get(PHONE, [])
            await asyncio.sleep(0.01)
            await add_to_history(connection, f"meta/{job_id}", later(1), [touch(job_id)])
            return len(found)

    assert sorted(await asyncio.gather(*(take(job_id) for job_id in range(1, 6)))) == [0, 1, 2, 3, 4]


async def test_a_tier_counts_each_person_once_in_24_hours(engine: Engine) -> None:
    day = timedelta(hours=24)
    async with writing(engine) as connection:
        for account in ("meta", "kapso"):
            await slide_count(connection, account, later(0))
        await note_reached(connection, "meta", ["+1", "+2"], later(0))
        await note_reached(connection, "meta", ["+2"], later(60))
        await note_reached(connection, "kapso", ["+3"], later(60))
    async with reading(engine) as connection:
        now = await tier_use(connection, "meta", ["+1", "+9"], later(70))
        assert (now.reached, now.oldest_at, now.already) == (2, later(0), {"+1"})
        assert (await tier_use(connection, "meta", [], later(0) + day)).reached == 1
        assert (await tier_use(connection, "meta", [], later(60) + day)).oldest_at is None


async def test_who_is_not_written_to_after_all_counts_from_what_is_left(engine: Engine) -> None:
    async with writing(engine) as connection:
        await slide_count(connection, "meta", later(0))
        for job, (lane, at, outside) in enumerate(
            [("meta/one", 10, True), ("meta/two", 20, True), ("metal/one", 30, True), ("meta/one", 40, False)]
        ):
            new = NewHistoryRow(job, PHONE, 7, "marketing", (), counts=True, outside=outside)
            await add_to_history(connection, lane, later(at), [new])
        await note_reached(connection, "meta", [PHONE, "+1"], later(20))
        for job, reached in ((1, 2), (0, 1)):
            await release_history(connection, [job])
            await forget_reached(connection, "meta", [PHONE])
            found = await tier_use(connection, "meta", [PHONE], later(50))
            assert (found.reached, found.already) == (reached, {PHONE} if reached == 2 else set())
        await forget_reached(connection, "meta", [PHONE, "+9"])
        assert (await tier_use(connection, "meta", [], later(50))).reached == 1


async def test_what_an_older_version_reserved_can_be_given_back(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    await upgrade(engine, "0007")
    async with writing(engine) as connection:
        for statement in OLDER:
            await connection.execute(text(statement))
    await upgrade(engine)
    async with writing(engine) as connection:
        await slide_count(connection, "meta", later(0))
        [taken] = await release_history(connection, [1])
        assert (taken.outside, taken.ramp_day) == (True, None)
        await forget_reached(connection, "meta", [taken.phone])
        assert (await tier_use(connection, "meta", [], later(1))).reached == 0
        assert await settle(connection, {1: usd("0.02")}) == {7}
        assert await used_of(connection, [KEY]) == {KEY: 20_000}
    await engine.dispose()


OLDER = (
    f"INSERT INTO touches (job_id, phone, at, campaign_id, lane, category, tags, counts) "
    f"VALUES (1, '{PHONE}', {to_millis(EPOCH)}, 7, 'meta/one', 'marketing', '[]', true)",
    f"INSERT INTO unique_recipients (account, phone, at) VALUES ('meta', '{PHONE}', {to_millis(EPOCH)})",
    f"INSERT INTO reservations (job_id, paid_from, micros, currency) VALUES (1, '[\"{KEY}\"]', 50000, 'USD')",
    f"INSERT INTO budgets (key, currency, reserved_micros, spent_micros) VALUES ('{KEY}', 'USD', 50000, 0)",
)


async def test_a_ramp_counts_by_day(engine: Engine) -> None:
    async with writing(engine) as connection:
        for day, more in (("2026-03-02", 4), ("2026-03-01", 2), ("2026-03-02", 1)):
            await note_daily_sends(connection, "meta/one", 7, day, more)
        await note_daily_sends(connection, "meta/two", 7, "2026-03-02", 9)
        found = await sends_by_day(connection, "meta/one", 7)
        assert list(found.items()) == [("2026-03-01", 2), ("2026-03-02", 5)]
        await take_back_daily_sends(
            connection, {("meta/one", 7, "2026-03-01"): 2, ("meta/one", 7, "2026-03-02"): 1}
        )
        found = await sends_by_day(connection, "meta/one", 7)
        assert found == {"2026-03-02": 4}, "a day on which nothing was sent is no step"

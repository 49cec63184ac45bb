"""An account's count of the people it has reached is what counting them would give, whatever clocks say; and costs a
slice no more when they are many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from storage.database.engine import Connection, Engine, lock_names, open_engine, writing
from storage.database.schema import upgrade
from storage.retention.purge import oldest, purge_old
from storage.sending.tier_and_ramp import TIER_WINDOW, TierUse, note_reached, slide_count, tier_use
from storage.tables.lanes import tier_counts, unique_recipients
from tests.support.campaigns import EPOCH, later, phone
from tests.support.examples import share

PEOPLE = [phone(number) for number in range(3)]
HOURS = st.sampled_from([0, 0, 1, 7, 12, 23, 24, 24, 25, 48, -1, -1, -12, -24, 24 * 31])
"""By which the clock goes on; that of another machine, or one that was set right, is behind."""
STEPS = st.tuples(
    st.sampled_from(["slice", "slice", "slice", "crash", "why", "purge"]),
    st.sampled_from(["meta", "meta", "kapso"]),
    HOURS,
    st.lists(st.sampled_from(PEOPLE), unique=True),
)


async def ask(connection: Connection, now: datetime, account: str = "meta") -> TierUse:
    await slide_count(connection, account, now)
    return await tier_use(connection, account, PEOPLE, now)


async def put(connection: Connection, people: Iterable[str], at: datetime) -> None:
    await connection.execute(
        insert(unique_recipients), [{"account": "meta", "phone": one, "at": at} for one in people]
    )


@share(0.5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=8, max_size=24))
@example([("slice", "meta", 0, PEOPLE), ("slice", "meta", 1, PEOPLE[:2]), ("slice", "meta", 23, PEOPLE[:1])])
@example([("slice", "meta", 0, PEOPLE), ("slice", "meta", 24, PEOPLE), ("why", "meta", 0, ())])
@example([("slice", "meta", 0, PEOPLE), ("slice", "meta", 24, ()), ("slice", "meta", -1, ())])
@example([("slice", "meta", 0, PEOPLE), ("purge", "meta", 24 * 31, ()), ("slice", "meta", 0, PEOPLE[:1])])
async def test_the_count_is_that_of_the_people(engine: Engine, steps: list[Any]) -> None:
    async with writing(engine) as connection:
        await connection.execute(delete(tier_counts))
        await connection.execute(delete(unique_recipients))
    now, reached = EPOCH, dict[tuple[str, str], datetime]()
    for what, account, hours, people in steps:
        now += timedelta(hours=hours)
        if what == "purge":
            await purge(engine, now - timedelta(days=30))
            continue
        async with engine.connect() as connection:
            use = await (
                tier_use(connection, account, PEOPLE, now) if what == "why" else ask(connection, now, account)
            )
            assert use == counted(reached, account, now)
            if what != "why":
                await note_reached(connection, account, people, now)
            if what == "slice":
                await connection.commit()
                reached |= {(account, one): now for one in people}


def counted(reached: dict[tuple[str, str], datetime], account: str, now: datetime) -> TierUse:
    recent = {one: at for (of, one), at in reached.items() if of == account and at > now - TIER_WINDOW}
    return TierUse(len(recent), min(recent.values(), default=None), frozenset(recent))


async def purge(engine: Engine, before: datetime) -> None:
    async with writing(engine) as connection:
        await purge_old(connection, "tier", before, await oldest(connection, "tier", before, 100))


async def test_those_who_share_a_tier_take_turns(engine: Engine) -> None:
    async def take(number: int) -> bool:
        async with writing(engine) as connection:
            await lock_names(connection, ["tier:meta"])
            if (await ask(connection, later(number))).reached >= 3:
                return False
            await asyncio.sleep(0.01)
            await note_reached(connection, "meta", [phone(number)], later(number))
            return True

    assert sorted(await asyncio.gather(*map(take, range(6)))) == [False] * 3 + [True] * 3


async def test_an_older_database_is_counted_once(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    await upgrade(engine, "0006")
    async with writing(engine) as connection:
        await put(connection, PEOPLE[:2], later(0))
        await put(connection, PEOPLE[2:], later(0) - TIER_WINDOW)
    await upgrade(engine)
    for moment, people in ((later(1), 2), (later(2), 2), (later(0) + TIER_WINDOW, 0)):
        async with writing(engine) as connection:
            assert (await ask(connection, moment)).reached == people
    await engine.dispose()


@pytest.mark.parametrize("day", [0, 1])
async def test_a_slice_costs_no_more_when_many_are_reached(sqlite_engine: Engine, day: int) -> None:
    """In steps of SQLite's machine, within the 24 hours and when the first of them leave."""
    few, many = [await steps_of_a_slice(sqlite_engine, people, day) for people in (100, 5_000)]
    assert many < 1.5 * few


async def steps_of_a_slice(engine: Engine, people: int, day: int) -> int:
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    async with writing(engine) as connection:
        await connection.execute(delete(tier_counts))
        await connection.execute(delete(unique_recipients))
        for number in range(0, people, 100):
            await put(connection, map(phone, range(number, number + 100)), later(number))
        await ask(connection, later(0) + day * TIER_WINDOW - timedelta(seconds=1))
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await raw.set_progress_handler(step, 1)
        await ask(connection, later(0) + day * TIER_WINDOW)
        await note_reached(connection, "meta", PEOPLE, later(0) + day * TIER_WINDOW)
        await raw.set_progress_handler(None, 1)
    return taken

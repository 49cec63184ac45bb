"""What the processes of one account are granted together never exceeds its rate, in any window."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.time.pace import Rate
from storage.database.engine import Engine, open_engine, writing
from storage.sending.rate_slots import AHEAD, LATE, Granted, grant, slot_spacing
from tests.support.campaigns import later

RATE = Rate.parse("20/s")


def near(lead: float = 0) -> dict[str, timedelta]:
    return {"lead": timedelta(seconds=lead), "within": timedelta(seconds=lead) + AHEAD}


async def ask(engine: Engine, wanted: int, at: float, rate: Rate = RATE, lead: float = 0) -> Granted:
    async with writing(engine) as connection:
        return await grant(connection, "ourvoice", rate, wanted, lambda: later(at), **near(lead))


async def test_slots_follow_each_other_for_all_processes(engine: Engine) -> None:
    one, other = await ask(engine, 2, 0), await ask(engine, 2, 0)
    slots = [*one.slots, *other.slots]
    assert slots[0] == later(0)
    assert {after - before for before, after in pairwise(slots)} == {slot_spacing(RATE)}


async def test_no_slot_is_granted_far_ahead_and_the_next_request_time_is_returned(engine: Engine) -> None:
    assert (await ask(engine, 100, 0)).slots[-1] <= later(0) + AHEAD
    none = await ask(engine, 1, 0)
    assert none.count == 0
    again = (none.first - later(0)).total_seconds()
    assert (await ask(engine, 1, again)).count == 1


async def test_what_was_not_asked_for_is_not_caught_up_with(engine: Engine) -> None:
    await ask(engine, 1, 0)
    after_a_stall = await ask(engine, 100, 60)
    assert after_a_stall.first == later(60)
    assert after_a_stall.count <= AHEAD / slot_spacing(RATE) + 1


async def test_slots_begin_when_the_transaction_that_asks_has_ended(engine: Engine) -> None:
    assert (await ask(engine, 2, 0, lead=0.3)).first == later(0.3)
    assert (await ask(engine, 2, 0.2, lead=0.05)).first == later(0.3) + 2 * slot_spacing(RATE)


async def test_the_time_for_which_others_keep_the_row_locked_is_not_granted(engine: Engine) -> None:
    now, read = 0.0, list[float]()

    def clock() -> datetime:
        read.append(now)
        return later(now)

    async def wait_and_ask() -> Granted:
        async with writing(engine) as connection:
            return await grant(connection, "ourvoice", RATE, 1, clock, **near())

    await ask(engine, 1, 0)
    async with writing(engine) as connection:
        await grant(connection, "ourvoice", RATE, 1, lambda: later(0), **near())
        waits = asyncio.create_task(wait_and_ask())
        await asyncio.wait({waits}, timeout=0.1)
        assert read == []
        now = 5.0
    assert (await waits).first == later(5)


@pytest.mark.parametrize("written", ["20/s", "1000/s", "100/min", "7/s"])
async def test_all_that_many_processes_send_keeps_to_the_rate_in_every_window(
    engine: Engine, database_url: str, written: str
) -> None:
    rate, dice = Rate.parse(written), random.Random(3)
    engines = [open_engine(database_url) for _ in range(3)]
    began: list[datetime] = []

    async def worker(own: Engine) -> None:
        lead = dice.choice([0.05, 0.4, 2.0])
        for tenth in range(15):
            granted = await ask(own, 100, tenth / 10, rate, lead)
            assert not granted.count or later(tenth / 10 + lead) <= granted.first
            began.extend(slot + LATE * dice.random() for slot in granted.slots)

    await asyncio.gather(*(worker(own) for own in engines))
    for own in engines:
        await own.dispose()
    for start in began:
        assert sum(start <= moment < start + rate.per for moment in began) <= rate.count


@given(st.integers(1, 5000), st.sampled_from(["s", "min", "h"]))
def test_late_ones_included_no_window_holds_more_than_the_rate(count: int, unit: str) -> None:
    rate = Rate.parse(f"{count}/{unit}")
    assert -(-(rate.per + LATE) // slot_spacing(rate)) <= count
    assert slot_spacing(rate) <= rate.per / count * 1.11

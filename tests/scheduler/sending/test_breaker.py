"""What trips the breaker depends on how the messages of a run end, not on when that is known."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest
from sqlalchemy import insert, select, update

from campaigns.states import JobState, RunState
from scheduler.clock.launch import launch_due
from scheduler.sending.breaker import ADVICE, look_at_failures
from storage.database.engine import Engine, reading, writing
from storage.tables.runs import attempts, jobs, runs
from tests.support.campaigns import later, spec, store_campaign

LANE = "ourvoice/shop"
SIZE, OF_LAST, MOST = 60, 10, 2
"""Messages of the run; and of how many in a row how many may fail."""


async def two_runs_in_turn(engine: Engine) -> None:
    """Two runs whose calls were made in turn: run 1 with a breaker, run 2 without one."""
    for name, percent in (("watched", 10 * MOST), ("other", 100)):
        await store_campaign(engine, spec(name, breaker={"percent": percent, "of_last": OF_LAST}), SIZE)
        await launch_due(engine, now=lambda: later(1))
    call = {"number": 1, "call": "c", "lane": LANE, "epoch": 1, "intent_at": later(2)}
    rows = [
        {"job_id": job + run * SIZE, "run_id": run + 1, **call}
        for job in range(1, SIZE + 1)
        for run in (0, 1)
    ]
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state=JobState.SENT, attempts=1))
        await connection.execute(insert(attempts), rows)


async def fail(engine: Engine, job_ids: Collection[int]) -> None:
    ended = {"state": JobState.FAILED, "reason": "refused", "code": "131026"}
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id.in_(job_ids)).values(**ended))


async def paused(engine: Engine, run: int = 1) -> str | None:
    async with reading(engine) as connection:
        state, reason = (
            await connection.execute(select(runs.c.state, runs.c.reason).where(runs.c.id == run))
        ).one()
    assert (state == RunState.PAUSED) is (reason is not None)
    return str(reason) if reason else None


@pytest.mark.parametrize("seed", range(4))
async def test_any_stretch_of_messages_trips_in_whatever_order_its_failures_are_stored(
    engine: Engine, seed: int
) -> None:
    await two_runs_in_turn(engine)
    chance = random.Random(seed)
    failing = chance.sample(range(1, SIZE + 1), 14)
    known: set[int] = set()
    while failing and await paused(engine) is None:
        count = chance.randint(1, 3)
        new, failing = failing[:count], failing[count:]
        other = [job + SIZE for job in new]
        await fail(engine, new + other)
        await look_at_failures(engine, new + other, later(5))
        known |= set(new)
        worst = max(len(known & set(range(begin, begin + OF_LAST))) for begin in range(1, SIZE + 1))
        reason = f"breaker: {worst} of 10 messages in a row failed, most with 131026{ADVICE}"
        assert await paused(engine) == (reason if worst > MOST else None)
    assert known
    assert await paused(engine, run=2) is None


async def test_of_two_who_store_failures_at_the_same_time_the_later_sees_both(engine: Engine) -> None:
    """Neither's are enough by themselves."""
    await two_runs_in_turn(engine)
    await fail(engine, [1, 2])
    await fail(engine, [4])
    await look_at_failures(engine, [4], later(5))
    assert await paused(engine) is not None


async def test_a_run_that_is_over_stays_so(engine: Engine) -> None:
    await two_runs_in_turn(engine)
    async with writing(engine) as connection:
        await connection.execute(update(runs).values(state=RunState.COMPLETED))
    await fail(engine, [1, 2, 3, 4])
    await look_at_failures(engine, [1, 2, 3, 4], later(5))
    assert await paused(engine) is None


async def test_a_file_that_cannot_be_read_has_the_usual_breaker(engine: Engine) -> None:
    """25 % of 100; and the other run keeps its own."""
    await two_runs_in_turn(engine)
    async with writing(engine) as connection:
        await connection.execute(update(runs).where(runs.c.id == 2).values(spec="[]"))
    other = range(SIZE + 1, SIZE + 26)
    await fail(engine, [*other, 1, 2, 3])
    await look_at_failures(engine, [*other, 1, 2, 3], later(5))
    assert await paused(engine) is not None
    assert await paused(engine, run=2) is None
    await fail(engine, [SIZE + 60])
    await look_at_failures(engine, [SIZE + 60], later(5))
    assert await paused(engine, run=2) is not None

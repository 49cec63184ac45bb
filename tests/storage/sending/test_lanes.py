"""A lane has one owner; whoever slept through its lease can write nothing."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, open_engine, reading, writing
from storage.sending.due_runs import due_runs
from storage.sending.lanes import (
    LaneLost,
    Pause,
    ensure_lanes,
    hold_lane,
    note_last_call,
    note_sender_problem,
    note_sends,
    pause_lane,
    read_lanes,
    resume_lane,
    sender_recovered,
    take_lane,
)
from storage.tables.lanes import lanes
from tests.support.campaigns import later, spec, store_campaign


@pytest.fixture
async def lane(engine: Engine) -> str:
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
    return "ourvoice/shop"


async def take(
    engine: Engine, lane: str, holder: str, at: float, *, no_other_runner: bool = False
) -> int | None:
    async with writing(engine) as connection:
        return await take_lane(
            connection, lane, holder, later(at), later(at + 30), no_other_runner=no_other_runner
        )


async def test_a_lane_under_lease_is_not_given_away(engine: Engine, lane: str) -> None:
    assert await take(engine, lane, "one", 0) == 1
    assert await take(engine, lane, "two", 29) is None
    assert await take(engine, lane, "two", 30) == 2


async def test_proof_that_no_other_runner_lives_overrides_a_runners_lease(engine: Engine, lane: str) -> None:
    assert await take(engine, lane, "runner one", 0) == 1
    assert await take(engine, lane, "runner two", 1, no_other_runner=True) == 2


async def test_it_overrides_no_workers_lease(engine: Engine, lane: str) -> None:
    assert await take(engine, lane, "worker one", 0) == 1
    assert await take(engine, lane, "runner two", 29, no_other_runner=True) is None
    assert await take(engine, lane, "runner two", 30, no_other_runner=True) == 2


async def test_every_taking_gives_a_new_epoch(engine: Engine, lane: str) -> None:
    assert [await take(engine, lane, "one", at) for at in range(3)] == [1, 2, 3]


async def test_one_of_many_gets_it(engine: Engine, lane: str, database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(5)]
    epochs = await asyncio.gather(*(take(e, lane, f"worker {n}", 0) for n, e in enumerate(engines)))
    for other in engines:
        await other.dispose()
    assert sorted(epochs, key=str) == [1, None, None, None, None]


async def test_nothing_of_a_lost_lanes_transaction_stays(engine: Engine, lane: str) -> None:
    await take(engine, lane, "slept", 0)
    await take(engine, lane, "awake", 31)
    with pytest.raises(LaneLost):  # noqa: PT012
        async with writing(engine) as connection:
            await pause_lane(connection, lane, "written by a sleeper", None)
            await hold_lane(connection, lane, 1, later(60))
    async with reading(engine) as connection:
        assert await connection.scalar(select(lanes.c.paused_reason)) is None


async def test_making_lanes_again_keeps_them(engine: Engine, lane: str) -> None:
    await take(engine, lane, "one", 0)
    async with writing(engine) as connection:
        await ensure_lanes(connection, [lane, "ourvoice/other"])
        rows = await read_lanes(connection)
    assert {name: row.epoch for name, row in rows.items()} == {lane: 1, "ourvoice/other": 0}


async def test_a_pause_ends_at_its_time_or_by_hand(engine: Engine, lane: str) -> None:
    async with writing(engine) as connection:
        await pause_lane(connection, lane, "too fast", later(10))
        row = (await read_lanes(connection))[lane]
        assert (row.paused(later(9)), row.paused(later(10))) == (True, False)
        await pause_lane(connection, lane, "session is banned", None)
        assert (await read_lanes(connection))[lane].paused(later(10**6))
        await resume_lane(connection, lane)
        assert not (await read_lanes(connection))[lane].paused(later(10))


async def test_a_pause_is_not_shortened_by_one_that_ends_sooner(engine: Engine, lane: str) -> None:
    """The provider has asked for a day; then the database fails once, and the shift with it."""
    async with writing(engine) as connection:
        await pause_lane(connection, lane, "429", later(86_400))
        await pause_lane(connection, lane, "sending met an error", later(2))
        assert (await read_lanes(connection))[lane].paused_until == later(86_400)
        await pause_lane(connection, lane, "429", later(90_000))
        assert (await read_lanes(connection))[lane].paused_until == later(90_000)


async def test_a_healthy_sender_ends_no_pause_that_has_its_own_end(engine: Engine, lane: str) -> None:
    async with writing(engine) as connection:
        await pause_lane(connection, lane, "too fast", later(10))
        await resume_lane(connection, lane)
        assert (await read_lanes(connection))[lane].paused(later(9))


async def test_a_former_owner_cannot_pause_the_lane(engine: Engine, lane: str) -> None:
    await take(engine, lane, "slept", 0)
    await take(engine, lane, "awake", 31)
    async with writing(engine) as connection:
        await pause_lane(connection, lane, "met an error", None, holder="slept")
        assert (await read_lanes(connection))[lane].paused_reason is None
        await pause_lane(connection, lane, "met an error", None, holder="awake")
        assert (await read_lanes(connection))[lane].paused_reason == "met an error"


async def test_a_process_stopped_within_a_transaction_does_not_block_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.engine.IDLE_TRANSACTION", 0.5)
    asleep, awake = open_engine(postgres_url), open_engine(postgres_url)
    async with writing(asleep) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
    assert await take(asleep, "ourvoice/shop", "slept", 0) == 1
    with pytest.raises(DBAPIError):  # noqa: PT012
        async with writing(asleep) as connection:
            await hold_lane(connection, "ourvoice/shop", 1, later(60))  # and not a word more
            async with asyncio.timeout(5):
                assert await take(awake, "ourvoice/shop", "awake", 30) == 2
    await asleep.dispose()
    await awake.dispose()


async def test_the_next_owner_counts_from_a_call_that_began_late(engine: Engine, lane: str) -> None:
    async with writing(engine) as connection:
        await take_lane(connection, lane, "me", later(0), later(30), no_other_runner=False)
        await note_sends(connection, lane, later(5))
        for epoch, at in ((1, later(7)), (1, later(6)), (2, later(9))):
            await note_last_call(connection, lane, epoch, at)
        assert (await read_lanes(connection))[lane].last_sent_at == later(7)


async def test_a_pause_that_stays_is_ended_by_a_person_alone(engine: Engine, lane: str) -> None:
    async with writing(engine) as connection:
        await pause_lane(connection, lane, "refused again and again", None, stays=True)
        await pause_lane(connection, lane, "too fast", later(10))
        await sender_recovered(connection, lane)
        assert (await read_lanes(connection))[lane].paused_reason == "refused again and again"
        await resume_lane(connection, lane)
        assert not (await read_lanes(connection))[lane].paused(later(0))


async def test_a_sender_that_is_seen_to_ail_is_seen_to_recover(engine: Engine, lane: str) -> None:
    async with writing(engine) as connection:
        await pause_lane(connection, lane, "refused again and again", None, stays=True)
        await note_sender_problem(connection, lane, "the session is down")
        await sender_recovered(connection, lane)
        assert not (await read_lanes(connection))[lane].paused(later(0))


def test_of_several_pauses_the_longest_holds() -> None:
    stays, unwell = Pause("refused", None, stays=True), Pause("down", None)
    short, long = Pause("busy", later(1)), Pause("busy", later(2))
    assert [stays.outlasts(other) for other in (None, unwell, short)] == [True] * 3
    assert [other.outlasts(stays) for other in (unwell, short)] == [False] * 2
    assert [short.outlasts(unwell), long.outlasts(short), short.outlasts(long)] == [True, True, False]


async def test_a_lane_is_paused_for_its_shift_when_it_is_for_its_slices(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    now = later(10)
    for reason, until in product((None, "resting"), (None, later(9), now, later(11))):
        async with writing(engine) as connection:
            await connection.execute(update(lanes).values(paused_reason=reason, paused_until=until))
            row = (await read_lanes(connection))["ourvoice/shop"]
            due = await due_runs(connection, row.name, now)
        assert row.paused(now) == (due == []), (reason, until)

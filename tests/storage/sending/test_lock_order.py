"""Two who lock the same rows of PostgreSQL never wait for each other; SQLite has one writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from campaigns.states import JobState
from scheduler.actions.cloning import clone
from scheduler.actions.control import cancel, pause
from scheduler.actions.testing import start_test
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import replace_spec
from storage.database.engine import Connection, Engine, open_engine, reading, writing
from storage.runs.pausing import pause_run
from storage.runs.runs import expire_jobs
from storage.sending.intents import claim_due
from storage.sending.windows import wake_waiting
from storage.tables.audience import campaigns
from storage.tables.runs import jobs, runs
from tests.support.campaigns import later, phone, spec, store_campaign
from tests.support.databases import until_it_waits

LANE = "ourvoice/shop"


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[Engine, Engine]]:
    """Two who work on one database at the same time."""
    engine, other = open_engine(postgres_url), open_engine(postgres_url)
    yield engine, other
    await other.dispose()
    await engine.dispose()


async def launched(engine: Engine, *names: str) -> None:
    """Runs 1, 2, … of two jobs each: 1 and 2, 3 and 4, …; the later job is due first."""
    for name in names:
        await store_campaign(engine, spec(name), 2)
        await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        for job_id in range(1, 2 * len(names) + 1):
            due_at = later(60) - timedelta(seconds=job_id)
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(due_at=due_at))


async def expire(engine: Engine) -> int:
    async with writing(engine) as connection:
        await connection.execute(update(runs).values(expires_at=later(90)))
        return await expire_jobs(connection, later(100))


async def wake(engine: Engine) -> None:
    async with writing(engine) as connection:
        await wake_waiting(connection, [(LANE, phone(0)), (LANE, phone(1))], later(100))


async def claim(connection: Connection, run_id: int, most: int = 9) -> list[int]:
    return [job.id for job in await claim_due(connection, run_id, LANE, later(70), most)]


async def test_a_slice_that_takes_the_later_run_first_does_not_wait_for_an_expiry(
    two: tuple[Engine, Engine],
) -> None:
    engine, other = two
    await launched(engine, "first", "second")
    async with writing(engine) as connection:
        assert await claim(connection, 2) == [4, 3]
        expiring = asyncio.create_task(expire(other))
        await until_it_waits(engine)  # it holds 1 and 2 by now
        assert await claim(connection, 1) == []
    assert await expiring == 4


@pytest.mark.parametrize("rules", [("window", "window_unknown"), ("window_unknown", "window")])
async def test_a_slice_does_not_wait_for_who_wakes_its_jobs(two: tuple[Engine, Engine], rules: Any) -> None:
    engine, other = two
    await launched(engine, "first")
    async with writing(engine) as connection:
        for job_id, rule in enumerate(rules, 1):
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(held_by=rule))
    async with writing(engine) as connection:
        assert await claim(connection, 1, 1) == [2]
        waking = asyncio.create_task(wake(other))
        await until_it_waits(engine)  # it holds 1 by now
        assert await claim(connection, 1) == [2]
    await waking


async def test_a_slice_may_pause_the_run_that_a_person_is_cancelling(two: tuple[Engine, Engine]) -> None:
    engine, other = two
    await launched(engine, "first")
    async with writing(engine) as connection:
        await claim(connection, 1, 1)
        cancelling = asyncio.create_task(cancel(other, "first", now=lambda: later(80)))
        await until_it_waits(engine)  # for the claimed job
        await pause_run(connection, 1, "budget_reached", later(80))
    assert await cancelling == 2
    async with reading(engine) as connection:
        assert set(await connection.scalars(select(jobs.c.state))) == {JobState.CANCELLED.value}


async def test_a_cancel_that_waits_for_a_launch_cancels_its_run_too(two: tuple[Engine, Engine]) -> None:
    engine, other = two
    await store_campaign(engine, spec("first"), 2)
    async with writing(engine) as connection:
        locked = select(campaigns.c.id).where(campaigns.c.name == "first").with_for_update()
        await connection.execute(locked)
        cancelling = asyncio.create_task(cancel(other, "first", now=lambda: later(80)))
        await until_it_waits(engine)
        await launch_in(connection)
    assert await cancelling == 2
    async with reading(engine) as connection:
        assert await connection.scalar(select(runs.c.state)) == "cancelled"


async def test_a_pause_that_waits_for_a_launch_pauses_its_run_too(two: tuple[Engine, Engine]) -> None:
    engine, other = two
    await store_campaign(engine, spec("first"), 2)
    async with writing(engine) as connection:
        await connection.execute(select(campaigns.c.id).where(campaigns.c.id == 1).with_for_update())
        pausing = asyncio.create_task(pause(other, "first", now=lambda: later(80)))
        await until_it_waits(engine)
        await launch_in(connection)
    await pausing
    async with reading(engine) as connection:
        found = await connection.execute(select(runs.c.state, runs.c.reason))
        assert found.all() == [("paused", "paused by a person")]


@pytest.mark.parametrize("act", ["clone", "test"])
async def test_who_waits_for_a_load_takes_its_text_with_its_list(
    two: tuple[Engine, Engine], act: str
) -> None:
    engine, other = two
    await store_campaign(engine, spec("first"), 1)

    async def copy() -> None:
        if act == "test":
            await start_test(other, "first", ["+2290197000000"], now=lambda: later(80))
            return
        async with writing(other) as connection:
            await clone(connection, "first", "second", later(80))

    async with writing(engine) as connection:
        await replace_spec(connection, 1, spec("first", content={"text": "New"}), later(80))
        copying = asyncio.create_task(copy())
        await until_it_waits(engine)
    await copying
    table = campaigns if act == "clone" else runs
    async with reading(engine) as connection:
        stored = await connection.scalar(select(table.c.spec).order_by(table.c.id.desc()).limit(1))
    assert stored is not None
    assert '"text":"New"' in stored


async def launch_in(connection: Connection) -> None:
    from scheduler.clock.launch import start_run
    from storage.runs.runs import lock_due, move_on

    due = await lock_due(connection, 1)
    assert due is not None
    await start_run(connection, due, spec("first"), later(1), lateness=None)
    await move_on(connection, 1, later(1), launched=True, next_at=None)

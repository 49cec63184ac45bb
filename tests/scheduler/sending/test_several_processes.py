"""A lane that several processes work in turn: what each knows of it is its own, and the limits hold all the same."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from campaigns.time.clock import utc_now
from emulators.settings import Settings
from scheduler.clock.launch import launch_due
from scheduler.sending.lanes import LEASE, Lane, close_lanes, open_lanes
from scheduler.sending.shift import Shift
from storage.database.engine import Engine, reading, writing
from storage.sending.lanes import ensure_lanes
from storage.tables.lanes import lanes
from tests.acceptance.conftest import SESSION, InMemory
from tests.support.campaigns import account, job_rows, spec, store_campaign

LANE: Final = "ourvoice/shop"


@dataclass
class World:
    """One database and provider, and as many processes as a test wants."""

    engine: Engine
    folder: Path
    provider: InMemory = field(default_factory=lambda: InMemory(Settings.parse({})))
    opened: list[dict[str, Lane]] = field(default_factory=list)

    def process(self, name: str, **options: Any) -> Process:
        settings = account("http://emulator/ourvoice", self.folder / "key", SESSION)
        lanes = open_lanes({"ourvoice": settings}, transport=self.provider, **options)
        self.opened.append(lanes)
        return Process(self, f"worker {name}", lanes[LANE])

    async def campaign(self, size: int, **tables: Any) -> None:
        await store_campaign(self.engine, spec(**tables), size)
        await launch_due(self.engine)


@dataclass
class Process:
    world: World
    name: str
    lane: Lane

    def shift(self, stop: asyncio.Event | None = None, **options: Any) -> Shift:
        return Shift(
            self.world.engine,
            self.lane,
            self.name,
            stop or asyncio.Event(),
            no_other_runner=False,
            jitter=random.Random(1),
            **options,
        )

    async def send_one(self) -> None:
        """A shift that is stopped once one message has left."""
        stop = asyncio.Event()

        async def stop_then(_request: httpx.Request) -> None:
            stop.set()

        self.world.provider.before_send = stop_then
        await self.shift(stop).run()


@pytest.fixture
async def world(engine: Engine, tmp_path: Path) -> AsyncIterator[World]:
    made = World(engine, tmp_path)
    async with writing(engine) as connection:
        await ensure_lanes(connection, [LANE])
    yield made
    for opened in made.opened:
        await close_lanes(opened)


@pytest.mark.parametrize("pace", [{"delay_between": 300}, {"delay_between": 0, "rate": "200/min"}])
async def test_a_campaigns_limits_hold_where_processes_take_turns(world: World, pace: dict[str, Any]) -> None:
    await world.campaign(6, pace=pace)
    one, two = world.process("one"), world.process("two")
    for process in (one, two, one, one, two):
        await process.send_one()
    left = [message["left_at"] for message in await world.provider.ledger()]
    assert len(left) == 5
    assert min(later - sooner for sooner, later in pairwise(left)) >= 0.28


async def test_a_slow_campaign_goes_on_where_processes_take_turns_on_a_busy_lane(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.sending.shift.SHIFT", timedelta(seconds=0.2))
    await world.campaign(2, name="slow", pace={"delay_between": 60_000})
    await world.process("one").send_one()
    await world.campaign(1, name="busy")
    await world.process("one", now=lambda: utc_now() + timedelta(seconds=30)).send_one()
    await world.process("two", now=lambda: utc_now() + timedelta(seconds=61)).shift().run()
    assert len(await world.provider.ledger()) == 3


async def test_a_machine_that_wakes_from_sleep_sends_nothing_of_what_it_had_decided(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`time.monotonic` stands still meanwhile, and by it the lease runs on; others have taken the lane."""
    asleep = 0.0
    read = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: read(clock) + asleep)
    await world.campaign(5)
    one, two = world.process("one"), world.process("two", now=lambda: utc_now() + timedelta(minutes=10))

    async def sleep(_request: httpx.Request) -> None:
        nonlocal asleep
        if not asleep:
            asleep = 600.0
            await two.shift().lease.take()

    world.provider.before_send = sleep
    await one.shift().run()
    assert len(await world.provider.ledger()) == 1  # it was on its way
    states = Counter(row.state for row in await job_rows(world.engine))
    assert states == {"accepted": 1, "pending": 4}  # none is in doubt: it is known how each call ended


async def test_a_lane_is_kept_while_an_answer_takes_longer_than_a_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.sending.shift.KEEP", 0.01)
    passed = timedelta()
    clock: dict[str, Any] = {"now": lambda: utc_now() + passed}
    asked, answer = asyncio.Event(), asyncio.Event()

    async def take_long(_request: httpx.Request) -> None:
        asked.set()
        await answer.wait()

    world.provider.before_send = take_long
    await world.campaign(1)
    one, two = world.process("one", **clock), world.process("two", **clock)
    sending = asyncio.create_task(one.shift().run())
    await asked.wait()
    for _ in range(3):
        passed += LEASE * 0.75
        async with asyncio.timeout(10):
            while not await leased_beyond(world.engine, clock["now"]() + LEASE / 2):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await two.shift().lease.take() is None
    answer.set()
    await sending
    assert [row.state for row in await job_rows(world.engine)] == ["accepted"]


async def leased_beyond(engine: Engine, moment: datetime) -> bool:
    async with reading(engine) as connection:
        until: datetime | None = await connection.scalar(select(lanes.c.lease_until))
    return until is not None and until > moment


@pytest.mark.parametrize(("seconds", "state"), [(90, "accepted"), (400, "sending")])
async def test_an_answer_outlives_an_outage_of_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: int, state: str
) -> None:
    away = 0.0

    def refuse(_connection: object) -> None:
        if away > 0:
            raise OperationalError("BEGIN", {}, Exception("the database is gone"))

    async def sleep(pause: float) -> None:
        nonlocal away
        away -= pause

    async def cut(_request: httpx.Request) -> None:
        nonlocal away
        away = seconds

    await world.campaign(1)
    world.provider.before_send = cut
    event.listen(world.engine.sync_engine, "begin", refuse)
    monkeypatch.setattr("scheduler.sending.outcome_store.asyncio", SimpleNamespace(sleep=sleep))
    with pytest.raises(OperationalError):
        await world.process("one").shift().run()
    away = 0
    assert [row.state for row in await job_rows(world.engine)] == [state]


async def test_an_answer_that_comes_after_the_lane_was_taken_ends_the_doubt(world: World) -> None:
    """A refused message is tried again, and one whose answer is lost stays in doubt."""
    one = world.process("one")
    two = world.process("two", now=lambda: utc_now() + timedelta(minutes=10))
    faults: list[dict[str, Any]] = [{}, {"kind": "429"}, {"kind": "reset_after"}]
    await world.campaign(3, pace={"delay_between": 0})
    one.lane.proven = {1: {("text", None)}}

    async def take_lane(_request: httpx.Request) -> None:
        if len(faults) == 3:
            await two.shift().lease.take()
        if fault := faults.pop(0):
            await world.provider.tell("POST", "/_faults", {**fault, "times": 1})

    world.provider.before_send = take_lane
    await one.shift().run()
    states = Counter(row.state for row in await job_rows(world.engine))
    assert states == {"accepted": 1, "pending": 1, "in_doubt": 1}


async def test_waiting_for_a_transactions_turn_uses_up_no_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of lanes share a few connections to a server, and one writer's turn on SQLite."""
    waited, read = 0.0, time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: read(clock) + waited)

    def wait(_connection: object) -> None:
        nonlocal waited
        waited += LEASE.total_seconds()

    await world.campaign(3)
    event.listen(world.engine.sync_engine, "begin", wait)
    for _ in range(3):  # another transaction may begin while the calls leave
        await world.process("one").shift().run()
    assert len(await world.provider.ledger()) == 3

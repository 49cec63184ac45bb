"""A day without the runner, the database or the provider: what follows is what the campaign file says, nobody is
written to twice or lost, and no limit is exceeded afterwards. The day passes on a clock of its own; the limits are
judged by the emulator's ledger in real time, which is stricter: to it the outage took no longer than it did here."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from campaigns.outcomes import LONGEST_RETRY
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.pace import Rate
from scheduler.clock.progress import RunSummary
from scheduler.clock.runner import run
from storage.database.engine import Engine, reading
from storage.runs.occurrences import list_missed
from storage.sending.lanes import read_lanes
from tests.acceptance.conftest import World, hasten
from tests.support.campaigns import spec

pytestmark = pytest.mark.alone
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SIZE = 20
SENT_BEFORE = 5
GAP, RATE = 0.04, 14
"""The campaign's delay_between, and the sender's rate in a second."""
TOLERANCE = 0.02
BRIEF = {"schedule": {"expires_after": "12h"}}


@pytest.fixture(autouse=True)
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a message goes is for the pacer alone, which reads the real clock; a runner may look more often."""
    hasten(monkeypatch)


class Clock:
    """Runs as the real one does, and leaps when told to."""

    def __init__(self) -> None:
        self._zero = NOON - timedelta(seconds=time.monotonic())

    def __call__(self) -> datetime:
        return self._zero + timedelta(seconds=time.monotonic())

    def leap(self, to: datetime) -> None:
        self._zero += max(to - self(), timedelta())


class Unsteady(httpx.AsyncBaseTransport):
    """The provider behind a wire that can be cut: refused, or answering 503 to everything."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.down: str | None = None
        self.met = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.down is not None:
            self.met += 1
        if self.down == "refused":
            raise httpx.ConnectError("Connection refused", request=request)
        if self.down == "503":
            return httpx.Response(503, json={"message": "Service Unavailable"}, request=request)
        return await self._world.transport.handle_async_request(request)


def campaign(**tables: Any) -> CampaignSpec:
    return spec(**{"pace": {"delay_between": round(GAP * 1000)}, **tables})


async def go(world: World, clock: Clock, **options: Any) -> RunSummary:
    [sender] = world.account.senders
    paced = world.account.model_copy(
        update={"senders": [sender.model_copy(update={"rate": Rate(RATE, timedelta(seconds=1))})]}
    )
    given = {"until_idle": True, "wait_receipts": timedelta(0), "transport": world.transport}
    return await run(world.engine, {"ourvoice": paced}, now=clock, **{**given, **options})


async def after_some(world: World) -> asyncio.Event:
    """Set once SENT_BEFORE messages have left."""
    reached, count = asyncio.Event(), 0

    async def see(_request: httpx.Request) -> None:
        nonlocal count
        count += 1
        if count == SENT_BEFORE:
            reached.set()

    world.transport.before_send = see
    return reached


async def judge(world: World, *, rounds: int = 1) -> Counter[str]:
    """Nobody more often than `rounds` runs allow, no window of a second above the rate, no gap too short; how the jobs
    stand."""
    ledger = await world.ledger()
    assert max(Counter(message["to"] for message in ledger).values()) <= rounds
    left = sorted(message["left_at"] for message in ledger)
    assert min(later - sooner for sooner, later in pairwise(left)) >= GAP - TOLERANCE
    assert max(sum(start <= at < start + 1 - TOLERANCE for at in left) for start in left) <= RATE
    states = Counter(row.state for row in await world.jobs())
    gone = sum(count for state, count in states.items() if state in ("accepted", "sent", "delivered", "read"))
    assert gone == len(ledger)
    return Counter({**states, "gone": gone})


@pytest.mark.parametrize(
    ("tables", "becomes"),
    [
        ({}, "gone"),
        (BRIEF, "expired"),
        ({"hours": {"allow": "09:00-18:00"}}, "pending"),
    ],
)
async def test_after_a_day_without_a_runner(
    sqlite_world: World, tables: dict[str, Any], becomes: str
) -> None:
    world, clock = sqlite_world, Clock()
    await world.campaign(campaign(**tables), SIZE, start_at=NOON)
    await go(world, clock, stop=await after_some(world), until_idle=False)
    before = (await judge(world))["gone"]
    assert SENT_BEFORE <= before < SIZE
    clock.leap(NOON + timedelta(hours=40))  # four in the morning
    await go(world, clock)
    stands = await judge(world)
    assert stands[becomes] == SIZE - (before if becomes != "gone" else 0)
    if becomes == "pending":
        assert {row.held_by for row in await world.jobs()} == {None, "hours"}
        clock.leap(NOON + timedelta(hours=45))
        await go(world, clock)
        assert (await judge(world))["gone"] == SIZE


@pytest.mark.parametrize(
    ("catch_up", "again", "missed"),
    [
        ({}, 0, 2),
        ({"catch_up": "6h"}, 1, 1),
        pytest.param({"catch_up": "always"}, 1, 1, marks=pytest.mark.large),
        pytest.param({"catch_up": "never"}, 0, 2, marks=pytest.mark.large),
    ],
)
async def test_missed_runs_are_caught_up_as_the_file_configures(
    sqlite_world: World, catch_up: dict[str, str], again: int, missed: int
) -> None:
    """Two days and three hours: one run is 27 hours late and the other three."""
    world, clock = sqlite_world, Clock()
    daily = {"every": "1d", "starts_at": NOON, **catch_up}
    await world.campaign(campaign(schedule=daily), 6, start_at=NOON)
    await go(world, clock)
    clock.leap(NOON + 2 * DAY + timedelta(hours=3))
    await go(world, clock)
    assert (await judge(world, rounds=1 + again))["gone"] == 6 * (1 + again)
    async with reading(world.engine) as connection:
        late = await list_missed(connection, 1)
    assert [run.reason for run in late] == ["late"] * missed
    assert late[0].nominal_at == NOON + DAY


async def test_after_a_day_without_the_database(world: World) -> None:
    assert (await _without_database(world))["gone"] == SIZE


async def test_after_a_day_without_the_database_what_had_until_midnight_is_not_sent(
    sqlite_world: World,
) -> None:
    stands = await _without_database(sqlite_world, **BRIEF)
    assert stands["expired"] > 0
    assert stands["gone"] + stands["expired"] == SIZE


async def _without_database(world: World, **tables: Any) -> Counter[str]:
    clock = Clock()
    await world.campaign(campaign(**tables), SIZE, start_at=NOON)
    reached = await after_some(world)
    running = asyncio.create_task(go(world, clock))
    await reached.wait()
    with without(world.engine) as refused:
        await asyncio.sleep(0.5)
        clock.leap(NOON + DAY)
        await asyncio.sleep(0.5)
    assert refused
    await asyncio.wait_for(running, 20)
    return await judge(world)


@contextmanager
def without(engine: Engine) -> Iterator[list[None]]:
    """No transaction can be begun, as where the disk is full or the server gone; one for each that was refused."""
    refused: list[None] = []

    def refuse(_connection: Any) -> None:
        refused.append(None)
        raise OperationalError("BEGIN", {}, Exception("the database is gone"))

    event.listen(engine.sync_engine, "begin", refuse)
    try:
        yield refused
    finally:
        event.remove(engine.sync_engine, "begin", refuse)


@pytest.mark.parametrize(
    ("how", "tables", "becomes"),
    [
        ("503", {}, "gone"),
        pytest.param("refused", {}, "gone", marks=pytest.mark.large),
        ("refused", BRIEF, "expired"),
    ],
)
async def test_after_a_day_without_the_provider(
    sqlite_world: World, how: str, tables: dict[str, Any], becomes: str
) -> None:
    world, clock, wire = sqlite_world, Clock(), Unsteady(sqlite_world)
    await world.campaign(campaign(**tables), SIZE, start_at=NOON)
    reached = await after_some(world)
    running = asyncio.create_task(
        go(world, clock, transport=wire, until_idle=False, stop=(stop := asyncio.Event()))
    )
    await reached.wait()
    wire.down = how
    await _pass_a_day(world, clock)
    wire.down = None
    assert wire.met
    stop.set()
    await asyncio.wait_for(running, 10)
    clock.leap(clock() + LONGEST_RETRY)
    await go(world, clock)
    stands = await judge(world)
    assert stands["gone"] + stands["expired"] == SIZE
    assert stands["gone"] < SIZE if becomes == "expired" else stands["gone"] == SIZE


async def _pass_a_day(world: World, clock: Clock) -> None:
    """Six hours at a time: whenever the lane rests, will be retried after that, or has nothing left to send."""
    end, give_up_at = NOON + DAY, time.monotonic() + 15
    while clock() < end:
        assert time.monotonic() < give_up_at, "the lane neither rests nor is done"
        await asyncio.sleep(0.05)
        async with reading(world.engine) as connection:
            lane = (await read_lanes(connection))["ourvoice/shop"]
        if lane.paused(clock()):
            clock.leap(max(lane.paused_until or end, clock() + timedelta(hours=6)))
        elif not {"pending", "sending"} & {row.state for row in await world.jobs()}:
            clock.leap(clock() + timedelta(hours=6))

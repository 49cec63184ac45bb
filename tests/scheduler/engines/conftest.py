"""The engines under one suite: each as a clock meets it, with the hands that work its shifts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from campaigns.time.clock import utc_now
from emulators.settings import Settings
from scheduler.actions.approval import NO_GUARD
from scheduler.clock.duties import Duties
from scheduler.engines.base import Shifts
from scheduler.engines.embedded import Embedded
from scheduler.engines.lane_executor import LaneExecutor
from scheduler.engines.procrastinate import Queue, install, open_queue, serve
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from storage.database.changes import Changes, noticing_changes
from storage.database.engine import Engine, open_engine, writing
from storage.sending.lanes import ensure_lanes
from tests.acceptance.conftest import SESSION, InMemory
from tests.support.campaigns import account

SENDERS = ("shop", "help", "news")


@dataclass
class Bench:
    """One engine at work, its database, its lanes and its provider."""

    engine: Engine
    shifts: Shifts
    lanes: dict[str, Lane]
    transport: InMemory
    changes: Changes
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def duties(self) -> Duties:
        return Duties(
            self.engine,
            self.lanes,
            self.shifts,
            self.stop,
            utc_now,
            self.changes,
            guard=NO_GUARD,
            retention={},
            holder="clock",
            no_other_runner=lambda: False,
        )


@pytest.fixture(params=["embedded-sqlite", "embedded-postgresql", "procrastinate-postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("sqlite_url" if kind.endswith("sqlite") else "postgres_url"))


@pytest.fixture
async def bench(kind: str, url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    engine = open_engine(url)
    transport = InMemory(Settings.parse({}))
    senders = [{"name": name, "session_id": SESSION} for name in SENDERS]
    ourvoice = account("http://emulator/ourvoice", tmp_path / "key", SESSION, senders=senders)
    lanes = open_lanes({"ourvoice": ourvoice}, transport=transport)
    async with writing(engine) as connection:
        await ensure_lanes(connection, lanes)
    stop = asyncio.Event()
    hands = _embedded if kind.startswith("embedded") else _distributed
    async with noticing_changes(engine) as changes, hands(engine, lanes, stop) as shifts:
        yield Bench(engine, shifts, lanes, transport, changes, stop)
        stop.set()
        await shifts.drain()
    await close_lanes(lanes)
    await engine.dispose()


@asynccontextmanager
async def _embedded(engine: Engine, lanes: dict[str, Lane], stop: asyncio.Event) -> AsyncIterator[Shifts]:
    yield Embedded(LaneExecutor(engine, "runner test", stop), lanes, stop)


@asynccontextmanager
async def _distributed(engine: Engine, lanes: dict[str, Lane], stop: asyncio.Event) -> AsyncIterator[Shifts]:
    """A clock's queue and two workers, here in one process."""
    await install(engine)
    async with open_queue(engine) as clock, asyncio.TaskGroup() as workers:
        for number in range(2):
            workers.create_task(_worker(engine, lanes, f"worker {number}", stop))
        yield Queue(engine, clock, utc_now)
        stop.set()


async def _worker(engine: Engine, lanes: dict[str, Lane], name: str, stop: asyncio.Event) -> None:
    hand = LaneExecutor(engine, name, stop)

    async def work(lane: str) -> None:
        await hand.work(lanes[lane])

    async with open_queue(engine) as app:
        await serve(app, work, lanes, concurrency=2, stop=stop)

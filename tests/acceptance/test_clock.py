"""The machine's clock is set while it sends: nobody gets a message twice, none comes in a burst, and the sending goes
on as soon as the clock is right again; on both databases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

import campaigns.time.clock
from campaigns.time.clock import SteadyClock, utc_now
from scheduler.clock.runner import run
from storage.database.engine import Connection, open_engine
from storage.sending.workers import server_time
from tests.acceptance.conftest import SESSION, World
from tests.support.campaigns import account, spec

GAP = 0.03
SIZE = 40
STANDS = 0.4
"""Instead of the product's ten seconds."""
TWICE, MOMENT = 2.5 * STANDS, 0.5 * STANDS


class Machine:
    """A clock that is set while messages leave, and when each of them left."""

    def __init__(self) -> None:
        self.off = timedelta()
        self.left: list[float] = []
        self.right_at = 0.0
        self.tasks: list[asyncio.Task[None]] = []

    def __call__(self) -> datetime:
        return utc_now() + self.off

    def sets(self, *steps: tuple[timedelta, float]) -> Callable[[httpx.Request], Awaitable[None]]:
        """After the tenth message: to each of these differences for so many seconds, and right again."""

        async def before_send(_: httpx.Request) -> None:
            self.left.append(time.monotonic())
            if len(self.left) == 10:
                self.tasks.append(asyncio.create_task(self._set(steps)))

        return before_send

    async def _set(self, steps: tuple[tuple[timedelta, float], ...]) -> None:
        for self.off, seconds in steps:
            await asyncio.sleep(seconds)
        self.off, self.right_at = timedelta(), time.monotonic()


@pytest.fixture(autouse=True)
def believed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns.time.clock, "STANDS", STANDS)


@pytest.mark.parametrize(
    "steps",
    [
        # what each of these does, the two below do in turn
        pytest.param([(2, MOMENT)], marks=pytest.mark.large),
        pytest.param([(-2, MOMENT)], marks=pytest.mark.large),
        pytest.param([(2, TWICE)], marks=pytest.mark.large),
        pytest.param([(-3, TWICE)], marks=pytest.mark.large),
        [(30, TWICE), (-5, TWICE)],
        [(1, MOMENT), (-1, MOMENT), (1, MOMENT), (-1, MOMENT)],
    ],
)
async def test_a_clock_that_is_set_forward_and_back(world: World, steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    world.transport.before_send = machine.sets(*((timedelta(hours=h), s) for h, s in steps))
    await send_all(world, SteadyClock(machine))
    tens = [later - earlier for earlier, later in zip(machine.left, machine.left[10:], strict=False)]
    assert min(tens) >= 9 * GAP  # one of them may have been late on a busy machine
    assert next(at for at in machine.left if at > machine.right_at) - machine.right_at < STANDS + 2
    await asyncio.gather(*machine.tasks)


async def test_what_waits_since_the_clock_was_ahead_waits_no_longer(world: World) -> None:
    """The provider asks for a rest of a second while the clock is two hours ahead: it gets one of a second."""
    machine, refused = Machine(), []
    sets = machine.sets((timedelta(hours=2), TWICE))
    clock = SteadyClock(machine)

    async def before_send(request: httpx.Request) -> None:
        await sets(request)
        if machine.off and clock() - utc_now() > timedelta(hours=1) and not refused:
            refused.append(request)
            await world.tell("POST", "/_faults", {"kind": "429", "retry_after": 1, "times": 1})

    world.transport.before_send = before_send
    await send_all(world, clock)
    assert refused


async def test_a_machine_whose_clock_was_ahead_at_the_start(world: World) -> None:
    machine = Machine()
    machine.off = timedelta(hours=2)
    world.transport.before_send = machine.sets((timedelta(), 0))
    await send_all(world, SteadyClock(machine))


async def send_all(world: World, clock: SteadyClock) -> None:
    """Run until every message has been taken, each once."""
    await world.campaign(spec(pace={"delay_between": round(GAP * 1000)}), SIZE)
    stop = asyncio.Event()
    running = asyncio.create_task(world.run(now=clock, until_idle=False, stop=stop))
    for _ in range(400):
        if len(await world.ledger()) == SIZE:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(5 * GAP)  # a second copy would leave now
    stop.set()
    await running
    phones = [job.phone for job in await world.jobs()]
    assert sorted(f"+{message['to']}" for message in await world.ledger()) == sorted(phones)
    assert {job.attempts for job in await world.jobs()} <= {1, 2}


@pytest.mark.parametrize("ahead", [timedelta(days=3), timedelta(days=-3)])
async def test_a_runner_goes_by_the_clock_of_the_database_server(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ahead: timedelta
) -> None:
    """The clock of its own machine may be days off."""

    async def shown(connection: Connection) -> datetime:
        return await server_time(connection) + ahead

    monkeypatch.setattr("scheduler.engines.shared_clock.server_time", shown)
    engine, shop = open_engine(postgres_url), account("http://emulator/ourvoice", tmp_path / "key", SESSION)
    looks: list[datetime] = []
    await run(engine, {"ourvoice": shop}, until_idle=True, progress=lambda found: looks.append(found.at))
    await engine.dispose()
    assert abs(looks[0] - utc_now() - ahead) < timedelta(minutes=1)

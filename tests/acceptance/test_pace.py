"""Promise 3, judged by the emulator's ledger over real sockets: never faster than allowed, and hardly slower."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from scheduler.clock.runner import run
from scheduler.sending.pacing import Pacer
from storage.database.engine import Engine, open_engine
from terminal.running import run_loop
from tests.support.arrivals import Arrivals, stamped_arrivals
from tests.support.campaigns import account, spec, store_campaign
from tests.support.emulator import Emulator, running_emulator

pytestmark = pytest.mark.alone

CLOCK_TOLERANCE = 0.02
"""Seconds that a request may be held up on its way more than the one before: two processes share two noisy cores."""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with running_emulator(sent_after=0.01, delivered_after=0.02, read_after=0.03) as running:
        yield running


async def send(
    engine: Engine, emulator: Emulator, folder: Path, size: int, content: str, **pace: object
) -> list[float]:
    """When each message left, by the emulator's clock."""
    await store_campaign(engine, spec(pace=pace, content={"text": content}), size)
    ourvoice = account(emulator.ourvoice, folder / "key", emulator.session_id)
    await run(engine, {"ourvoice": ourvoice}, until_idle=True, wait_receipts=timedelta(0))
    return sorted(message["left_at"] for message in emulator.ledger())


PERSONAL, IN_BATCHES = "Hi {{ first_name }}", "Hello all"


@pytest.mark.parametrize("content", [PERSONAL, pytest.param(IN_BATCHES, marks=pytest.mark.large)])
async def test_delay_between_500_holds_between_any_two_sends_and_costs_no_more(
    sqlite_engine: Engine, emulator: Emulator, tmp_path: Path, content: str
) -> None:
    left = await send(sqlite_engine, emulator, tmp_path, 8, content, delay_between=500)
    gaps = [later - sooner for sooner, later in pairwise(left)]
    assert len(left) == 8
    assert min(gaps) >= 0.5 - CLOCK_TOLERANCE
    assert (left[-1] - left[0]) / 7 <= 0.5 * 1.03


@pytest.mark.parametrize("content", [IN_BATCHES, pytest.param(PERSONAL, marks=pytest.mark.large)])
async def test_a_rate_holds_over_every_second_batches_included(
    sqlite_engine: Engine, emulator: Emulator, tmp_path: Path, content: str
) -> None:
    left = await send(sqlite_engine, emulator, tmp_path, 60, content, delay_between=0, rate="30/s")
    in_a_second = [sum(start <= moment < start + 1 - CLOCK_TOLERANCE for moment in left) for start in left]
    assert max(in_a_second) <= 30
    assert left[-1] - left[0] <= 60 / 30 * 1.1


def test_a_gap_of_few_milliseconds_is_no_longer_than_asked() -> None:
    """On the loop that the command runs on, whose own clock counts whole milliseconds: by it 8 came to 9."""

    async def main() -> float:
        pacer = Pacer([])
        pacer.admit(1, timedelta(milliseconds=8), None, idle=float("inf"))
        moments = []
        for _ in range(101):
            await pacer.turn(1)
            moments.append(time.monotonic())
        gaps = [later - sooner for sooner, later in pairwise(moments)]
        assert min(gaps) >= 0.0079
        return median(gaps)

    assert run_loop(main()) <= 0.008 * 1.06


STAMP_TOLERANCE = 0.001
"""Seconds. The kernel stamps a request while it is sent, so nothing on its way adds to this: it is for the clock alone,
which is the wall's and may be moved a little while the pacer's is not."""
HOGS = 2
"""Processes that never rest, and leave the processors to other tests that measure time whenever these want them."""
NEVER_REST = "import os; os.nice(19)\nwhile True: pass"


@contextmanager
def busy_machine() -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(HOGS):
            hog = stack.enter_context(subprocess.Popen([sys.executable, "-I", "-S", "-c", NEVER_REST]))
            stack.callback(hog.kill)
        yield


async def stall(dice: random.Random) -> None:
    """Hold the event loop up again and again, as a busy process does."""
    while True:
        time.sleep(dice.uniform(0, 0.02))  # noqa: ASYNC251
        await asyncio.sleep(dice.uniform(0, 0.02))


@pytest.fixture(scope="module")
def arrivals() -> Iterator[Arrivals]:
    with stamped_arrivals() as running:
        yield running


def arrived_while_busy(arrivals: Arrivals, folder: Path, url: str, size: int, **pace: object) -> list[float]:
    """When the messages of a campaign arrived, sent on a busy machine by a loop that stalls."""

    async def main() -> None:
        engine = open_engine(url)
        await store_campaign(engine, spec(provider="meta", pace=pace, content=TEMPLATE), size)
        stalling = asyncio.create_task(stall(random.Random(7)))
        accounts = {"meta": arrivals.account(folder)}
        await run(engine, accounts, until_idle=True, wait_receipts=timedelta(0))
        stalling.cancel()
        await engine.dispose()

    before = len(arrivals.times())
    with busy_machine():
        run_loop(main())
    came = arrivals.times()[before:]
    assert len(came) == size
    return came


TEMPLATE = {"template": {"name": "spring_sale", "language": "en", "parameters": ["{{ first_name }}"]}}


@pytest.mark.parametrize(
    ("pace", "gap", "size"),
    [
        ({"delay_between": 40}, 0.04, 30),
        pytest.param({"delay_between": 500}, 0.5, 4, marks=pytest.mark.large),
        ({"delay_between": 0, "rate": "25/s"}, 0.04, 30),
    ],
    ids=["40 ms", "500 ms", "25/s"],
)
def test_on_a_busy_machine_a_gap_holds_between_the_moments_at_which_requests_leave(
    arrivals: Arrivals, tmp_path: Path, sqlite_url: str, pace: dict[str, object], gap: float, size: int
) -> None:
    came = arrived_while_busy(arrivals, tmp_path, sqlite_url, size, **pace)
    assert min(later - sooner for sooner, later in pairwise(came)) >= gap - STAMP_TOLERANCE

"""Promise 3, judged by the emulator's ledger over real sockets: never faster than allowed, and hardly slower."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from scheduler.clock.runner import run
from scheduler.sending.pacing import Pacer
from storage.database.engine import Engine
from terminal.running import run_loop
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


@pytest.mark.parametrize("content", ["Hi {{ first_name }}", "Hello all"])
async def test_delay_between_500_holds_between_any_two_sends_and_costs_no_more(
    sqlite_engine: Engine, emulator: Emulator, tmp_path: Path, content: str
) -> None:
    left = await send(sqlite_engine, emulator, tmp_path, 11, content, delay_between=500)
    gaps = [later - sooner for sooner, later in pairwise(left)]
    assert len(left) == 11
    assert min(gaps) >= 0.5 - CLOCK_TOLERANCE
    assert (left[-1] - left[0]) / 10 <= 0.5 * 1.03


@pytest.mark.parametrize("content", ["Hi {{ first_name }}", "Hello all"])
async def test_a_rate_holds_over_every_second_batches_included(
    sqlite_engine: Engine, emulator: Emulator, tmp_path: Path, content: str
) -> None:
    left = await send(sqlite_engine, emulator, tmp_path, 90, content, delay_between=0, rate="30/s")
    in_a_second = [sum(start <= moment < start + 1 - CLOCK_TOLERANCE for moment in left) for start in left]
    assert max(in_a_second) <= 30
    assert left[-1] - left[0] <= 90 / 30 * 1.1


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

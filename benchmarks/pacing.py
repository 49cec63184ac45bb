"""A saturated lane at its rate: `python -m benchmarks pacing`. Judged from outside, by when the requests came in."""

from __future__ import annotations

import json
import logging
import sys
from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.figures import measured, show
from benchmarks.seeding import ACCOUNT, campaign, meta_account, new_database, store
from benchmarks.stub import stub_server
from scheduler.clock.runner import run
from storage.database.engine import open_engine
from terminal.running import run_loop

RATES: Final = (1, 20, 80, 1_000)
"""Messages a second: a phone on a gateway; what Meta gives to begin with; its standard; its most."""
SECONDS: Final = 8
ACHIEVED_BAR: Final = 0.97
ON_THE_WAY: Final = 0.02
"""Seconds that one request may be held up on its way longer than another: processes share noisy cores. A window is
taken so much shorter."""


def report(seconds: int = SECONDS) -> bool:
    """Print every figure; whether each bar is met."""
    print(f"pacing: a lane with more to send than it may, {seconds} s at each rate")
    well = True
    for rate in RATES:
        with stub_server() as stub:
            measured("pacing", stub.port, rate, rate * seconds + 1)
            came = sorted(stub.times())
        achieved = (len(came) - 1) / (came[-1] - came[0]) / rate
        most = worst_window(came, 1 - ON_THE_WAY)
        well &= show(f"{rate:,}/s: achieved of allowed", [achieved], at_least=ACHIEVED_BAR)
        well &= show(f"{rate:,}/s: most in any second", [most], "msg", below=rate + 1, digits=0)
    return well


def worst_window(times: Sequence[float], length: float) -> int:
    """The most that came within any stretch of so many seconds. `times` are sorted."""
    return max(bisect_left(times, start + length) - place for place, start in enumerate(times))


async def _send(port: int, rate: int, size: int) -> None:
    with new_database() as url, TemporaryDirectory() as folder:
        engine = open_engine(url)
        await store(engine, campaign(), size)
        accounts = {ACCOUNT: meta_account(port, Path(folder), rate=f"{rate}/s")}
        await run(engine, accounts, until_idle=True, wait_receipts=timedelta())
        await engine.dispose()


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # a sweep that is late says so
    run_loop(_send(*map(int, sys.argv[1:])))
    print(json.dumps({}))

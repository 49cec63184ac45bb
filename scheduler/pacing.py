"""How fast a lane may go: every limit composed, the tightest wins, and a stall is never followed by a burst.

The aiolimiter home. A `Bucket` is one limit; a `Pacer` asks all buckets of a send together, and takes from all of them
only when each has room, so that no token is drawn early and spent late.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from aiolimiter import AsyncLimiter

from campaigns.pace import Rate

SLICE: Final = 0.1
"""Seconds worth of sends that one slice commits ahead."""
LARGEST_SLICE: Final = 100
SHORTEST_GAP: Final = timedelta(milliseconds=1)
TICK: Final = 1e-6
"""Seconds; a shorter sleep may not move the clock at all."""
_STRICT_UP_TO: Final = 50
"""Sends per second up to which a rate is strict spacing. Above it the bucket holds one token more per 50/s, which makes
up for late timers, and leaks slower by as much, so that no window of a second ever holds more than the rate."""


class Bucket(AsyncLimiter):
    """One limit: `per_second` on average and never more than `tokens` at once."""

    def __init__(self, tokens: int, per_second: float) -> None:
        super().__init__(tokens, tokens / per_second)

    @property
    def per_second(self) -> float:
        """The pace that it settles at."""
        return self._rate_per_sec

    def ready_in(self) -> float:
        """Seconds until it has room for one more."""
        if self.has_capacity():
            return 0.0
        return (self._level + 1 - self.max_rate) / self._rate_per_sec

    async def wait(self) -> None:
        """Wait for room and take it: for a request that only this limit holds back."""
        await self.acquire()

    def prime(self, idle: float) -> None:
        """Begin as if it had been filled to the brim `idle` seconds ago: nothing is forgotten over a restart."""
        self.has_capacity()
        self._level = max(self._level, self.max_rate - idle * self._rate_per_sec, 0.0)


class Gap(Bucket):
    """The limit that `delay_between` is: never two sends closer than `gap`, and up to `jitter` longer at random."""

    def __init__(self, gap: timedelta, jitter: timedelta, dice: random.Random) -> None:
        super().__init__(1, 1 / (gap or SHORTEST_GAP).total_seconds())
        self._jitter = jitter.total_seconds()
        self._dice = dice

    async def acquire(self, amount: float = 1) -> None:
        await super().acquire(amount)
        self._level += self._dice.uniform(0, self._jitter) * self._rate_per_sec


def gap_bucket(gap: timedelta, jitter: timedelta, dice: random.Random) -> Gap | None:
    """None where there is neither a gap nor jitter."""
    return Gap(gap, jitter, dice) if gap or jitter else None


def rate_bucket(rate: Rate | None) -> Bucket | None:
    """At most `rate` in every window of its length (of a second, where it is faster than one a second)."""
    if rate is None:
        return None
    spare = int(rate.per_second / _STRICT_UP_TO)
    return Bucket(1 + spare, rate.per_second - spare)


NO_RUN: Final = 0
"""Asks for a turn that only the lane's and the account's limits hold back."""


class Pacer:
    """The limits of one lane: its own and its account's for every send, and those of the run that sends."""

    def __init__(self, shared: Iterable[Bucket | None], dice: random.Random | None = None) -> None:
        self._dice = dice or random.Random()  # noqa: S311
        self._shared = [bucket for bucket in shared if bucket is not None]
        self._runs: dict[int, list[Bucket]] = {}

    def prime(self, idle: float) -> None:
        """Start the lane's limits where the last send, `idle` seconds ago, left them."""
        for bucket in self._shared:
            bucket.prime(idle)

    def admit(
        self, run_id: int, gap: timedelta, rate: Rate | None, idle: float, jitter: timedelta = timedelta()
    ) -> None:
        """Make a run's own limits known; `idle` is how long ago the lane last sent, in seconds."""
        if run_id not in self._runs:
            own = [
                bucket
                for bucket in (gap_bucket(gap, jitter, self._dice), rate_bucket(rate))
                if bucket is not None
            ]
            for bucket in own:
                bucket.prime(idle)
            self._runs[run_id] = own

    def forget(self, keep: Iterable[int]) -> None:
        """Drop the limits of runs that have ended."""
        self._runs = {run_id: self._runs[run_id] for run_id in keep if run_id in self._runs}

    def ready_in(self, run_id: int) -> float:
        """Seconds until the run may send its next message."""
        return max((bucket.ready_in() for bucket in self._buckets(run_id)), default=0.0)

    def slice_size(self, run_id: int | None = None) -> int:
        """How many messages a slice may hold, of one run or of all: about 100 ms worth, at least one."""
        buckets = self._shared if run_id is None else self._buckets(run_id)
        paces = [bucket.per_second for bucket in buckets]
        return max(1, min(LARGEST_SLICE, math.floor(min(paces) * SLICE))) if paces else LARGEST_SLICE

    def spacing(self, run_id: int) -> timedelta:
        """The time between two sends of the run that its limits come to."""
        paces = [bucket.per_second for bucket in self._buckets(run_id)]
        return timedelta(seconds=1 / min(paces)) if paces else timedelta()

    async def turn(self, run_id: int) -> None:
        """Wait until every limit has room for one more message of the run, then take from all at once."""
        buckets = self._buckets(run_id)
        while (wait := self.ready_in(run_id)) > 0:  # noqa: ASYNC110
            await asyncio.sleep(max(wait, TICK))
        for bucket in buckets:
            await bucket.acquire()  # has room: does not suspend, so nobody comes between

    def _buckets(self, run_id: int) -> list[Bucket]:
        return [*self._shared, *self._runs.get(run_id, ())]

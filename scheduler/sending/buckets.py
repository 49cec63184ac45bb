"""One limit of sends. The aiolimiter home, loaded where something is sent: an estimate of the pace needs no library."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import Final

from aiolimiter import AsyncLimiter

from campaigns.time.pace import Rate
from scheduler.sending.pacing import SHORTEST_GAP

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

    def _leak(self) -> None:
        """As the library does, but by the system's clock: that of uvloop stands still for a whole millisecond."""
        now = time.monotonic()
        self._level = max(self._level - (now - self._last_check) * self._rate_per_sec, 0.0)
        self._last_check = now

    def ready_in(self) -> float:
        """Seconds until it has room for one more."""
        if self.has_capacity():
            return 0.0
        return (self._level + 1 - self.max_rate) / self._rate_per_sec

    def pause(self) -> float:
        """Seconds until it is worth trying again: at a fast rate until it has room for several, which are then sent in
        one step. That takes a quarter of the tokens that make up for late timers, so no room is lost meanwhile."""
        wait = self.ready_in()
        return wait and wait + (self.max_rate - 1) // 4 / self._rate_per_sec

    async def wait(self) -> None:
        """Wait for room and take it: for a request that only this limit holds back."""
        await self.acquire()

    def prime(self, idle: float) -> None:
        """Begin as if it had been filled to the brim `idle` seconds ago: nothing is forgotten over a restart."""
        self.has_capacity()
        self._level = max(self._level, self.max_rate - idle * self._rate_per_sec, 0.0)

    def take(self, count: int) -> None:
        """Take room for so many at once, whether or not there is that much: who comes next waits for all of it."""
        self._leak()
        self._level += count

    def retake(self, count: int) -> None:
        """The last call has left only now: count the next gap from here."""
        self._leak()
        self._level = max(self._level, float(count))


class Limit(Bucket):
    """A bucket that gives turns, and the same limit for requests that are written."""

    def __init__(self, tokens: int, per_second: float) -> None:
        super().__init__(tokens, per_second)
        self.exit = Bucket(tokens, per_second)

    def prime(self, idle: float) -> None:
        super().prime(idle)
        self.exit.prime(idle)


class Gap(Limit):
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


def rate_bucket(rate: Rate | None) -> Limit | None:
    """At most `rate` in every window of its length (of a second, where it is faster than one a second)."""
    if rate is None:
        return None
    spare = int(rate.per_second / _STRICT_UP_TO)
    return Limit(1 + spare, rate.per_second - spare)

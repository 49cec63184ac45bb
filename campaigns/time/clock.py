"""Time, injected everywhere: whoever needs to know it takes a `Now`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

Now = Callable[[], datetime]
"""Gives the present as an aware datetime in UTC."""

SLACK: Final = timedelta(seconds=2)
"""A difference up to this is drift, and followed at once; a larger one means that a clock was set."""
STANDS: Final = 10.0
"""Seconds for which a clock that was set must stand before it is believed."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class PutBack:
    """A clock that was ahead is right again."""

    by: timedelta
    since: datetime
    """From when on, by the clock that was ahead, what it told was wrong."""


class SteadyClock:
    """The time to work by: a clock that is read again and again, carried on by the monotonic one in between.

    A clock that is set, forward or back, is not believed before it has stood for STANDS seconds. Until then the time
    goes on as before and is not `settled`: who is about to send waits. So a clock that is wrong for a moment changes
    nothing, and after one that was wrong for longer the work goes on within seconds of its being right.
    """

    def __init__(self, read: Now = utc_now, ticks: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._ticks = ticks
        self._zero = read() - timedelta(seconds=ticks())
        self._since = read()
        """When it began to go by the clock as it stands."""
        self._step: tuple[timedelta, float] | None = None
        """By how much the clock was set, and since when it stands, by the monotonic clock."""
        self._put_back: PutBack | None = None

    def __call__(self) -> datetime:
        self._look()
        return self._present(self._ticks())

    @property
    def settled(self) -> bool:
        """Whether the time can be trusted."""
        self._look()
        return self._step is None

    @property
    def step(self) -> timedelta:
        """By how much the clock was set that is not believed yet."""
        return self._step[0] if self._step else timedelta()

    def take_put_back(self) -> PutBack | None:
        """What has been put right since the last time that this was asked, once."""
        told, self._put_back = self._put_back, None
        return told

    def _look(self) -> None:
        self.compare(self._read(), self._ticks())

    def compare(self, shown: datetime, ticks: float) -> None:
        """Take in what the clock showed at that moment of the monotonic one."""
        off = shown - self._present(ticks)
        if abs(off) <= SLACK:
            self._zero, self._step = self._zero + off, None
        elif self._step is None or abs(off - self._step[0]) > SLACK:
            self._step = (off, ticks)
        elif ticks - self._step[1] >= STANDS:
            self._follow(off, ticks)

    def _follow(self, off: timedelta, ticks: float) -> None:
        if off < timedelta():
            self._put_back = PutBack(-off, self._since)
        self._zero, self._step = self._zero + off, None
        self._since = self._present(ticks)

    def _present(self, ticks: float) -> datetime:
        return self._zero + timedelta(seconds=ticks)

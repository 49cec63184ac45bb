"""The current time, always injected: code that needs it takes a `Now`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from campaigns.frozen import frozen

NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
Now = Callable[[], datetime]
"""Returns the current time as an aware datetime in UTC."""

_ASLEEP_TOO: Final = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
"""The system's clock that nobody sets and that goes on while the machine sleeps: Linux has one of its own for that."""


def ticks() -> float:
    """Seconds by a clock that nobody sets, and that goes on while the machine sleeps, as `time.monotonic` does not on
    Linux and macOS. For what others may do meanwhile: a lease that ran out during the sleep is over."""
    return time.monotonic() if _ASLEEP_TOO is None else time.clock_gettime(_ASLEEP_TOO)


SLACK: Final = timedelta(seconds=2)
"""A difference up to this is drift and is followed at once; a larger one means that the clock was set."""
LOOK_EVERY: Final = 0.001
"""Seconds for which a comparison of the clocks is relied on: a call to a provider asks for the time thrice."""
STANDS: Final = 10.0
"""Seconds for which a clock that was set must stay consistent before it is trusted."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@frozen
class ClockCorrection:
    """A clock that was ahead has been set back."""

    by: timedelta
    since: datetime
    """From which time on, by the clock that was ahead, its times were wrong."""


class SteadyClock:
    """The time that the program works by: the system clock, checked repeatedly against the monotonic one.

    A clock that is set, forward or back, is not trusted before it has stayed consistent for STANDS seconds. Until then
    the time continues as before and is not `settled`, so sending waits. A clock that is wrong for a moment therefore
    changes nothing, and after a longer error the work continues within seconds of the correction.
    """

    def __init__(self, read: Now = utc_now, ticks: Callable[[], float] = ticks) -> None:
        self._read = read
        self._ticks = ticks
        self._zero = read() - timedelta(seconds=ticks())
        self._since = read()
        """Since when it follows the system clock as set now."""
        self._step: tuple[timedelta, float] | None = None
        """By how much the clock was set, and since when it has been consistent, by the monotonic clock."""
        self._correction: ClockCorrection | None = None
        self._looked_at = -math.inf
        """By the monotonic clock."""

    def __call__(self) -> datetime:
        ticks = self._ticks()
        self._look(ticks)
        return self._zero + timedelta(seconds=ticks)

    @property
    def settled(self) -> bool:
        """Whether the time can be trusted."""
        self._look(self._ticks())
        return self._step is None

    @property
    def step(self) -> timedelta:
        """By how much the clock was set, while that is not trusted yet."""
        return self._step[0] if self._step else timedelta()

    def take_correction(self) -> ClockCorrection | None:
        """The clock's correction since the last call, returned once."""
        correction, self._correction = self._correction, None
        return correction

    def _look(self, ticks: float) -> None:
        if ticks - self._looked_at >= LOOK_EVERY:
            self._looked_at = ticks
            self.compare(self._read(), ticks)

    def compare(self, shown: datetime, ticks: float) -> None:
        """Compare the system clock's time with the monotonic clock's at the same moment."""
        zero = shown - timedelta(seconds=ticks)
        off = zero - self._zero
        if -SLACK <= off <= SLACK:
            self._zero, self._step = zero, None
        elif self._step is None or abs(off - self._step[0]) > SLACK:
            self._step = (off, ticks)
        elif ticks - self._step[1] >= STANDS:
            self._follow(off, ticks)

    def _follow(self, off: timedelta, ticks: float) -> None:
        if off < timedelta():
            self._correction = ClockCorrection(-off, self._since)
        self._zero, self._step = self._zero + off, None
        self._since = self._zero + timedelta(seconds=ticks)

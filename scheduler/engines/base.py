"""What a clock needs of an engine, whole. An engine decides in which process a lane's shift is worked, nothing else:
the database decides what is due, and every engine runs shifts by `scheduler.sending.shift`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from storage.sending.lanes import DueLane


class Shifts(Protocol):
    """The shifts of all lanes. Nothing is lost with it: what it has forgotten, the next sweep wakes again."""

    async def wake(self, due: Sequence[DueLane]) -> None:
        """Start a shift for each of these lanes, at most one per lane at a time. May be called repeatedly with the same
        lanes. If there are fewer free workers than lanes, runs of higher priority go first, and runs of equal priority
        get equally many lanes."""
        ...

    async def free_dead_lanes(self) -> None:
        """Free the lanes whose shift has died."""
        ...

    async def busy(self) -> bool:
        """Whether a shift is under way or waits for its turn."""
        ...

    async def drain(self) -> None:
        """Wait for the shifts under way in this process to end."""
        ...

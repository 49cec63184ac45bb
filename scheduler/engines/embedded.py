"""The embedded engine: shifts are tasks of this process, at most one to a lane."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from campaigns.outcomes import retry_delay
from scheduler.lanes import Lane
from scheduler.shift import Shift
from storage.engine import Engine, writing
from storage.lanes import pause_lane

logger = logging.getLogger(__name__)


class Embedded:
    """Runs shifts in this process. `wake` is safe to call as often as one likes."""

    def __init__(self, engine: Engine, holder: str, stop: asyncio.Event) -> None:
        self._engine = engine
        self._holder = holder
        self._stop = stop
        self._shifts: dict[str, asyncio.Task[None]] = {}
        self._rest_until: dict[str, float] = {}
        self._jitter = random.Random()  # noqa: S311

    def wake(self, lane: Lane) -> None:
        """Start a shift of the lane unless one is under way or the last one asked for rest."""
        if lane.name in self._shifts or self._stop.is_set():
            return
        if time.monotonic() < self._rest_until.get(lane.name, 0.0):
            return
        task = asyncio.create_task(self._work(lane), name=f"shift {lane.name}")
        self._shifts[lane.name] = task
        task.add_done_callback(lambda _: self._shifts.pop(lane.name, None))

    @property
    def busy(self) -> bool:
        return bool(self._shifts)

    async def drain(self) -> None:
        """Wait for the shifts under way to end."""
        while self._shifts:
            await asyncio.wait(self._shifts.values())

    async def _excuse(self, lane: Lane, error: Exception) -> float:
        """Pause the lane with the reason, each time for longer; seconds to rest."""
        lane.failures += 1
        rest = retry_delay(lane.failures, None, self._jitter)
        try:
            async with writing(self._engine) as connection:
                reason = f"sending met an error ({type(error).__name__}); the log says where"
                await pause_lane(connection, lane.name, reason, lane.now() + rest)
        except Exception:
            logger.exception(
                "A lane could not be paused.", extra={"action": "pause_failed", "lane": lane.name}
            )
        return rest.total_seconds()

    async def _work(self, lane: Lane) -> None:
        shift = Shift(self._engine, lane, self._holder, self._stop, sole=True, jitter=self._jitter)
        try:
            rest = await shift.run()
        except Exception as error:
            logger.exception("A shift broke off.", extra={"action": "shift_failed", "lane": lane.name})
            rest = await self._excuse(lane, error)
        self._rest_until[lane.name] = time.monotonic() + rest

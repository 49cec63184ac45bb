"""The embedded engine: shifts are tasks of this process, at most one to a lane."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from scheduler.engines.lane_executor import LaneExecutor
from scheduler.sending.lanes import Lane
from storage.sending.lanes import DueLane


class Embedded:
    """All lanes are worked here, each as soon as it has something to do."""

    def __init__(self, hand: LaneExecutor, lanes: Mapping[str, Lane], stop: asyncio.Event) -> None:
        self._hand = hand
        self._lanes = lanes
        self._stop = stop
        self._shifts: dict[str, asyncio.Task[None]] = {}
        self._rest_until: dict[str, float] = {}

    async def wake(self, due: Sequence[DueLane]) -> None:
        for lane in due:
            self._start(lane.name)

    async def free_dead_lanes(self) -> None:
        """A shift here dies only with the process."""

    async def busy(self) -> bool:
        return bool(self._shifts)

    async def drain(self) -> None:
        while self._shifts:
            await asyncio.wait(self._shifts.values())

    def _start(self, name: str) -> None:
        resting = time.monotonic() < self._rest_until.get(name, 0.0)
        if name in self._shifts or resting or self._stop.is_set():
            return
        task = asyncio.create_task(self._work(name), name=f"shift {name}")
        self._shifts[name] = task
        task.add_done_callback(lambda _: self._shifts.pop(name, None))

    async def _work(self, name: str) -> None:
        rest = await self._hand.work(self._lanes[name])
        self._rest_until[name] = time.monotonic() + rest

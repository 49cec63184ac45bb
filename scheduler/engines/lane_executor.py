"""Runs shifts in this process, at most one to a lane, and lets no error of one reach the others."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from campaigns.log_ids import log_ids
from campaigns.outcomes import retry_delay
from scheduler.sending.lanes import Lane
from scheduler.sending.shift import Shift
from storage.database.engine import Engine, writing
from storage.database.health import first_line, is_outage
from storage.sending.lanes import pause_lane

logger = logging.getLogger(__name__)

BUSY: Final = 1.0
"""Seconds after which a lane that is at work here already is worth a try again."""


def always() -> bool:
    return True


def never() -> bool:
    return False


class LaneExecutor:
    """One process's part in the work. `holder` names it in `lanes`.

    `held`: whether it may still send at all. `no_other_runner`: whether no other embedded runner can be alive.
    `only_run`: send the messages of this run only.
    """

    def __init__(
        self,
        engine: Engine,
        holder: str,
        stop: asyncio.Event,
        *,
        held: Callable[[], bool] = always,
        no_other_runner: Callable[[], bool] = never,
        only_run: int | None = None,
    ) -> None:
        self.holder = holder
        self.no_other_runner = no_other_runner
        self._engine = engine
        self._stop = stop
        self._held = held
        self._only_run = only_run
        self._at_work: set[str] = set()
        self._jitter = random.Random()  # noqa: S311

    async def work(self, lane: Lane) -> float:
        """One shift of the lane; seconds until it is worth starting again."""
        if lane.name in self._at_work:  # its lease is ours, so the database would let us in
            return BUSY
        self._at_work.add(lane.name)
        try:
            with log_ids(lane=lane.name):
                return await self._shift(lane).run()
        except Exception as error:
            self._log("A shift failed", error, {"action": "shift_failed", "lane": lane.name})
            return await self._pause(lane, error)
        finally:
            self._at_work.discard(lane.name)

    def _shift(self, lane: Lane) -> Shift:
        return Shift(
            self._engine,
            lane,
            self.holder,
            self._stop,
            no_other_runner=self.no_other_runner(),
            held=self._held,
            jitter=self._jitter,
            only_run=self._only_run,
        )

    async def _pause(self, lane: Lane, error: Exception) -> float:
        """Pause the lane with the reason, longer each time; returns the pause in seconds."""
        lane.failures += 1
        rest = retry_delay(lane.failures, None, self._jitter)
        try:
            async with writing(self._engine) as connection:
                reason = f"sending met an error ({type(error).__name__}); it is tried again, the log has the details"
                await pause_lane(connection, lane.name, reason, lane.now() + rest, holder=self.holder)
        except Exception as failed:
            self._log("A lane could not be paused", failed, {"action": "pause_failed", "lane": lane.name})
        return rest.total_seconds()

    def _log(self, what: str, error: Exception, ids: dict[str, str]) -> None:
        """A database that is full or unreachable is not a bug: log a sentence without a traceback."""
        trace = None if is_outage(error) else error
        logger.error("%s: %s", what, first_line(error), exc_info=trace, extra=ids)

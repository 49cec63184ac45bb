"""The finished calls of a shift, and storing them in a database that may fail or refuse one of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane
from scheduler.sending.lease import Lease
from scheduler.sending.storing import store_finished, store_one_by_one
from storage.database.engine import Engine
from storage.database.health import is_refusal
from storage.sending.lanes import LaneLost

logger = logging.getLogger(__name__)

HAND_OVER_PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries to store a shift's last outcomes in a database that fails."""


class OutcomeStore:
    """Collects finished calls until they are stored."""

    def __init__(self, engine: Engine, lane: Lane, lease: Lease) -> None:
        self.finished = FinishedCalls()
        self._engine = engine
        self._lane = lane
        self._lease = lease

    @contextmanager
    def storing(self) -> Iterator[FinishedCalls]:
        """The calls finished so far, to be stored now; where that fails they are kept for the next try."""
        finished = self.finished
        self.finished = FinishedCalls(lane_pause=finished.lane_pause)
        try:
            yield finished
        except BaseException:
            self.finished = finished.joined(self.finished)
            raise

    async def store(self) -> None:
        """Store them without opening a slice."""
        if not self.finished:
            return
        try:
            with self.storing() as finished:
                await store_finished(self._engine, self._lane, self._lease.epoch, finished)
        except Exception as error:
            if not await self.is_refused(error):
                raise
            await self.store_one_by_one()

    async def is_refused(self, error: Exception) -> bool:
        """Whether the database may have refused one of the outcomes: the others are then stored without it."""
        has_outcomes = bool(self.finished.outcomes) and not isinstance(error, LaneLost)
        return has_outcomes and await is_refusal(self._engine, error)

    async def store_one_by_one(self) -> None:
        with self.storing() as finished:
            await store_one_by_one(self._engine, self._lane, self._lease.epoch, finished)

    async def store_patiently(self) -> None:
        """An answer that is not stored is a message in doubt: try again while the database fails."""
        for pause in HAND_OVER_PAUSES:
            try:
                await self.store()
                return
            except LaneLost:
                raise
            except Exception:
                logger.exception(
                    "Outcomes not stored.", extra={"action": "store_failed", "lane": self._lane.name}
                )
                await asyncio.sleep(pause)
        await self.store()

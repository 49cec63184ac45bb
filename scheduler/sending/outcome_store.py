"""The finished calls of a shift, and storing them in a database that may fail or refuse one of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from campaigns.outcomes import Accepted, Result
from campaigns.phones.user_ids import user_id_in
from campaigns.states import JobState
from scheduler.sending.breaker import look_at_failures
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane
from scheduler.sending.late_answers import store_late
from scheduler.sending.lease import Lease
from scheduler.sending.storing import store_finished, store_one_by_one
from storage.database.engine import Engine, writing
from storage.database.health import first_line, is_outage, is_refusal
from storage.receipts.user_ids import learn_numbers, learn_other_numbers
from storage.sending.lanes import LaneLost

logger = logging.getLogger(__name__)

PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries to store a shift's last outcomes in a database that fails."""
OUTAGE_PAUSES: Final = (8.0,) * 36
"""Those after them while the database is away, five minutes: to move a server to another machine takes one or two."""


@dataclass(slots=True)
class LearntNames:
    """Other names of the people written to, as the provider's answers show them."""

    user_ids: dict[str, str] = field(default_factory=dict)
    """The provider's id of a person -> their number."""
    numbers: dict[str, str] = field(default_factory=dict)
    """The number that was dialled -> the provider's number of the person."""

    def __bool__(self) -> bool:
        return bool(self.user_ids or self.numbers)


class OutcomeStore:
    """Collects finished calls until they are stored."""

    def __init__(self, engine: Engine, lane: Lane, lease: Lease) -> None:
        self.finished = FinishedCalls()
        self._learnt = LearntNames()
        self._failed: list[int] = []
        """Jobs whose failure is stored and has not been looked at by the breaker."""
        self._engine = engine
        self._lane = lane
        self._lease = lease

    @asynccontextmanager
    async def storing(self) -> AsyncIterator[FinishedCalls]:
        """The calls finished so far, to be stored now; where that fails they are kept for the next try. Then a run that
        fails too often is paused."""
        finished = self.finished
        self.finished = FinishedCalls(lane_pause=finished.lane_pause)
        try:
            yield finished
        except BaseException:
            self.finished = finished.joined(self.finished)
            raise
        await self._look_at_failures(finished)

    async def _look_at_failures(self, stored: FinishedCalls) -> None:
        """What was stored stays stored: where this fails, they are looked at with the next."""
        new = [one.intent.job.id for one in stored.outcomes if one.transition.state is JobState.FAILED]
        failed, self._failed = self._failed + new, []
        try:
            await look_at_failures(self._engine, failed, self._lane.now())
        except Exception as error:
            self._failed += failed
            ids = {"action": "breaker_failed", "lane": self._lane.name}
            logger.error("The breaker could not look at failures: %s", first_line(error), extra=ids)

    async def store(self) -> None:
        """Store them without opening a slice."""
        if not self.finished:
            return
        try:
            async with self.storing() as finished:
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
        async with self.storing() as finished:
            await store_one_by_one(self._engine, self._lane, self._lease.epoch, finished)

    def note_names(self, phone: str, result: Result) -> None:
        """Remember by which other names the provider knows the person, if its answer shows them."""
        if not isinstance(result, Accepted):
            return
        named = user_id_in(phone)
        number = result.number if named is not None else result.number or phone
        for user_id in {result.user_id, named} - {None}:
            if number is not None:
                self._learnt.user_ids[str(user_id)] = number
        if result.number is not None and named is None:
            self._learnt.numbers[phone] = result.number

    async def store_names(self) -> None:
        """Store these names, in a transaction of their own: webhooks store names before they lock jobs."""
        learnt, self._learnt = self._learnt, LearntNames()
        if learnt:
            async with writing(self._engine) as connection:
                account, now = self._lane.account.name, self._lane.now()
                await learn_other_numbers(connection, account, learnt.numbers, now)
                await learn_numbers(connection, account, learnt.user_ids, now)

    async def store_patiently(self, stop: asyncio.Event) -> None:
        """An answer that is not stored is a message in doubt: try again while the database fails; in an outage for
        minutes, unless the process is to stop."""
        for tried, pause in enumerate((*PAUSES, *OUTAGE_PAUSES)):
            try:
                await self.store()
                return
            except LaneLost:
                raise
            except Exception as error:
                away = is_outage(error)
                if tried >= len(PAUSES) and (stop.is_set() or not away):
                    raise
                ids = {"action": "store_failed", "lane": self._lane.name}
                trace = None if away else error
                logger.error("Outcomes not stored: %s", first_line(error), exc_info=trace, extra=ids)
            await asyncio.sleep(pause)
        await self.store()

    async def store_late(self) -> None:
        """Another process has the lane: what the answers say of messages that are in doubt since."""
        finished, self.finished = self.finished, FinishedCalls()
        settled = await store_late(self._engine, self._lane, finished)
        ids = {"action": "stored_late", "lane": self._lane.name, "jobs": settled}
        logger.info("Answers ended doubts after the lane was taken.", extra=ids)

"""The APScheduler home: the clock that does the duties of `scheduler.clock.duties` at their time, for as long as it holds the
runner's lock.

Its jobs live in memory and are rebuilt from our tables, and every duty is a sweep over due rows, so nothing depends on
a timer having fired: a timer that is late or lost is made up for by the next sweep.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from campaigns.errors import Locked
from campaigns.rules.decision import Cap
from campaigns.time.clock import Now, utc_now
from providers.http.client import Transport
from providers.settings import AccountSettings
from scheduler.actions.approval import NO_GUARD, Guard
from scheduler.clock.duties import Duties
from scheduler.clock.locks import Hold, runner_lock
from scheduler.clock.progress import RunSummary, Snapshot
from scheduler.clock.watch import Watch
from scheduler.engines.base import Shifts
from scheduler.engines.embedded import Embedded
from scheduler.engines.lane_executor import Hand
from scheduler.engines.presence import Presence
from scheduler.engines.shared_clock import shared_clock
from scheduler.sending.instrumentation import Observe, ignore
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.shift import wait_for_stop
from storage.database.engine import Engine, reading, writing
from storage.receipts.inbox import is_outage
from storage.runs.runs import next_start
from storage.sending.lanes import ensure_lanes

logger = logging.getLogger(__name__)

Duty = Callable[[], Coroutine[None, None, None]]
Progress = Callable[[Snapshot], None]

SWEEP: Final = 0.25
RECEIPTS: Final = 1.0
DOUBTS: Final = 1.0
WINDOWS: Final = 0.5
INBOX: Final = 1.0
SENDER_CHECK: Final = 5.0
KNOCK: Final = 1.0
"""Seconds between two tries to get the runner's lock."""
OUTAGE: Final = 60.0
"""Seconds for which an embedded runner that lost its lock with the database tries to get it back."""


async def run(
    engine: Engine,
    accounts: Mapping[str, AccountSettings],
    *,
    distributed: bool = False,
    until_idle: bool = False,
    wait_receipts: timedelta = timedelta(seconds=10),
    house_caps: tuple[Cap, ...] = (),
    guard: Guard = NO_GUARD,
    stop: asyncio.Event | None = None,
    progress: Progress | None = None,
    transport: Transport | None = None,
    now: Now = utc_now,
    observe: Observe = ignore,
) -> RunSummary:
    """Drive every campaign of the database until stopped, or with `until_idle` until nothing is left to do now.

    `distributed`: only keep the clock, workers send; where another clock leads, wait until it is gone.
    Raises Locked where another runner is at work, UsageError where a secret or the queue's tables are missing.
    """
    if distributed:
        now = await shared_clock(engine)
    lanes = open_lanes(
        accounts,
        house_caps=house_caps,
        transport=transport,
        now=now,
        observe=observe,
        shared_on=engine if distributed else None,
    )
    runner = Runner(engine, lanes, stop or asyncio.Event(), now, guard=guard, distributed=distributed)
    try:
        return await runner.run(until_idle, wait_receipts, progress)
    finally:
        await close_lanes(lanes)


class Runner:
    """One runner's life: embedded, or a clock's."""

    def __init__(
        self,
        engine: Engine,
        lanes: Mapping[str, Lane],
        stop: asyncio.Event,
        now: Now,
        *,
        guard: Guard,
        distributed: bool,
    ) -> None:
        self.engine = engine
        self.lanes = lanes
        self.stop = stop
        self.now = now
        self.guard = guard
        self.distributed = distributed
        self.presence = Presence(engine, "clock" if distributed else "runner", now)
        self.watch = Watch(engine, lanes, now)
        self.hold: Hold | None = None
        self.interrupted = False
        self.at_work: set[asyncio.Task[None]] = set()

    async def run(self, until_idle: bool, wait_receipts: timedelta, progress: Progress | None) -> RunSummary:
        async with AsyncExitStack() as stack:
            self.shifts = await stack.enter_async_context(self._engine())
            self.duties = Duties(
                self.engine,
                self.lanes,
                self.shifts,
                self.stop,
                self.now,
                guard=self.guard,
                holder=self.presence.name,
                sole=self._sole,
            )
            interrupted = await self._lead_until_done(until_idle, wait_receipts, progress)
        return await self.watch.summary(interrupted=interrupted)

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[Shifts]:
        if self.distributed:
            from scheduler.engines.procrastinate import Queue, open_queue  # not loaded where it is not used

            async with open_queue(self.engine) as app:
                yield Queue(self.engine, app, self.now)
            return
        hand = Hand(self.engine, self.presence.name, self.stop, held=self._held, sole=self._sole)
        yield Embedded(hand, self.lanes, self.stop)

    def _held(self) -> bool:
        return self.hold is not None and self.hold.held

    def _sole(self) -> bool:
        """Whether no other embedded runner can be alive."""
        return self.hold is not None and self.hold.held and self.hold.settled

    async def _lead_until_done(
        self, until_idle: bool, wait_receipts: timedelta, progress: Progress | None
    ) -> bool:
        """Lead, and lead again whenever the lock was lost; whether it was a stop that ended it."""
        patience = float("inf") if self.distributed else 0.0
        async with self.presence.told():
            while True:
                async with AsyncExitStack() as stack:
                    self.hold = await self._knock(stack, patience)
                    if self.hold is None:
                        return True
                    if await self._lead_through_outages(self.hold, until_idle, wait_receipts, progress):
                        return self.interrupted
                await self.presence.tell(leads=False)
                patience = max(patience, OUTAGE)

    async def _knock(self, stack: AsyncExitStack, patience: float) -> Hold | None:
        """Get the lock, trying for `patience` seconds; None where a stop came first."""
        give_up_at = time.monotonic() + patience
        while True:
            try:
                return await stack.enter_async_context(runner_lock(self.engine))
            except Exception as error:
                if not isinstance(error, Locked) and not is_outage(error):
                    raise
                if time.monotonic() >= give_up_at:
                    raise
            if await wait_for_stop(self.stop, KNOCK):
                return None

    async def _lead_through_outages(
        self, hold: Hold, until_idle: bool, wait_receipts: timedelta, progress: Progress | None
    ) -> bool:
        try:
            return await self._lead(hold, until_idle, wait_receipts, progress)
        except Exception as error:
            if self.stop.is_set() or not is_outage(error):
                raise
            logger.warning("The database does not answer: %s", error, extra={"action": "no_database"})
            return False

    async def _lead(
        self, hold: Hold, until_idle: bool, wait_receipts: timedelta, progress: Progress | None
    ) -> bool:
        """Do the duties until a stop, or until nothing is left to do; False where the lock was lost before."""
        async with writing(self.engine) as connection:
            await ensure_lanes(connection, self.lanes)
        await self.presence.tell(leads=True)
        watching = asyncio.create_task(self._watch(until_idle, wait_receipts, progress))
        losing = asyncio.create_task(hold.lost())
        self._start_clock()
        lost = False
        try:
            await asyncio.wait({watching, losing}, return_when=asyncio.FIRST_COMPLETED)
            lost = not watching.done()
        finally:
            self.interrupted = self.stop.is_set()
            if not lost:
                self.stop.set()
            await self._stop_clock(at_once=lost)
            await _end(watching, losing)
            await self.shifts.drain()
        if lost:
            losing.result()
            logger.warning("The runner's lock was lost.", extra={"action": "lead_lost"})
            return False
        watching.result()
        await self.duties.finish_runs()
        return True

    def _start_clock(self) -> None:
        self.clock = AsyncIOScheduler(
            executors={"default": AsyncIOExecutor()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )
        duties: list[tuple[Duty, float]] = [
            (self._sweep, SWEEP),
            (self.duties.fetch_receipts, RECEIPTS),
            (self.duties.settle_doubts, DOUBTS),
            (self.duties.ask_windows, WINDOWS),
            (self.duties.take_up_webhooks, INBOX),
            (self.duties.check_senders, SENDER_CHECK),
        ]
        for duty, seconds in duties:
            trigger = IntervalTrigger(seconds=seconds)
            self.clock.add_job(self._do, trigger, [duty], next_run_time=datetime.now(self.clock.timezone))
        self.clock.start()

    async def _do(self, duty: Duty) -> None:
        """Do a duty while the lock is held; what the database's absence leaves undone, the next time does."""
        if self.stop.is_set() or not self._held():
            return
        task = asyncio.ensure_future(duty())
        self.at_work.add(task)
        task.add_done_callback(self.at_work.discard)
        await asyncio.wait({task})
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("A duty broke off.", exc_info=error, extra={"action": "duty_failed"})

    async def _stop_clock(self, *, at_once: bool) -> None:
        """Let the duties under way end: cancelled midway they would leave their connections in pieces. But `at_once`
        another clock may be doing them."""
        self.clock.pause()
        while under_way := self.at_work | self.duties.reading:
            if at_once:
                for task in under_way:
                    task.cancel()
            await asyncio.wait(under_way)
        self.clock.shutdown(wait=False)

    async def _watch(self, until_idle: bool, wait_receipts: timedelta, progress: Progress | None) -> None:
        while not self.stop.is_set():
            try:
                if await self._look(progress, until_idle, wait_receipts):
                    return
            except Exception as error:
                if not is_outage(error):
                    raise
                logger.warning("The database does not answer: %s", error, extra={"action": "no_database"})
            await self.watch.pause(self.stop)

    async def _look(self, progress: Progress | None, until_idle: bool, wait_receipts: timedelta) -> bool:
        """Show where the runs stand; whether nothing is left to do."""
        snapshot = await self.watch.look()
        if progress is not None:
            progress(snapshot)
        if not until_idle or not self.duties.senders_checked or await self.shifts.busy():
            return False
        return await self.watch.idle(wait_receipts)

    async def _sweep(self) -> None:
        """The sweep, and a date job for the next start, so that it is met to the moment and not to the sweep."""
        await self.duties.sweep()
        async with reading(self.engine) as connection:
            start = await next_start(connection, self.now())
        if start is not None:
            self.clock.add_job(
                self._do, DateTrigger(start), [self._sweep], id="next start", replace_existing=True
            )


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

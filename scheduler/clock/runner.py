"""The clock that does the duties of `scheduler.clock.duties` at their time, for as long as it holds the runner's lock.

Every duty is a sweep over due rows, again and again by the monotonic clock, so nothing depends on a timer having fired
or on what the machine's clock shows: a sweep that is late or lost is made up for by the next. While that clock is set
and not trusted yet, nothing is done that depends on the time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from campaigns.errors import Locked
from campaigns.rules.caps import Cap
from campaigns.time.clock import Now, SteadyClock, utc_now
from providers.http.client import Transport
from providers.settings import AccountSettings
from scheduler.actions.approval import NO_GUARD, Guard
from scheduler.actions.purge import DeleteFiles
from scheduler.clock.duties import Duties
from scheduler.clock.locks import Hold, runner_lock
from scheduler.clock.notifier import Notifier, NotifyPlan
from scheduler.clock.progress import RunSummary, Snapshot
from scheduler.clock.supervision import Duty, Supervisor, cancelled
from scheduler.clock.watch import Watch
from scheduler.engines.base import Shifts
from scheduler.engines.embedded import Embedded
from scheduler.engines.lane_executor import LaneExecutor
from scheduler.engines.presence import Presence
from scheduler.engines.shared_clock import shared_clock
from scheduler.sending.instrumentation import Observe, ignore
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.shift import wait_for_stop
from storage.database.changes import noticing_changes
from storage.database.engine import Engine, writing
from storage.database.health import first_line, is_outage
from storage.database.origin import refuse_copy
from storage.sending.lanes import ensure_lanes

logger = logging.getLogger(__name__)

Progress = Callable[[Snapshot], None]

CLOCK_SET: Final = "The clock was set by %s. Nothing is sent until it has stood for some seconds."
SWEEP: Final = 0.25
RECEIPTS: Final = 1.0
DOUBTS: Final = 1.0
WINDOWS: Final = 0.5
INBOX: Final = 1.0
SENDER_CHECK: Final = 5.0
RETENTION: Final = 600.0
"""Seconds between two looks whether a day has passed."""
TEMPLATES: Final = 60.0
"""Seconds between two looks whether an account's list of templates is due."""
LIMITS: Final = 60.0
"""Seconds between two looks whether the limits of an account's senders are due."""
NOTIFY: Final = 5.0
LATELY: Final = 30.0
"""Seconds after its last sweep for which a runner is taken to be at work: to launch a long list takes a while."""
LOCK_RETRY: Final = 1.0
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
    default_caps: tuple[Cap, ...] = (),
    guard: Guard = NO_GUARD,
    retention: Mapping[str, timedelta] | None = None,
    delete_files: DeleteFiles | None = None,
    notify: NotifyPlan | None = None,
    stop: asyncio.Event | None = None,
    progress: Progress | None = None,
    transport: Transport | None = None,
    now: Now = utc_now,
    observe: Observe = ignore,
) -> RunSummary:
    """Drive every campaign of the database until stopped, or with `until_idle` until nothing is left to do now.

    `distributed`: only keep the clock, workers send; while another clock leads, wait until it ends.
    Raises Locked where another runner is at work, UsageError where a secret or the queue's tables are missing, Stopped
    where the database is a copy.
    """
    if distributed or (now is utc_now and engine.dialect.name == "postgresql"):
        now = await shared_clock(engine)
    elif now is utc_now:
        now = SteadyClock()
    lanes = open_lanes(
        accounts,
        default_caps=default_caps,
        transport=transport,
        now=now,
        observe=observe,
        shared_on=engine if distributed else None,
    )
    runner = Runner(
        engine,
        lanes,
        stop or asyncio.Event(),
        now,
        guard=guard,
        distributed=distributed,
        retention=retention or {},
        delete_files=delete_files,
        notify=notify or NotifyPlan(),
    )
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
        retention: Mapping[str, timedelta],
        delete_files: DeleteFiles | None,
        notify: NotifyPlan,
    ) -> None:
        self.engine = engine
        self.lanes = lanes
        self.stop = stop
        self.now = now
        self.guard = guard
        self.distributed = distributed
        self.retention = retention
        self.delete_files = delete_files
        self.presence = Presence(engine, "clock" if distributed else "runner", now, healthy=self._sweeps)
        self.notifier = Notifier(engine, notify, lanes, stop, now)
        self.swept_at = time.monotonic()
        self.doubted = False
        self.hold: Hold | None = None
        self.interrupted = False

    async def run(self, until_idle: bool, wait_receipts: timedelta, progress: Progress | None) -> RunSummary:
        async with AsyncExitStack() as stack:
            changes = await stack.enter_async_context(noticing_changes(self.engine))
            self.watch = Watch(self.engine, self.lanes, self.now, changes)
            self.shifts = await stack.enter_async_context(self._engine())
            self.duties = Duties(
                self.engine,
                self.lanes,
                self.shifts,
                self.stop,
                self.now,
                changes,
                guard=self.guard,
                retention=self.retention,
                holder=self.presence.name,
                no_other_runner=self._no_other_runner,
                delete_files=self.delete_files,
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
        executor = LaneExecutor(
            self.engine,
            self.presence.name,
            self.stop,
            held=self._may_work,
            no_other_runner=self._no_other_runner,
        )
        yield Embedded(executor, self.lanes, self.stop)

    def _held(self) -> bool:
        return self.hold is not None and self.hold.held

    def _may_work(self) -> bool:
        """Whether the lock is held, and the time known."""
        if not self._held():
            return False
        if not isinstance(self.now, SteadyClock):
            return True
        settled = self.now.settled
        if settled is self.doubted:
            self.doubted = not settled
            if settled:
                logger.info("The clock can be trusted again.", extra={"action": "clock_trusted"})
            else:
                logger.warning(CLOCK_SET, self.now.step, extra={"action": "clock_doubted"})
        return settled

    def _sweeps(self) -> bool:
        """Whether it has swept recently."""
        return time.monotonic() - self.swept_at < LATELY

    def _no_other_runner(self) -> bool:
        """Whether no other embedded runner can be alive."""
        return self.hold is not None and self.hold.held and self.hold.settled

    async def _lead_until_done(
        self, until_idle: bool, wait_receipts: timedelta, progress: Progress | None
    ) -> bool:
        """Lead, and lead again whenever the lock was lost; whether it was a stop that ended it."""
        patience = float("inf") if self.distributed else 0.0
        async with self.presence.announced():
            while True:
                async with AsyncExitStack() as stack:
                    self.hold = await self._acquire_lock(stack, patience)
                    if self.hold is None:
                        return True
                    if await self._lead_through_outages(self.hold, until_idle, wait_receipts, progress):
                        return self.interrupted
                await self.presence.announce(leads=False)
                patience = max(patience, OUTAGE)

    async def _acquire_lock(self, stack: AsyncExitStack, patience: float) -> Hold | None:
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
            if await wait_for_stop(self.stop, LOCK_RETRY):
                return None

    async def _lead_through_outages(
        self, hold: Hold, until_idle: bool, wait_receipts: timedelta, progress: Progress | None
    ) -> bool:
        try:
            return await self._lead(hold, until_idle, wait_receipts, progress)
        except Exception as error:
            if self.stop.is_set() or not is_outage(error):
                raise
            logger.warning(
                "The database does not answer: %s",
                first_line(error),
                extra={"action": "database_unavailable"},
            )
            return False

    async def _lead(
        self, hold: Hold, until_idle: bool, wait_receipts: timedelta, progress: Progress | None
    ) -> bool:
        """Do the duties until a stop, or until nothing is left to do; False where the lock was lost before."""
        async with writing(self.engine) as connection:
            await refuse_copy(connection, self.engine)
            await ensure_lanes(connection, self.lanes)
        self.swept_at = time.monotonic()
        await self.presence.announce(leads=True)
        watching = asyncio.create_task(self._watch(until_idle, wait_receipts, progress))
        losing = asyncio.create_task(hold.lost())
        supervisor = Supervisor(self.stop, self._may_work)
        supervisor.start(self._duties())
        lost = False
        try:
            await asyncio.wait({watching, losing}, return_when=asyncio.FIRST_COMPLETED)
            lost = not watching.done()
        finally:
            self.interrupted = self.stop.is_set()
            if not lost:
                self.stop.set()
            await supervisor.end(self.duties.reading, at_once=lost)
            await cancelled(watching, losing)
            await self.shifts.drain()
        if lost:
            losing.result()
            logger.warning("The runner's lock was lost.", extra={"action": "leadership_lost"})
            return False
        watching.result()
        await self.duties.finish_runs()
        if not self.interrupted:
            await self.notifier.finish()
        return True

    def _duties(self) -> list[Duty]:
        return [
            Duty(self._sweep, SWEEP, self._until_start),
            Duty(self.duties.fetch_receipts, RECEIPTS),
            Duty(self.duties.settle_doubts, DOUBTS),
            Duty(self.duties.ask_windows, WINDOWS),
            Duty(self.duties.process_webhooks, INBOX),
            Duty(self.duties.check_senders, SENDER_CHECK),
            Duty(self.duties.keep_retention, RETENTION),
            Duty(self.duties.template_lists.sync_due, TEMPLATES),
            Duty(self.duties.sender_limits.sync_due, LIMITS),
            Duty(self.notifier.notify, NOTIFY),
        ]

    def _until_start(self) -> float | None:
        """Seconds until the next start, at which the sweep comes at once."""
        start_at = self.duties.start_at
        return None if start_at is None else (start_at - self.now()).total_seconds()

    async def _watch(self, until_idle: bool, wait_receipts: timedelta, progress: Progress | None) -> None:
        while not self.stop.is_set():
            try:
                if await self._look(progress, until_idle, wait_receipts):
                    return
            except Exception as error:
                if not is_outage(error):
                    raise
                logger.warning(
                    "The database does not answer: %s",
                    first_line(error),
                    extra={"action": "database_unavailable"},
                )
            await self.watch.pause(self.stop)

    async def _look(self, progress: Progress | None, until_idle: bool, wait_receipts: timedelta) -> bool:
        """Show the progress; returns whether nothing is left to do."""
        snapshot = await self.watch.look()
        if progress is not None:
            progress(snapshot)
        begun = self.duties.senders_checked and self.duties.retention_kept
        if not until_idle or not begun or await self.shifts.busy():
            return False
        return await self.watch.idle(wait_receipts)

    async def _sweep(self) -> None:
        await self._put_right()
        await self.duties.sweep()
        self.swept_at = time.monotonic()

    async def _put_right(self) -> None:
        """After the clock was ahead and is right again, correct the times that were stored by it."""
        correction = self.now.take_correction() if isinstance(self.now, SteadyClock) else None
        if correction is not None:
            await self.duties.correct_times(correction)

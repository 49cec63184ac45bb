"""The APScheduler home: the clock that launches what is due, wakes lanes, asks for receipts and settles doubts.

Its jobs live in memory and are rebuilt from our tables, and every duty is a sweep over due rows, so nothing depends on
a timer having fired: a timer that is late or lost is made up for by the next sweep.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from campaigns.clock import Now, utc_now
from campaigns.errors import AccountError, DrumbeatError
from campaigns.rules.decision import Cap
from providers.http import Transport
from providers.settings import AccountSettings
from scheduler.breaker import Breakers
from scheduler.engines.embedded import Embedded
from scheduler.inbox import process_quietly
from scheduler.lanes import Lane, close_lanes, open_lanes
from scheduler.launch import launch_due
from scheduler.locks import sole_runner
from scheduler.progress import RunSummary, Snapshot
from scheduler.reconcile import reconcile_quietly
from scheduler.rescue import resolve_doubts
from scheduler.watch import Watch
from storage.dispatch import has_due_work
from storage.engine import Engine, reading, writing
from storage.lanes import ensure_lanes, pause_lane, read_lanes, resume_lane
from storage.receipts import has_orphans
from storage.runs import cancel_jobs, complete_runs, expire_jobs, next_start

logger = logging.getLogger(__name__)

Duty = Callable[[], Coroutine[None, None, None]]

SWEEP: Final = 0.25
RECEIPTS: Final = 1.0
DOUBTS: Final = 1.0
INBOX: Final = 1.0
SENDER_CHECK: Final = 5.0


async def run(
    engine: Engine,
    accounts: Mapping[str, AccountSettings],
    *,
    until_idle: bool = False,
    wait_receipts: timedelta = timedelta(seconds=10),
    house_caps: tuple[Cap, ...] = (),
    stop: asyncio.Event | None = None,
    progress: Callable[[Snapshot], None] | None = None,
    transport: Transport | None = None,
    now: Now = utc_now,
) -> RunSummary:
    """Drive every campaign of the database until stopped, or with `until_idle` until nothing is left to do now.

    Raises Locked where another runner is at work, UsageError where a secret is missing.
    """
    async with sole_runner(engine):
        lanes = open_lanes(accounts, house_caps=house_caps, transport=transport, now=now)
        try:
            async with writing(engine) as connection:
                await ensure_lanes(connection, lanes)
            return await Runner(engine, lanes, stop or asyncio.Event(), now).run(
                until_idle, wait_receipts, progress
            )
        finally:
            await close_lanes(lanes)


class Runner:
    """One embedded runner's life."""

    def __init__(self, engine: Engine, lanes: Mapping[str, Lane], stop: asyncio.Event, now: Now) -> None:
        self.engine = engine
        self.lanes = lanes
        self.stop = stop
        self.now = now
        self.shifts = Embedded(engine, f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}", stop)
        self.watch = Watch(engine, lanes, now)
        self.breakers = Breakers(engine, now)
        self.at_work: set[asyncio.Task[None]] = set()
        self.senders_checked = False
        """Whether the lanes that an earlier run left paused have been asked about: a mended one has work."""
        self.clock = AsyncIOScheduler(
            executors={"default": AsyncIOExecutor()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )

    async def run(
        self, until_idle: bool, wait_receipts: timedelta, progress: Callable[[Snapshot], None] | None
    ) -> RunSummary:
        self._start_clock()
        try:
            await self._watch(until_idle, wait_receipts, progress)
        finally:
            interrupted = self.stop.is_set()
            self.stop.set()
            await self._stop_clock()
            await self.shifts.drain()
        await self.finish_runs()
        return await self.watch.summary(interrupted=interrupted)

    def _start_clock(self) -> None:
        duties: list[tuple[Duty, float]] = [
            (self.sweep, SWEEP),
            (self.fetch_receipts, RECEIPTS),
            (self.settle_doubts, DOUBTS),
            (self.take_up_webhooks, INBOX),
            (self.check_senders, SENDER_CHECK),
        ]
        for duty, seconds in duties:
            trigger = IntervalTrigger(seconds=seconds)
            self.clock.add_job(self._do, trigger, [duty], next_run_time=datetime.now(self.clock.timezone))
        self.clock.start()

    async def _do(self, duty: Duty) -> None:
        if self.stop.is_set():
            return
        task = asyncio.ensure_future(duty())
        self.at_work.add(task)
        task.add_done_callback(self.at_work.discard)
        await task

    async def _stop_clock(self) -> None:
        """Let the duties under way end: cancelled midway they would leave their connections in pieces."""
        self.clock.pause()
        while self.at_work:
            await asyncio.wait(self.at_work)
        self.clock.shutdown(wait=False)

    async def _watch(
        self, until_idle: bool, wait_receipts: timedelta, progress: Callable[[Snapshot], None] | None
    ) -> None:
        while not self.stop.is_set():
            snapshot = await self.watch.look()
            if progress is not None:
                progress(snapshot)
            settled = self.senders_checked and not self.shifts.busy
            if until_idle and settled and await self.watch.idle(wait_receipts):
                return
            await self.watch.pause(self.stop)

    async def sweep(self) -> None:
        """Launch what is due, stop what fails too often, wake every lane with due work, close what is finished."""
        await launch_due(self.engine, now=self.now)
        await self.breakers.check()
        await self._wake_lanes()
        await self.finish_runs()
        await self._set_alarm()

    async def _wake_lanes(self) -> None:
        now = self.now()
        async with reading(self.engine) as connection:
            rows = await read_lanes(connection)
            due = [
                lane
                for name, lane in self.lanes.items()
                if await has_orphans(connection, name)
                or (not rows[name].paused(now) and await has_due_work(connection, name, now))
            ]
        for lane in due:
            self.shifts.wake(lane)

    async def finish_runs(self) -> None:
        now = self.now()
        async with writing(self.engine) as connection:
            await expire_jobs(connection, now)
            await cancel_jobs(connection, now)
            await complete_runs(connection, now)

    async def _set_alarm(self) -> None:
        """A date job for the next start, so that it is met to the moment and not to the sweep."""
        async with reading(self.engine) as connection:
            start = await next_start(connection)
        if start is not None:
            self.clock.add_job(
                self._do, DateTrigger(start), [self.sweep], id="next start", replace_existing=True
            )

    async def fetch_receipts(self) -> None:
        """Ask every provider that is asked about the messages it took."""
        polled = [lane for lane in self.lanes.values() if lane.adapter.capabilities.polls]
        await asyncio.gather(*(reconcile_quietly(self.engine, lane, self.stop) for lane in polled))

    async def take_up_webhooks(self) -> None:
        """Take up what webhooks have brought, whichever process stored them."""
        told = {
            lane.account.name: lane.account
            for lane in self.lanes.values()
            if lane.adapter.capabilities.webhooks
        }
        if told:
            await process_quietly(self.engine, told, now=self.now)

    async def settle_doubts(self) -> None:
        """Look up what is in doubt where the provider can be asked."""
        for lane in self.lanes.values():
            if lane.adapter.capabilities.looks_up or lane.adapter.capabilities.idempotent:
                await resolve_doubts(self.engine, lane, self.stop)

    async def check_senders(self) -> None:
        """Resume the lanes whose sender is well again."""
        async with reading(self.engine) as connection:
            rows = await read_lanes(connection)
        for name, lane in self.lanes.items():
            row = rows[name]
            if row.paused_reason is not None and row.paused_until is None:
                await self._check_sender(lane, row.paused_reason)
        self.senders_checked = True

    async def _check_sender(self, lane: Lane, shown: str) -> None:
        try:
            problem = await lane.adapter.sender_problem(lane.http, lane.sender)
        except AccountError as error:
            problem = str(error)
        except DrumbeatError:
            return
        if problem == shown:
            return
        async with writing(self.engine) as connection:
            if problem is None:
                await resume_lane(connection, lane.name)
            else:
                await pause_lane(connection, lane.name, problem, None)

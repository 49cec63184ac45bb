"""The periodic duties of a clock: launch what is due, wake lanes, ask for receipts, process webhooks, settle
doubts, check senders, delete data after its retention.

Every duty is a sweep over due rows, and two clocks that do the same one at once do no harm: each change is guarded by
the state it comes from.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from campaigns.errors import AccountError, DrumbeatError
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.clock import NEVER, ClockCorrection, Now
from scheduler.actions.approval import Guard
from scheduler.actions.purge import DeleteFiles, purge_daily
from scheduler.clock.launch import launch_due, launch_with_list
from scheduler.clock.refresh import judge_by
from scheduler.clock.supervision import do_part
from scheduler.clock.template_lists import TemplateLists
from scheduler.clock.variants import end_variant_tests
from scheduler.engines.base import Shifts
from scheduler.receipts.in_doubt import resolve_doubts
from scheduler.receipts.inbox import process_quietly
from scheduler.receipts.reconcile import reconcile_quietly
from scheduler.receipts.window_lookup import ask_windows
from scheduler.sending.lanes import LEASE, Lane
from scheduler.sending.sender_limits import SenderLimits
from storage.database.changes import Changes, Look
from storage.database.clock_steps import correct_clock_steps
from storage.database.engine import Connection, Engine, reading, writing
from storage.receipts.receipts import any_doubt, next_poll
from storage.runs.retries import any_arrived, skip_arrived
from storage.runs.runs import (
    DueCampaign,
    any_to_finish,
    cancel_jobs,
    complete_runs,
    expire_jobs,
    next_launch,
    next_start,
)
from storage.sending.coming import next_moment
from storage.sending.lanes import (
    due_lanes,
    note_sender_problem,
    read_lanes,
    sender_recovered,
)
from storage.sending.windows import any_unknown_window

logger = logging.getLogger(__name__)

LOOK_SHARE: Final = 0.05
"""The most of the time that is spent on looking for retries that need not be sent any more."""


class Duties:
    """One clock's duties. `holder` is the name under which shifts of its own process hold lanes."""

    def __init__(
        self,
        engine: Engine,
        lanes: Mapping[str, Lane],
        shifts: Shifts,
        stop: asyncio.Event,
        now: Now,
        changes: Changes,
        *,
        guard: Guard,
        retention: Mapping[str, timedelta],
        holder: str,
        no_other_runner: Callable[[], bool],
        delete_files: DeleteFiles | None = None,
    ) -> None:
        self.senders_checked = False
        """Whether the lanes that an earlier run left paused have been checked: one that can send again has work."""
        self.retention_kept = False
        """Whether it was done once: short runs purge too."""
        self.start_at: datetime | None = None
        """The next nominal time of any campaign, as of the last sweep."""
        self._look_for_arrivals_after = 0.0
        """By the monotonic clock."""
        self._engine = engine
        self._sweeping, self._polling, self._doubting, self._asking = (Look(changes, now) for _ in range(4))
        self._lanes = lanes
        self._shifts = shifts
        self._stop = stop
        self._now = now
        self._guard = guard
        self._retention = retention
        self._delete_files = delete_files
        self._check = judge_by(lanes)
        self._holder = holder
        self._no_other_runner = no_other_runner
        accounts = {lane.account.name: lane.account for lane in lanes.values()}.values()
        self.template_lists = TemplateLists(engine, accounts, stop, now)
        self.sender_limits = SenderLimits(engine, accounts, stop, now)
        self.reading: set[asyncio.Task[None]] = set()
        """Tasks that read a list, each named after its campaign, so that a slow list delays no other."""

    async def correct_times(self, correction: ClockCorrection) -> None:
        """The clock was ahead and is right again: plan again what was planned by the wrong time."""
        async with writing(self._engine) as connection:
            await correct_clock_steps(connection, correction, self._now(), LEASE)
        for lane in self._lanes.values():
            lane.look_after.clear()

    async def sweep(self) -> None:
        """Launch due runs, choose winners, wake lanes with due work, see when the next run starts, complete finished
        runs."""
        await self._sweeping.repeat(self._sweep)

    async def _sweep(self) -> datetime:
        """When there may be something to do again, if nothing is committed before."""
        began = self._now()
        launching = launch_due(
            self._engine, guard=self._guard, now=self._now, in_background=self._read_list_in_background
        )
        await do_part("launch", "all campaigns", launching)
        test_ends_at = await do_part("winners", "all runs", end_variant_tests(self._engine, now=self._now))
        await do_part("rescue", "all lanes", self._shifts.free_dead_lanes())
        none_due = await do_part("wake", "all lanes", self._wake_lanes())
        none_over = await self.finish_runs()
        if test_ends_at is None or not none_due or not none_over or await self._shifts.busy():
            return began
        async with reading(self._engine) as connection:
            launch_at = await next_launch(connection, began)
            return min(test_ends_at, launch_at, await next_moment(connection, began))

    def _read_list_in_background(self, campaign: DueCampaign, spec: CampaignSpec) -> None:
        if campaign.name in {task.get_name() for task in self.reading}:
            return
        task = asyncio.create_task(self._launch_with_list(campaign, spec), name=campaign.name)
        self.reading.add(task)
        task.add_done_callback(self.reading.discard)

    async def _launch_with_list(self, campaign: DueCampaign, spec: CampaignSpec) -> None:
        try:
            await launch_with_list(
                self._engine, campaign, spec, guard=self._guard, check=self._check, now=self._now, stop=self._stop
            )  # fmt: skip
        except Exception:
            logger.exception("A list could not be read.", extra={"action": "duty_failed"})

    async def _wake_lanes(self) -> bool:
        """Whether none has anything to do; while another runner may be alive, nothing is certain."""
        alone = self._no_other_runner()
        async with reading(self._engine) as connection:
            due = await due_lanes(
                connection, self._lanes.keys(), self._holder, self._now(), no_other_runner=alone
            )
            self.start_at = await next_start(connection, self._now())
        if due:
            await self._shifts.wake(due)
        return alone and not due

    async def finish_runs(self) -> bool:
        """End what is over: in a transaction each, since each locks its jobs, or runs, in an order of its own. There is
        seldom anything, and with SQLite whoever is going to write waits for those who send, and they for it. Whether
        there was certainly nothing."""
        now = self._now()
        async with reading(self._engine) as connection:
            over = [expire_jobs, cancel_jobs, complete_runs] if await any_to_finish(connection, now) else []
            found = await self._any_arrived(connection)
            arrived = [skip_arrived] if found else []
        for finish in (*arrived, *over):
            async with writing(self._engine) as connection:
                await finish(connection, now)
        return not over and found is False

    async def _any_arrived(self, connection: Connection) -> bool | None:
        """To look takes as long as many retries wait, perhaps for a day: it is done as often as that leaves time for
        the rest. None: it was not done."""
        began = time.monotonic()
        if began < self._look_for_arrivals_after:
            return None
        found = await any_arrived(connection)
        took = time.monotonic() - began
        self._look_for_arrivals_after = began + took / LOOK_SHARE
        return found

    async def keep_retention(self) -> None:
        """Once a day, delete what is older than `[retention]` allows."""
        try:
            deleted = await purge_daily(
                self._engine, self._now(), self._retention, self._stop, self._delete_files
            )
        finally:
            self.retention_kept = True
        if deleted and any(deleted.values()):
            counts = ", ".join(f"{count:,} {name}" for name, count in deleted.items() if count)
            logger.info("Old data was purged: %s.", counts, extra={"action": "old_data_purged"})

    async def fetch_receipts(self) -> None:
        """Poll receipts from every provider that is polled."""
        polled = [lane for lane in self._lanes.values() if lane.adapter.capabilities.polls]

        async def fetch() -> datetime:
            async with reading(self._engine) as connection:
                due_at = await next_poll(connection, [lane.name for lane in polled])
            if due_at <= self._now():
                await self._fetch_receipts(polled)
            return due_at

        if polled:
            await self._polling.repeat(fetch)

    async def _fetch_receipts(self, polled: Sequence[Lane]) -> None:
        asking = (
            do_part("receipts", lane.name, reconcile_quietly(self._engine, lane, self._stop))
            for lane in polled
        )
        await asyncio.gather(*asking)

    async def process_webhooks(self) -> None:
        """Process stored webhooks, whichever process stored them."""
        accounts = {
            lane.account.name: lane.account
            for lane in self._lanes.values()
            if lane.adapter.capabilities.webhooks
        }
        if accounts:
            await process_quietly(self._engine, accounts, now=self._now)

    async def settle_doubts(self) -> None:
        """Look up messages in doubt at providers that can be asked."""
        asked = [
            lane
            for lane in self._lanes.values()
            if lane.adapter.capabilities.looks_up or lane.adapter.capabilities.idempotent
        ]

        async def settle() -> datetime:
            began = self._now()
            async with reading(self._engine) as connection:
                if not await any_doubt(connection, [lane.name for lane in asked]):
                    return NEVER
            await _by_account("doubts", asked, lambda lane: resolve_doubts(self._engine, lane, self._stop))
            return began

        if asked:
            await self._doubting.repeat(settle)

    async def ask_windows(self) -> None:
        """Ask the providers that can be asked about windows that messages wait for."""
        asked = [lane for lane in self._lanes.values() if lane.adapter.capabilities.asks_window]

        async def ask() -> datetime:
            began = self._now()
            async with reading(self._engine) as connection:
                if not await any_unknown_window(connection, [lane.name for lane in asked]):
                    return NEVER
            asking = (do_part("windows", lane.name, ask_windows(self._engine, lane)) for lane in asked)
            await asyncio.gather(*asking)
            return began

        if asked:
            await self._asking.repeat(ask)

    async def check_senders(self) -> None:
        """Resume the lanes whose sender can send again."""
        async with reading(self._engine) as connection:
            rows = await read_lanes(connection)
        paused = {
            name: row.paused_reason
            for name, row in rows.items()
            if row.paused_reason and not row.paused_until
        }
        asked = [lane for name, lane in self._lanes.items() if name in paused]
        await _by_account("senders", asked, lambda lane: self._check_sender(lane, paused[lane.name]))
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
        async with writing(self._engine) as connection:
            if problem is None:
                await sender_recovered(connection, lane.name)
            else:
                await note_sender_problem(connection, lane.name, problem)


async def _by_account(duty: str, lanes: Iterable[Lane], work: Callable[[Lane], Awaitable[object]]) -> None:
    """Do the duty for the lanes of each account one after the other: a provider that does not answer holds up only its
    own."""
    accounts: dict[str, list[Lane]] = {}
    for lane in lanes:
        accounts.setdefault(lane.account.name, []).append(lane)

    async def each(of_account: Sequence[Lane]) -> None:
        for lane in of_account:
            await do_part(duty, lane.name, work(lane))

    await asyncio.gather(*map(each, accounts.values()))

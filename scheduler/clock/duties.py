"""What a clock sees to besides the time: launch what is due, wake lanes, ask for receipts, take up webhooks, settle
doubts, check senders.

Every duty is a sweep over due rows, and two clocks that do the same one at once do no harm: each change is guarded by
the state it comes from.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from campaigns.errors import AccountError, DrumbeatError
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.clock import Now
from scheduler.actions.approval import Guard
from scheduler.clock.breaker import Breakers
from scheduler.clock.launch import launch_due, launch_with_list
from scheduler.clock.refresh import judge_by
from scheduler.clock.variants import name_winners
from scheduler.engines.base import Shifts
from scheduler.receipts.in_doubt import resolve_doubts
from scheduler.receipts.inbox import process_quietly
from scheduler.receipts.reconcile import reconcile_quietly
from scheduler.receipts.window_lookup import ask_windows
from scheduler.sending.lanes import Lane
from storage.database.engine import Engine, reading, writing
from storage.runs.retries import skip_arrived
from storage.runs.runs import DueCampaign, cancel_jobs, complete_runs, expire_jobs
from storage.sending.lanes import due_lanes, pause_lane, read_lanes, resume_lane

logger = logging.getLogger(__name__)


class Duties:
    """One clock's duties. `holder` is the name under which shifts of its own process hold lanes."""

    def __init__(
        self,
        engine: Engine,
        lanes: Mapping[str, Lane],
        shifts: Shifts,
        stop: asyncio.Event,
        now: Now,
        *,
        guard: Guard,
        holder: str,
        sole: Callable[[], bool],
    ) -> None:
        self.senders_checked = False
        """Whether the lanes that an earlier run left paused have been asked about: a mended one has work."""
        self._engine = engine
        self._lanes = lanes
        self._shifts = shifts
        self._stop = stop
        self._now = now
        self._guard = guard
        self._judge = judge_by(lanes)
        self._holder = holder
        self._sole = sole
        self._breakers = Breakers(engine, now)
        self.reading: set[asyncio.Task[None]] = set()
        """Lists that are read, each for the campaign that the task is named after: a slow one keeps nobody waiting."""

    async def sweep(self) -> None:
        """Launch what is due, stop what fails too often, name winners, wake every lane with due work, close what is
        finished."""
        await launch_due(self._engine, guard=self._guard, now=self._now, apart=self._read_apart)
        await self._breakers.check()
        await name_winners(self._engine, now=self._now)
        await self._shifts.rescue()
        await self._wake_lanes()
        await self.finish_runs()

    def _read_apart(self, campaign: DueCampaign, spec: CampaignSpec) -> None:
        if campaign.name in {task.get_name() for task in self.reading}:
            return
        task = asyncio.create_task(self._launch_with_list(campaign, spec), name=campaign.name)
        self.reading.add(task)
        task.add_done_callback(self.reading.discard)

    async def _launch_with_list(self, campaign: DueCampaign, spec: CampaignSpec) -> None:
        try:
            await launch_with_list(
                self._engine, campaign, spec, guard=self._guard, judge=self._judge, now=self._now, stop=self._stop
            )  # fmt: skip
        except Exception:
            logger.exception("A list could not be read.", extra={"action": "duty_failed"})

    async def _wake_lanes(self) -> None:
        async with reading(self._engine) as connection:
            due = await due_lanes(
                connection, self._lanes.keys(), self._holder, self._now(), sole=self._sole()
            )
        if due:
            await self._shifts.wake(due)

    async def finish_runs(self) -> None:
        now = self._now()
        async with writing(self._engine) as connection:
            await expire_jobs(connection, now)
            await cancel_jobs(connection, now)
            await skip_arrived(connection, now)
            await complete_runs(connection, now)

    async def fetch_receipts(self) -> None:
        """Ask every provider that is asked about the messages it took."""
        polled = [lane for lane in self._lanes.values() if lane.adapter.capabilities.polls]
        await asyncio.gather(*(reconcile_quietly(self._engine, lane, self._stop) for lane in polled))

    async def take_up_webhooks(self) -> None:
        """Take up what webhooks have brought, whichever process stored them."""
        told = {
            lane.account.name: lane.account
            for lane in self._lanes.values()
            if lane.adapter.capabilities.webhooks
        }
        if told:
            await process_quietly(self._engine, told, now=self._now)

    async def settle_doubts(self) -> None:
        """Look up what is in doubt where the provider can be asked."""
        for lane in self._lanes.values():
            if lane.adapter.capabilities.looks_up or lane.adapter.capabilities.idempotent:
                await resolve_doubts(self._engine, lane, self._stop)

    async def ask_windows(self) -> None:
        """Ask the providers that can tell about windows that messages wait for."""
        asked = [lane for lane in self._lanes.values() if lane.adapter.capabilities.asks_window]
        await asyncio.gather(*(ask_windows(self._engine, lane, self._stop) for lane in asked))

    async def check_senders(self) -> None:
        """Resume the lanes whose sender is well again."""
        async with reading(self._engine) as connection:
            rows = await read_lanes(connection)
        for name, lane in self._lanes.items():
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
        async with writing(self._engine) as connection:
            if problem is None:
                await resume_lane(connection, lane.name)
            else:
                await pause_lane(connection, lane.name, problem, None)

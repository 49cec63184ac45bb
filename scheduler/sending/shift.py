"""One bounded stretch of one process draining one lane: the only code path that sends.

take the lane -> until the deadline: open a slice -> send it under the pacer -> collect -> at the end, store what is
left and release the lane. No transaction spans a call to the provider, and no call is made before its intent is stored.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from scheduler.sending.calls import CallsUnderWay
from scheduler.sending.lane_health import LaneHealth
from scheduler.sending.lanes import LEASE, Lane
from scheduler.sending.lease import Lease
from scheduler.sending.media import MediaUploads
from scheduler.sending.outcome_store import OutcomeStore
from scheduler.sending.pacing import LARGEST_SLICE, SLICE
from scheduler.sending.planned_calls import PlannedCall
from scheduler.sending.plans import Plans
from scheduler.sending.sender_limits import SenderLimits
from scheduler.sending.slicing import Slice, open_slice
from storage.database.engine import Connection, Engine, reading, writing
from storage.database.health import first_line
from storage.receipts.notices import keep_balance
from storage.runs.runs import open_runs
from storage.sending.lanes import LaneLost

logger = logging.getLogger(__name__)

SHIFT: Final = timedelta(seconds=25)
LONGEST_REST: Final = 1.0
"""Seconds; after them a shift checks again what may be sent: another campaign may have begun meanwhile."""
KEEP: Final = LEASE.total_seconds() / 3
"""Seconds between two renewals of the lease beside those of the slices."""
FAST: Final = 5
"""Messages to a slice from which on the next slice is opened while this one is sent."""


class Shift:
    """One shift of one lane. `run` is all that callers need."""

    def __init__(
        self,
        engine: Engine,
        lane: Lane,
        holder: str,
        stop: asyncio.Event,
        *,
        no_other_runner: bool,
        jitter: random.Random,
        held: Callable[[], bool] = lambda: True,
        only_run: int | None = None,
    ) -> None:
        self.engine = engine
        self.lane = lane
        self.stop = stop
        self.only_run = only_run
        self.plans = Plans(lane)
        self.lease = Lease(engine, lane, holder, no_other_runner=no_other_runner, held=held)
        self.store = OutcomeStore(engine, lane, self.lease)
        self.health = LaneHealth(engine, lane, self.store, jitter)
        self.calls = CallsUnderWay(
            lane, self.lease, self.health, self.store, MediaUploads(engine, lane), jitter
        )
        self.opening: asyncio.Task[Slice] | None = None
        """The next slice, being opened while this one is sent."""
        self.decided = asyncio.Event()
        """Set when that has been decided, and is about to be committed; or has failed."""
        self.answered = asyncio.Event()
        """Set when the shift makes no more calls, and all have been answered."""
        self.idle = 0.0
        self.paused = False

    async def run(self) -> float:
        """Drain the lane; seconds until it is worth starting again (0: as soon as something is due)."""
        await self._read_limits()
        if not await self._take():
            return LEASE.total_seconds()
        keeping = asyncio.create_task(self._keep_lane())
        try:
            if self.paused or not await self.health.sender_can_send():
                return 1.0
            return await self._drain(time.monotonic() + SHIFT.total_seconds())
        except LaneLost:
            logger.warning(
                "Another process took the lane.", extra={"action": "lane_lost", "lane": self.lane.name}
            )
            return LEASE.total_seconds()
        finally:
            try:
                await self._hand_over()
            finally:
                self.answered.set()
                await keeping

    async def _read_limits(self) -> None:
        """What the account may send must be known before anything is sent, if it can be; before the lane is taken,
        since a provider may take its time to answer."""
        try:
            await SenderLimits(self.engine, [self.lane.account], self.stop, self.lane.now).sync_due()
        except Exception as error:
            ids = {"action": "limits_failed", "account": self.lane.account.name}
            logger.error("The limits could not be read.", exc_info=error, extra=ids)

    async def _take(self) -> bool:
        now = self.lane.now()
        row = await self.lease.take()
        if row is None:
            return False
        self.paused = row.paused(now)
        self.idle = self.lane.start(row)
        async with reading(self.engine) as connection:
            self.lane.forget_runs({run.id for run in await open_runs(connection)})
        return True

    async def _keep_lane(self) -> None:
        """Until all calls are answered nobody else takes the lane, however long an answer takes: their messages would
        be in doubt, and might be sent again, while they are still under way."""
        while not await wait_for_stop(self.answered, KEEP):
            try:
                async with writing(self.engine) as connection:
                    await self.lease.keep(connection)
            except LaneLost:
                self.health.halted = True
                return
            except Exception as error:
                ids = {"action": "lane_not_kept", "lane": self.lane.name}
                logger.warning("The lane's lease could not be renewed: %s", first_line(error), extra=ids)

    async def _drain(self, deadline: float) -> float:
        while self.opening is not None or self._goes_on(deadline):
            piece = await self._next_slice()
            await self._send(piece, deadline)
            if self.opening is not None:
                continue
            if self.lane.probes and self.calls:
                await self.calls.wait_for_all()
            elif piece.claimed:
                await self._rest(self._ready_in(piece.runs))
            elif piece.blocked:
                await self._rest(self._ready_in(piece.blocked))
            elif self.calls:
                await self.calls.wait_for_one()
            elif not self.store.finished:
                return 0.0
        return 0.0

    def _goes_on(self, deadline: float) -> bool:
        return not self.stop.is_set() and not self.health.halted and time.monotonic() < deadline

    async def _send(self, piece: Slice, deadline: float) -> None:
        """Start the slice's calls. On a fast lane the next slice is opened meanwhile: at once where nothing holds back
        half of this one, else when a quarter of it has been started, as a transaction may last as long as the rest."""
        calls = piece.calls
        half, quarter = (len(calls) + 1) // 2, (len(calls) + 3) // 4
        if not self._is_fast(piece):
            await self._start(calls)
        elif self._starts_at_once(piece, half):
            self._begin_opening(deadline)
            await self._start(calls[:half])
            if self.opening is not None:  # the others are made while the database commits it
                await self.decided.wait()
            await self._start(calls[half:])
        else:
            await self._start(calls[:quarter])
            if quarter < len(calls):
                self._begin_opening(deadline)
            await self._start(calls[quarter:])

    def _starts_at_once(self, piece: Slice, half: int) -> bool:
        """Whether the slice is full, as the next may be, and half of it waits for nothing."""
        is_full = piece.claimed >= LARGEST_SLICE and half < len(piece.calls)
        return is_full and self.lane.pacer.pace == math.inf and self.calls.room >= half

    async def _start(self, calls: Sequence[PlannedCall]) -> None:
        for call in calls:
            await self.calls.start(call)

    def _is_fast(self, piece: Slice) -> bool:
        """Whether sending must not pause for a transaction."""
        runs = {call.run_id for call in piece.calls}
        sizes = [self.lane.pacer.slice_size(run_id) for run_id in runs]
        return min(sizes, default=0) >= FAST and self.lane.pacer.slots is None and not self.lane.probes

    def _begin_opening(self, deadline: float) -> None:
        if self._goes_on(deadline):
            self.decided.clear()
            self.opening = asyncio.create_task(self._open_ahead())

    async def _next_slice(self) -> Slice:
        opening, self.opening = self.opening, None
        return await (opening or self._open())

    async def _open_ahead(self) -> Slice:
        try:
            return await self._open()
        except BaseException:
            self.health.halted = True  # the lane may be lost: start no more calls of the current slice
            raise
        finally:
            self.decided.set()

    async def _open(self) -> Slice:
        try:
            return await self._open_once()
        except Exception as error:
            if not await self.store.is_refused(error):
                raise
        await self.store.store_one_by_one()
        return await self._open_once()

    async def _open_once(self) -> Slice:
        async with self.store.storing() as finished:
            piece = await open_slice(
                self.engine,
                self.lane,
                self.lease.epoch,
                self.plans,
                finished,
                idle=self.idle,
                only_run=self.only_run,
                on_decided=self.decided.set,
            )
        self.lease.renewed(piece.leased_at)
        return piece

    def _ready_in(self, run_ids: Iterable[int]) -> float:
        return min((self.lane.pacer.ready_in(run_id) for run_id in run_ids), default=0.0)

    async def _rest(self, wait: float) -> None:
        """Wait until the next slice may be opened; calls that finish by then are stored first where there is time."""
        if wait <= SLICE:
            await asyncio.sleep(0)
            return
        rest = min(wait - SLICE / 2, LONGEST_REST)
        until = time.monotonic() + rest
        await self.calls.wait_for_all(timeout=rest)
        await self.store.store()
        await wait_for_stop(self.stop, until - time.monotonic())

    async def _hand_over(self) -> None:
        """Let the calls under way end, store their results, and release the lane."""
        await self._withdraw_opened()
        while self.calls:
            await self.calls.wait_for_all()
        self.answered.set()
        try:
            await self.store.store_patiently(self.stop)
            await self.store.store_names()
            async with writing(self.engine) as connection:
                await self.lease.release(connection, self.calls.last_begun_at)
                await self._keep_balance(connection)
        except LaneLost:
            logger.warning(
                "The lane was taken before the last outcomes were stored.",
                extra={"action": "lane_lost", "lane": self.lane.name},
            )
            await self.store.store_late()

    async def _withdraw_opened(self) -> None:
        """Withdraw a slice that was opened ahead and is not sent any more, because the shift failed."""
        if self.opening is None:
            return
        opening, self.opening = self.opening, None
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            for call in opening.result().calls:
                self.store.finished.withdrawn += call.intents

    async def _keep_balance(self, connection: Connection) -> None:
        if (balance := self.calls.balance) is not None:
            account, now = self.lane.account.name, self.lane.now()
            await keep_balance(connection, account, balance.amount, balance.remaining_messages, now)


async def wait_for_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Sleep that a stop cuts short; whether it did."""
    try:
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))
    except TimeoutError:
        return False
    return True

"""One bounded stretch of one process draining one lane: the only code path that sends.

take the lane -> until the deadline: open a slice -> send it under the pacer -> collect -> at the end, store what is
left and release the lane. No transaction spans a call to the provider, and no call is made before its intent is kept.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from campaigns.errors import AccountError, DrumbeatError, Unavailable
from campaigns.log_ids import log_ids
from campaigns.outcomes import Accepted, FailureKind, Refused, Result, acknowledge, retry_delay
from providers.adapter import Balance
from providers.http.client import Answer, NotSent
from providers.http.transport import TOO_LATE
from scheduler.sending.first_refusals import note_result
from scheduler.sending.instrumentation import CallEnded
from scheduler.sending.lanes import LEASE, UNANSWERED, Lane
from scheduler.sending.pacing import SLICE
from scheduler.sending.plans import Plans
from scheduler.sending.slicing import (
    FinishedCalls,
    PlannedCall,
    Slice,
    open_slice,
    store_apart,
    store_finished,
)
from storage.database.engine import Connection, Engine, writing
from storage.database.health import is_refusal
from storage.receipts.notices import keep_balance
from storage.receipts.receipts import mark_orphans
from storage.sending.lanes import (
    LaneLost,
    Pause,
    note_last_call,
    pause_lane,
    read_lanes,
    release_lane,
    take_lane,
)
from storage.sending.outcomes import Outcome

logger = logging.getLogger(__name__)

SHIFT: Final = timedelta(seconds=25)
TRUSTED_LEASE: Final = 0.9 * LEASE.total_seconds()
"""Seconds that a lease is relied on: another process may take the lane when it is over, and a call takes its time to
leave."""
LONGEST_REST: Final = 1.0
"""Seconds; after them a shift looks again what may be sent: another campaign may have begun meanwhile."""
PROBE_AGAIN: Final = timedelta(minutes=5)
"""How long a sender rests that was refused a second time."""
MOST_REFUSALS: Final = 3
"""Refusals of the sender in a row after which only a person ends the pause."""
FAST: Final = 5
"""Messages to a slice from which on the next slice is opened while this one is sent."""
HAND_OVER_PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries to store a shift's last outcomes in a database that fails."""


class Shift:
    """One shift of one lane. `run` is all that callers need."""

    def __init__(
        self,
        engine: Engine,
        lane: Lane,
        holder: str,
        stop: asyncio.Event,
        *,
        sole: bool,
        jitter: random.Random,
        held: Callable[[], bool] = lambda: True,
    ) -> None:
        self.engine = engine
        self.lane = lane
        self.holder = holder
        self.stop = stop
        self.sole = sole
        self.held = held
        self.jitter = jitter
        self.plans = Plans(lane)
        self.ended = FinishedCalls()
        self.in_flight: set[asyncio.Task[None]] = set()
        self.opening: asyncio.Task[Slice] | None = None
        """The next slice, being opened while this one is sent."""
        self.epoch = 0
        self.held_until = 0.0
        self.idle = 0.0
        self.called_at: datetime | None = None
        """When the newest call began: on a machine that stalls, later than its slice said."""
        self.balance: Balance | None = None
        """What is left on the account, as an answer to a call has told last."""
        self.paused = False
        self.halted = False
        self.backed_off = False
        self.refused = False

    async def run(self) -> float:
        """Drain the lane; seconds until it is worth starting again (0: as soon as something is due)."""
        if not await self._take():
            return LEASE.total_seconds()
        try:
            if self.paused or not await self._sender_is_well():
                return 1.0
            return await self._drain(time.monotonic() + SHIFT.total_seconds())
        except LaneLost:
            logger.warning(
                "Another process took the lane.", extra={"action": "lane_lost", "lane": self.lane.name}
            )
            return LEASE.total_seconds()
        finally:
            await self._hand_over()

    async def _take(self) -> bool:
        asked_at, now = time.monotonic(), self.lane.now()
        async with writing(self.engine) as connection:
            epoch = await take_lane(connection, self.lane.name, self.holder, now, now + LEASE, sole=self.sole)
            if epoch is None:
                return False
            row = (await read_lanes(connection))[self.lane.name]  # not before: its owner may still have sent
            orphans = await mark_orphans(connection, self.lane.name, now)
        if orphans:
            logger.warning(
                "Messages of an interrupted sender are in doubt.",
                extra={"action": "orphans_in_doubt", "lane": self.lane.name, "jobs": orphans},
            )
        self.epoch = epoch
        self.paused = row.paused(now)
        self.lane.refusals = row.refusals
        self.lane.on_trial.clear()
        self.held_until = asked_at + TRUSTED_LEASE
        self.idle = self.lane.prime(row.last_sent_at)
        return True

    async def _sender_is_well(self) -> bool:
        """Ask whether the sender can send, unless it lately could; pause the lane with the reason where it cannot."""
        if time.monotonic() < self.lane.well_until:
            return True
        try:
            problem = await self.lane.adapter.sender_problem(self.lane.http, self.lane.sender)
            until = None
        except AccountError as error:
            problem, until = str(error), None
        except Unavailable as error:
            problem, until = str(error), self.lane.now() + self._back_off(None)
        if problem is None:
            self.lane.well_until = time.monotonic() + self.lane.account.trusted_for
            return True
        async with writing(self.engine) as connection:
            await pause_lane(connection, self.lane.name, problem, until)
        return False

    async def _drain(self, deadline: float) -> float:
        while self.opening is not None or self._goes_on(deadline):
            piece = await self._next_slice()
            opens_next_after = self._opens_next_after(piece)
            for place, call in enumerate(piece.calls, 1):
                await self._start(call)
                if place == opens_next_after and self._goes_on(deadline):
                    self.opening = asyncio.create_task(self._open_ahead())
            if self.opening is not None:
                continue
            if self.lane.probes and self.in_flight:
                await asyncio.wait(self.in_flight)
            elif piece.met:
                await self._rest(self._ready_in(piece.runs))
            elif piece.blocked:
                await self._rest(self._ready_in(piece.blocked))
            elif self.in_flight:
                await asyncio.wait(self.in_flight, return_when=asyncio.FIRST_COMPLETED)
            elif not self.ended:
                return 0.0
        return 0.0

    def _goes_on(self, deadline: float) -> bool:
        return not self.stop.is_set() and not self.halted and time.monotonic() < deadline

    async def _next_slice(self) -> Slice:
        opening, self.opening = self.opening, None
        piece = await (opening or self._open())
        self.plans.keep(piece.opened)
        self.lane.forget_runs(piece.opened)
        return piece

    def _opens_next_after(self, piece: Slice) -> int | None:
        """After which of its calls the next slice is opened: on a fast lane after half of them, so that it need not
        stand still for the transaction; else, None, when all have been set off."""
        runs = {call.run_id for call in piece.calls}
        sizes = [self.lane.pacer.slice_size(run_id) for run_id in runs]
        fast = min(sizes, default=0) >= FAST and self.lane.pacer.slots is None and not self.lane.probes
        return (len(piece.calls) + 1) // 2 if fast else None

    async def _open_ahead(self) -> Slice:
        try:
            return await self._open()
        except BaseException:
            self.halted = True  # the lane may be lost: no more of the slice at hand
            raise

    async def _open(self) -> Slice:
        try:
            return await self._open_once()
        except Exception as error:
            if not await self._are_refused(error):
                raise
        await self._store_apart()
        return await self._open_once()

    async def _open_once(self) -> Slice:
        asked_at = time.monotonic()  # the lease runs from before the transaction, however long that took
        with self._handing_in() as ended:
            piece = await open_slice(self.engine, self.lane, self.epoch, self.plans, ended, idle=self.idle)
        self.held_until = asked_at + TRUSTED_LEASE
        return piece

    @contextmanager
    def _handing_in(self) -> Iterator[FinishedCalls]:
        """What has ended so far, to be stored now; it is kept for the next try where that fails."""
        ended = self.ended
        self.ended = FinishedCalls(lane_pause=ended.lane_pause)
        try:
            yield ended
        except BaseException:
            self.ended = ended.joined(self.ended)
            raise

    def _ready_in(self, run_ids: Iterable[int]) -> float:
        return min((self.lane.pacer.ready_in(run_id) for run_id in run_ids), default=0.0)

    async def _start(self, planned: PlannedCall) -> None:
        """Wait for the call's turn and set it off; the turns of a batch's other recipients follow it."""
        if len(self.in_flight) >= self.lane.account.calls_per_lane:
            await asyncio.wait(self.in_flight, return_when=asyncio.FIRST_COMPLETED)
        if not self.halted and not await self.lane.pacer.turn(planned.run_id):
            self.ended.withdrawn += planned.intents
            return
        if self.halted or not self._may_send():
            self.halted = True
            self.ended.withdrawn += planned.intents
            return
        with log_ids(**_ids(planned)):
            task = asyncio.create_task(self._call(planned))
        self.in_flight.add(task)
        task.add_done_callback(self.in_flight.discard)
        for _ in planned.intents[1:]:
            await self.lane.pacer.turn(planned.run_id)

    def _may_send(self) -> bool:
        """Whether the lane is still ours: whoever slept through its lease starts no call."""
        return time.monotonic() < self.held_until and self.held()

    async def _call(self, planned: PlannedCall) -> None:
        try:
            call = await self.lane.adapter.prepare(self.lane.http, planned.call)
            if isinstance(call, Refused):
                self._collect(planned, [call] * len(planned.intents), None, None, None)
                return
            request = self.lane.adapter.build(call)
        except DrumbeatError as error:
            refused = Refused(FailureKind.NOT_SENT, "not_prepared", str(error))
            self._collect(planned, [refused] * len(planned.intents), None, None, None)
            return
        except Exception as error:
            self._blame_adapter(planned, FailureKind.CAMPAIGN, error)
            return
        async with self.lane.account.call():
            own, self.called_at = self._may_send(), self.lane.now()
            leaving = partial(self._leaving, planned)
            reply = await self.lane.http.exchange(request, leaving) if own else NotSent(TOO_LATE)
        if isinstance(reply, NotSent) and reply.code == TOO_LATE:
            self.halted = True
            self.ended.withdrawn += planned.intents
            return
        try:
            results = self.lane.adapter.read(reply, call)
        except Exception as error:
            self._blame_adapter(planned, FailureKind.UNKNOWN, error)
            return
        status, request_id = (reply.status, reply.request_id) if isinstance(reply, Answer) else (None, None)
        self._collect(planned, results, reply.latency_ms, status, request_id)
        if isinstance(reply, Answer):
            self.balance = self.lane.adapter.balance_in(reply) or self.balance

    @asynccontextmanager
    async def _leaving(self, planned: PlannedCall) -> AsyncIterator[bool]:
        """The call's request is written when the limits allow, unless the lane stopped meanwhile."""
        async with self.lane.pacer.leaving(planned.run_id, len(planned.intents)):
            self.called_at = self.lane.now()
            yield self._may_send() and not self.halted

    def _blame_adapter(self, planned: PlannedCall, kind: FailureKind, error: Exception) -> None:
        """A fault of ours: before the call nothing left, after it nobody knows."""
        logger.error(
            "The adapter failed.", exc_info=error, extra={"action": "adapter_failed", "lane": self.lane.name}
        )
        refused = Refused(
            kind, "adapter_failed", f"The adapter met {type(error).__name__}; the log says where."
        )
        self._collect(planned, [refused] * len(planned.intents), None, None, None)

    def _collect(
        self,
        planned: PlannedCall,
        results: list[Result],
        latency_ms: int | None,
        status: int | None,
        request_id: str | None,
    ) -> None:
        now = self.lane.now()
        self.lane.on_trial.discard(planned.run_id)
        for intent, result in zip(planned.intents, results, strict=True):
            proven = note_result(self.lane, planned.run_id, intent, result)
            ack = acknowledge(result, intent.job.attempts + 1, now, self.jitter, proven=proven)
            self.ended.outcomes.append(Outcome(intent, result, ack, now, status, request_id, latency_ms))
            if isinstance(result, Refused):
                ids = {"action": "message_refused", "job": intent.job.id, "kind": result.kind.value}
                logger.debug("The provider did not take a message: %s", _said(result), extra=ids)
        self.lane.observe(CallEnded(self.lane.account.name, self.lane.name, results, latency_ms))
        for result in set(results):
            self._heed(planned.run_id, result)

    def _heed(self, run_id: int, result: Result) -> None:
        """What a result means beyond its own job: back off, pause the lane, pause the campaign."""
        match result:
            case Accepted():
                self.lane.failures = self.lane.unanswered = 0
                self._take_refusals_back()
            case Refused(kind=FailureKind.UNKNOWN):
                self.lane.unanswered += 1
                if self.lane.unanswered >= UNANSWERED:
                    self._halt(_said(result), self.lane.now() + self._back_off(result.retry_after))
            case Refused(kind=FailureKind.NOT_SENT | FailureKind.THROTTLED):
                self._halt(_said(result), self.lane.now() + self._back_off(result.retry_after))
            case Refused(kind=FailureKind.LANE):
                self._refuse_sender(_said(result))
            case Refused(kind=FailureKind.CAMPAIGN):
                self.halted = True
                self.ended.run_pauses.setdefault(run_id, _said(result))
                logger.info("The campaign is paused: %s", _said(result), extra={"action": "run_paused"})
            case _:
                pass

    def _refuse_sender(self, reason: str) -> None:
        """The sender cannot send, all calls of a shift that meet it are one refusal. At first its own state shows when
        it can again; a sender that is refused though it seems well is tried once more later, then left to a person."""
        if not self.refused:
            self.refused = True
            self.lane.refusals += 1
            self.ended.refusals = self.lane.refusals
        if self.lane.refusals >= MOST_REFUSALS:
            advice = "mend the sender, then go on with `drumbeat campaign resume`"
            self._halt(f"{reason} ({self.lane.refusals} times in a row: {advice})", None, stays=True)
        else:
            self._halt(reason, None if self.lane.refusals == 1 else self.lane.now() + PROBE_AGAIN)

    def _take_refusals_back(self) -> None:
        if self.lane.refusals and not self.refused:
            self.lane.refusals = self.ended.refusals = 0

    def _halt(self, reason: str, until: datetime | None, *, stays: bool = False) -> None:
        if not self.halted:
            logger.info("The lane is paused: %s", reason, extra={"action": "lane_paused"})
        self.halted = True
        self.lane.well_until = 0.0
        self.ended.pause_lane(Pause(reason, until, stays))

    def _back_off(self, asked: float | None) -> timedelta:
        """How long the lane rests. All calls of a shift that meet the same outage are one failure."""
        if not self.backed_off:
            self.backed_off = True
            self.lane.failures += 1
        return retry_delay(self.lane.failures, asked, self.jitter)

    async def _rest(self, wait: float) -> None:
        """Until the next slice may be opened; what comes back by then is stored first where there is time."""
        if wait <= SLICE:
            await asyncio.sleep(0)
            return
        rest = min(wait - SLICE / 2, LONGEST_REST)
        until = time.monotonic() + rest
        if self.in_flight:
            await asyncio.wait(self.in_flight, timeout=rest)
        await self._store()
        await wait_for_stop(self.stop, until - time.monotonic())

    async def _store(self) -> None:
        if not self.ended:
            return
        try:
            with self._handing_in() as ended:
                await store_finished(self.engine, self.lane, self.epoch, ended)
        except Exception as error:
            if not await self._are_refused(error):
                raise
            await self._store_apart()

    async def _are_refused(self, error: Exception) -> bool:
        """Whether the database may have refused one of the outcomes: the others are then stored without it."""
        owned = bool(self.ended.outcomes) and not isinstance(error, LaneLost)
        return owned and await is_refusal(self.engine, error)

    async def _store_apart(self) -> None:
        with self._handing_in() as ended:
            await store_apart(self.engine, self.lane, self.epoch, ended)

    async def _hand_over(self) -> None:
        """Let the calls under way end, store what they came to, and release the lane."""
        await self._take_back_opened()
        while self.in_flight:
            await asyncio.wait(self.in_flight)
        try:
            await self._store_patiently()
            async with writing(self.engine) as connection:
                if self.called_at is not None:
                    await note_last_call(connection, self.lane.name, self.epoch, self.called_at)
                await release_lane(connection, self.lane.name, self.epoch)
                await self._keep_balance(connection)
        except LaneLost:
            logger.warning(
                "The lane was taken before the last outcomes were stored.",
                extra={"action": "lane_lost", "lane": self.lane.name},
            )

    async def _take_back_opened(self) -> None:
        """A slice that was opened ahead and is not sent any more, because the shift broke off."""
        if self.opening is None:
            return
        opening, self.opening = self.opening, None
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            for call in opening.result().calls:
                self.ended.withdrawn += call.intents

    async def _store_patiently(self) -> None:
        """An answer that is not stored is a message in doubt: try again while the database fails."""
        for pause in HAND_OVER_PAUSES:
            try:
                await self._store()
                return
            except LaneLost:
                raise
            except Exception:
                logger.exception(
                    "Outcomes not stored.", extra={"action": "store_failed", "lane": self.lane.name}
                )
                await asyncio.sleep(pause)
        await self._store()

    async def _keep_balance(self, connection: Connection) -> None:
        if (told := self.balance) is not None:
            account, now = self.lane.account.name, self.lane.now()
            await keep_balance(connection, account, told.amount, told.remaining_messages, now)


def _ids(planned: PlannedCall) -> dict[str, str | int]:
    """What the log calls it: `call` stands in the attempts of all its jobs."""
    first, *others = planned.intents
    named: dict[str, str | int] = {"run": planned.run_id, "call": first.call}
    return named if others else {**named, "job": first.job.id}


def _said(refused: Refused) -> str:
    return f"{refused.code}: {refused.text}" if refused.text else refused.code


async def wait_for_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Sleep that a stop cuts short; whether it did."""
    try:
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))
    except TimeoutError:
        return False
    return True

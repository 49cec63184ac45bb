"""The calls of one shift that are under way: each waits for its turn, is made, and its result is recorded."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime
from typing import Final

from campaigns.errors import DrumbeatError
from campaigns.frozen import frozen
from campaigns.log_ids import add_log_ids
from campaigns.outcomes import FailureKind, Refused, Result, acknowledge
from campaigns.phones.user_ids import user_id_in
from providers.adapter import Balance
from providers.http.client import Answer, NotSent, Reply
from providers.http.connection import TOO_LATE
from providers.http.request import Request
from scheduler.sending.first_refusals import note_result
from scheduler.sending.instrumentation import CallEnded
from scheduler.sending.lane_health import LaneHealth, text_of
from scheduler.sending.lanes import Lane
from scheduler.sending.lease import Lease
from scheduler.sending.media import MediaUploads
from scheduler.sending.outcome_store import OutcomeStore
from scheduler.sending.pacing import ExitGate
from scheduler.sending.planned_calls import PlannedCall
from storage.sending.outcomes import Outcome

logger = logging.getLogger(__name__)
NO_USER_ID: Final = "This provider cannot send to a user id, and the person's number is not known."


@frozen
class CallResult:
    """How one call ended."""

    results: list[Result]
    """One for each recipient."""
    latency_ms: int | None = None
    answer: Answer | None = None
    too_late: bool = False
    """The lease was over before the request left: the call was not made, and has no results."""


class CallsUnderWay:
    """Starts calls and records their results."""

    def __init__(
        self,
        lane: Lane,
        lease: Lease,
        health: LaneHealth,
        store: OutcomeStore,
        media: MediaUploads,
        jitter: random.Random,
    ) -> None:
        self.last_begun_at: datetime | None = None
        """When the newest call began: on a machine that stalls, later than its slice planned."""
        self.balance: Balance | None = None
        """The account's balance, from the newest answer that contained it."""
        self._lane = lane
        self._lease = lease
        self._health = health
        self._store = store
        self._jitter = jitter
        self._media = media
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        """Set when a call ends: to wait for one out of hundreds of tasks by asyncio takes longer than to make it."""

    def __bool__(self) -> bool:
        return bool(self._tasks)

    @property
    def room(self) -> int:
        """How many more may be started at once."""
        return self._lane.account.calls_per_lane - len(self._tasks)

    async def wait_for_one(self) -> None:
        """Wait until one more call has ended; some must be under way."""
        self._ended.clear()
        await self._ended.wait()

    async def wait_for_all(self, timeout: float | None = None) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    async def start(self, planned: PlannedCall) -> None:
        """Wait for the call's turn and start it; the turns of a batch's other recipients follow it."""
        if self.room <= 0:
            await self.wait_for_one()
        if not self._health.halted and not await self._lane.pacer.turn(planned.run_id):
            self._withdraw(planned)
            return
        if self._health.halted:
            self._withdraw(planned)
            return
        task = asyncio.create_task(self._make(planned))
        self._tasks.add(task)
        task.add_done_callback(self._end)
        for _ in planned.intents[1:]:
            await self._lane.pacer.turn(planned.run_id)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ended.set()

    async def _make(self, planned: PlannedCall) -> None:
        add_log_ids(_ids(planned))
        result = await self._call(planned)
        if result.too_late:
            self._health.halted = True
            self._withdraw(planned)
            return
        self._record(planned, result)
        if result.answer is not None:
            self.balance = self._lane.adapter.balance_in(result.answer) or self.balance

    def _withdraw(self, planned: PlannedCall) -> None:
        self._store.finished.withdrawn += planned.intents

    async def _call(self, planned: PlannedCall) -> CallResult:
        adapter, http = self._lane.adapter, self._lane.http
        if not adapter.capabilities.user_ids and any(user_id_in(to) is not None for to in planned.call.to):
            return _refused(planned, Refused(FailureKind.RECIPIENT, "user_id", NO_USER_ID))
        try:
            with_ids = await self._media.with_ids(planned.call)
            if isinstance(with_ids, Refused):
                return _refused(planned, with_ids)
            call = await adapter.prepare(http, with_ids)
            if isinstance(call, Refused):
                return _refused(planned, call)
            request = adapter.build(call)
        except DrumbeatError as error:
            return _refused(planned, Refused(FailureKind.NOT_SENT, "not_prepared", str(error)))
        except Exception as error:
            return self._adapter_failed(planned, FailureKind.CAMPAIGN, error)
        reply = await self._exchange(planned, request)
        if isinstance(reply, NotSent) and reply.code == TOO_LATE:
            return CallResult([], too_late=True)
        try:
            results = adapter.read(reply, call)
        except Exception as error:
            return self._adapter_failed(planned, FailureKind.UNKNOWN, error)
        await self._media.note(call, results)
        return CallResult(results, reply.latency_ms, reply if isinstance(reply, Answer) else None)

    async def _exchange(self, planned: PlannedCall, request: Request) -> Reply:
        account = self._lane.account
        await account.begin_call()
        try:
            return await account.http.exchange(request, self.gate(planned))
        finally:
            account.end_call()

    def gate(self, planned: PlannedCall) -> ExitGate:
        """What decides when, and whether, the call's request is written."""
        return self._lane.pacer.gate(planned.run_id, len(planned.intents), self.leaves_now)

    def leaves_now(self) -> bool:
        """Whether a call whose turn has come may be written: the lane may have stopped meanwhile."""
        self.last_begun_at = self._lane.now()
        return self._lease.may_send() and not self._health.halted

    def _adapter_failed(self, planned: PlannedCall, kind: FailureKind, error: Exception) -> CallResult:
        """An adapter bug: nothing was sent if raised before the call, unknown after it."""
        logger.error(
            "The adapter failed.", exc_info=error, extra={"action": "adapter_failed", "lane": self._lane.name}
        )
        text = f"The adapter met {type(error).__name__}; the log says where."
        return _refused(planned, Refused(kind, "adapter_failed", text))

    def _record(self, planned: PlannedCall, result: CallResult) -> None:
        lane, answer = self._lane, result.answer
        status, request_id = (answer.status, answer.request_id) if answer else (None, None)
        now = answer.at if answer and answer.at else lane.now()
        lane.on_trial.discard(planned.run_id)
        for intent, one in zip(planned.intents, result.results, strict=True):
            proven = note_result(lane, planned.run_id, intent, one)
            job = intent.job
            transition = acknowledge(
                one, job.attempts + 1, now, self._jitter, passing=job.passing, proven=proven
            )
            self._store.finished.outcomes.append(
                Outcome(intent, one, transition, now, status, request_id, result.latency_ms)
            )
            self._store.note_names(intent.job.phone, one)
            if isinstance(one, Refused):
                ids = {"action": "message_refused", "job": intent.job.id, "kind": one.kind.value}
                logger.debug("The provider did not take a message: %s", text_of(one), extra=ids)
        lane.observe(CallEnded(lane.account.name, lane.name, result.results, result.latency_ms))
        for one in result.results if len(result.results) == 1 else set(result.results):
            self._health.note(planned.run_id, one)


def _refused(planned: PlannedCall, refused: Refused) -> CallResult:
    """The same refusal for each recipient of the call."""
    return CallResult([refused] * len(planned.intents))


def _ids(planned: PlannedCall) -> dict[str, str | int]:
    """The call's ids in log lines: `call` is also in the attempts of all its jobs."""
    first = planned.intents[0]
    named: dict[str, str | int] = {"run": planned.run_id, "call": first.call}
    if len(planned.intents) == 1:
        named["job"] = first.job.id
    return named

"""What results of calls mean beyond their own messages: back off, pause the lane, pause the campaign."""

from __future__ import annotations

import logging
import random
import time
from datetime import datetime, timedelta
from typing import Final

from campaigns.errors import AccountError, Unavailable
from campaigns.outcomes import Accepted, FailureKind, Refused, Result, retry_delay
from scheduler.sending.lanes import UNANSWERED, Lane
from scheduler.sending.outcome_store import OutcomeStore
from storage.database.engine import Engine, writing
from storage.sending.lanes import Pause, pause_lane

logger = logging.getLogger(__name__)

PROBE_AGAIN: Final = timedelta(minutes=5)
"""How long a sender that was refused a second time is paused."""
MOST_REFUSALS: Final = 3
"""Refusals of the sender in a row after which only a person ends the pause."""


class LaneHealth:
    """Whether the lane can send, as far as one shift knows."""

    def __init__(self, engine: Engine, lane: Lane, store: OutcomeStore, jitter: random.Random) -> None:
        self.halted = False
        """No further call of this shift is made."""
        self._engine = engine
        self._lane = lane
        self._store = store
        self._jitter = jitter
        self._backed_off = False
        self._sender_refused = False

    async def sender_can_send(self) -> bool:
        """Ask whether the sender can send, unless it could recently; if it cannot, pause the lane with the reason."""
        lane = self._lane
        if time.monotonic() < lane.can_send_until:
            return True
        try:
            problem = await lane.adapter.sender_problem(lane.http, lane.sender)
            until = None
        except AccountError as error:
            problem, until = str(error), None
        except Unavailable as error:
            problem, until = str(error), lane.now() + self._back_off(None)
        if problem is None:
            lane.can_send_until = time.monotonic() + lane.account.trusted_for
            return True
        async with writing(self._engine) as connection:
            await pause_lane(connection, lane.name, problem, until)
        return False

    def note(self, run_id: int, result: Result) -> None:
        """React to one result of a call of the run."""
        match result:
            case Accepted():
                self._lane.failures = self._lane.unanswered = 0
                self._forget_refusals()
            case Refused(kind=FailureKind.UNKNOWN):
                self._lane.unanswered += 1
                if self._lane.unanswered >= UNANSWERED:
                    self._halt(text_of(result), self._lane.now() + self._back_off(result.retry_after))
            case Refused(kind=FailureKind.NOT_SENT | FailureKind.THROTTLED):
                self._halt(text_of(result), self._lane.now() + self._back_off(result.retry_after))
            case Refused(kind=FailureKind.LANE):
                self._note_sender_refused(text_of(result))
            case Refused(kind=FailureKind.CAMPAIGN):
                self.halted = True
                self._store.finished.run_pauses.setdefault(run_id, with_advice(text_of(result)))
                logger.info("The campaign is paused: %s", text_of(result), extra={"action": "run_paused"})
            case _:
                pass

    def _note_sender_refused(self, reason: str) -> None:
        """The sender cannot send; all such results of one shift are one refusal. At first its own state shows when it
        can again; a sender that is refused though it seems well is tried once more later, then left to a person."""
        lane = self._lane
        if not self._sender_refused:
            self._sender_refused = True
            lane.refusals += 1
            self._store.finished.refusals = lane.refusals
        if lane.refusals >= MOST_REFUSALS:
            advice = "fix the sender, then continue with `drumbeat campaign resume`"
            self._halt(f"{reason} ({lane.refusals} times in a row: {advice})", None, stays=True)
        else:
            self._halt(reason, None if lane.refusals == 1 else lane.now() + PROBE_AGAIN)

    def _forget_refusals(self) -> None:
        if self._lane.refusals and not self._sender_refused:
            self._lane.refusals = self._store.finished.refusals = 0

    def _halt(self, reason: str, until: datetime | None, *, stays: bool = False) -> None:
        if not self.halted:
            logger.info("The lane is paused: %s", reason, extra={"action": "lane_paused"})
        self.halted = True
        self._lane.can_send_until = 0.0
        self._store.finished.pause_lane(Pause(reason, until, stays))

    def _back_off(self, asked: float | None) -> timedelta:
        """How long to pause the lane. All calls of a shift that fail in the same outage count as one failure."""
        if not self._backed_off:
            self._backed_off = True
            self._lane.failures += 1
        return retry_delay(self._lane.failures, asked, self._jitter)


def with_advice(refusal: str) -> str:
    """The reason of a pause that only a person ends, because the provider refuses the account, sender or content."""
    return (
        f"{refusal} (refused by the provider: correct it there or in the campaign, then resume the campaign)"
    )


def text_of(refused: Refused) -> str:
    return f"{refused.code}: {refused.text}" if refused.text else refused.code

"""What becomes of a job after a provider call: one function from (result, attempt, now) to the job's next state.

The adapter says what happened (`Accepted` or `Refused` with a kind from the closed list); the engine, here, decides
what that means. `NOT_SENT` and `UNKNOWN` are the two honest answers to "did it leave?".
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from campaigns.costs import Money
from campaigns.states import JobState


class FailureKind(StrEnum):
    NOT_SENT = "not_sent"
    """Proven not to have left (refused, no DNS, no TLS): try again."""
    THROTTLED = "throttled"
    """The provider took nothing because we are too fast: try again after its own delay."""
    UNKNOWN = "unknown"
    """It may have left: in doubt, never resent by itself."""
    RECIPIENT = "recipient"
    """Final for this recipient (not on WhatsApp, blocked, wrong parameter)."""
    LANE = "lane"
    """The sender cannot send (session down, number banned): the lane pauses, the job waits."""
    CAMPAIGN = "campaign"
    """The account or the content is refused (no money, wrong key, bad request): the campaign pauses, the job waits."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message."""

    message_id: str
    state: JobState = JobState.ACCEPTED
    cost: Money | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider did not take it, or we cannot tell."""

    kind: FailureKind
    code: str
    """The provider's own code, or the HTTP status, or the seam's word for what broke."""
    text: str = ""
    retry_after: float | None = None
    """Seconds the provider asked us to wait."""


Result = Accepted | Refused


@dataclass(frozen=True, slots=True)
class Ack:
    """What to write for a job after an attempt."""

    state: JobState
    reason: str | None = None
    code: str | None = None
    due_at: datetime | None = None
    held_by: str | None = None


MAX_ATTEMPTS: Final = 8
FIRST_RETRY: Final = timedelta(seconds=2)
LONGEST_RETRY: Final = timedelta(minutes=10)


def acknowledge(result: Result, attempt: int, now: datetime, jitter: random.Random) -> Ack:
    """The job's next state after attempt number `attempt` (1 for the first) ended with `result`."""
    match result:
        case Accepted(state=state):
            return Ack(state)
        case Refused(kind=FailureKind.UNKNOWN, code=code):
            return Ack(JobState.IN_DOUBT, reason="no_trusted_answer", code=code)
        case Refused(kind=FailureKind.RECIPIENT, code=code):
            return Ack(JobState.FAILED, reason="refused", code=code)
        case Refused(kind=FailureKind.LANE | FailureKind.CAMPAIGN as kind, code=code):
            return Ack(JobState.PENDING, code=code, due_at=now, held_by=f"{kind}_paused")
        case Refused(code=code, retry_after=retry_after):
            if attempt >= MAX_ATTEMPTS:
                return Ack(JobState.FAILED, reason="retries_exhausted", code=code)
            return Ack(JobState.PENDING, code=code, due_at=now + retry_delay(attempt, retry_after, jitter), held_by="retry")


def retry_delay(attempt: int, retry_after: float | None, jitter: random.Random) -> timedelta:
    """How long attempt `attempt + 1` waits: doubling with jitter, never sooner than the provider asked."""
    doubled = min(FIRST_RETRY * 2 ** (attempt - 1), LONGEST_RETRY)
    spread = doubled * (0.75 + jitter.random() / 2)
    return max(spread, timedelta(seconds=retry_after or 0))

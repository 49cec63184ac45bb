"""What becomes of a job after a provider call: one function from (result, attempt, now) to the job's next state.

The adapter says what happened (`Accepted` or `Refused` with a kind from the closed list); the engine, here, decides
what that means. `NOT_SENT` and `UNKNOWN` are the two honest answers to "did it leave?".
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from campaigns.money.costs import Money
from campaigns.states import JobState
from campaigns.untrusted import LONGEST_NAME, LONGEST_TEXT, LONGEST_WAIT, bounded, clean_fields


class FailureKind(StrEnum):
    NOT_SENT = "not_sent"
    """Proven not to have left (refused, no DNS, no TLS): try again."""
    THROTTLED = "throttled"
    """The provider took nothing because we are too fast: try again after its own delay."""
    UNKNOWN = "unknown"
    """It may have left: in doubt, never resent by itself."""
    PASSING = "passing"
    """The provider could not make this one message now (it could not fetch its medium): tried again a few times."""
    SPLIT = "split"
    """A batch was refused as a whole, for one of its recipients or its content; nothing left: send each alone."""
    PAIR = "pair"
    """Too many messages to this one person in a short while: that person waits, nobody else."""
    LATER = "later"
    """The provider spares this person for now: not before a day has passed."""
    USE_TEMPLATE = "use_template"
    """The person's window is closed: only a template may go."""
    OPTED_OUT = "opted_out"
    """The person has told the provider to be left alone: final, and kept as an opt-out."""
    RECIPIENT = "recipient"
    """Final for this recipient (not on WhatsApp, blocked)."""
    MESSAGE = "message"
    """The message is refused as it is written (a wrong or missing parameter, a template of another form): the row's
    fault where the like of it was taken, else the campaign's."""
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

    def __post_init__(self) -> None:
        clean_fields(self, message_id=LONGEST_NAME)
        object.__setattr__(self, "cost", bounded(self.cost))


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider did not take it, or we cannot tell."""

    kind: FailureKind
    code: str
    """The provider's own code, or the HTTP status, or the seam's word for what broke."""
    text: str = ""
    retry_after: float | None = None
    """Seconds the provider asked us to wait."""

    def __post_init__(self) -> None:
        clean_fields(self, code=LONGEST_NAME, text=LONGEST_TEXT)
        if self.retry_after is not None and not 0 <= self.retry_after <= LONGEST_WAIT:
            object.__setattr__(self, "retry_after", LONGEST_WAIT if self.retry_after > 0 else None)


Result = Accepted | Refused


@dataclass(frozen=True, slots=True)
class Transition:
    """What to write for a job after an attempt."""

    state: JobState
    reason: str | None = None
    code: str | None = None
    due_at: datetime | None = None
    held_by: str | None = None
    goes_alone: bool = False
    """Its batch was refused as a whole: it must not share a call with others any more."""
    free_refused: bool = False
    """Its free form was refused because the window is closed."""


PAIR_BASE: Final = 4.0
"""Seconds; a pair limit waits 4, 16, 64, … for that person only."""
SPARED: Final = timedelta(hours=24)
AS_TEMPLATE: Final = "use_template"
"""What `held_by` shows of a job whose free form was refused because the window is closed: the template goes next."""
MESSAGE_REFUSED: Final = "message_refused"
"""Reason of a job whose message was refused as it is written; `held_by` of one that waits since none was taken yet."""
ALONE: Final = "alone"
"""What `held_by` shows of a job whose batch was refused as a whole: it goes by itself next."""
MAX_ATTEMPTS: Final = 8
"""Calls made for a message that the provider was never seen to hold; after them it has failed."""
PASSING_ATTEMPTS: Final = 3
"""Calls made for a message that may go when tried again; after them it has failed."""
FIRST_RETRY: Final = timedelta(seconds=2)
LONGEST_RETRY: Final = timedelta(minutes=10)


def acknowledge(
    result: Result, attempt: int, now: datetime, jitter: random.Random, *, proven: bool = True
) -> Transition:
    """The job's next state after attempt number `attempt` (1 for the first) ended with `result`. `proven`: whether the
    provider has taken a message of the run that is made like this one."""
    if isinstance(result, Accepted):
        return Transition(result.state)
    match result.kind:
        case FailureKind.UNKNOWN:
            return Transition(JobState.IN_DOUBT, reason="no_trusted_answer", code=result.code)
        case FailureKind.PASSING if attempt < PASSING_ATTEMPTS:
            again = now + retry_delay(attempt, result.retry_after, jitter)
            return Transition(JobState.PENDING, code=result.code, due_at=again, held_by="retry")
        case FailureKind.MESSAGE | FailureKind.PASSING if not proven:
            again = now + retry_delay(attempt, result.retry_after, jitter)
            return Transition(JobState.PENDING, code=result.code, due_at=again, held_by=MESSAGE_REFUSED)
        case FailureKind.MESSAGE:
            return Transition(JobState.FAILED, reason=MESSAGE_REFUSED, code=result.code)
        case FailureKind.RECIPIENT | FailureKind.PASSING:
            return Transition(JobState.FAILED, reason="refused", code=result.code)
        case FailureKind.OPTED_OUT:
            return Transition(JobState.FAILED, reason="opted_out", code=result.code)
        case FailureKind.USE_TEMPLATE:
            return Transition(
                JobState.PENDING, code=result.code, due_at=now, held_by=AS_TEMPLATE, free_refused=True
            )
        case FailureKind.PAIR:
            wait = timedelta(seconds=min(PAIR_BASE ** min(attempt, 10), LONGEST_RETRY.total_seconds()))
            return Transition(JobState.PENDING, code=result.code, due_at=now + wait, held_by="pair_limit")
        case FailureKind.LATER:
            return Transition(
                JobState.PENDING, code=result.code, due_at=now + SPARED, held_by="spared_by_provider"
            )
        case FailureKind.SPLIT:
            return Transition(JobState.PENDING, code=result.code, due_at=now, held_by=ALONE, goes_alone=True)
        case FailureKind.LANE | FailureKind.CAMPAIGN:
            return Transition(JobState.PENDING, code=result.code, due_at=now, held_by=f"{result.kind}_paused")
        case FailureKind.NOT_SENT | FailureKind.THROTTLED:
            again = now + retry_delay(attempt, result.retry_after, jitter)
            return Transition(JobState.PENDING, code=result.code, due_at=again, held_by="retry")
        case _:
            assert_never(result.kind)


def retry_delay(attempt: int, retry_after: float | None, jitter: random.Random) -> timedelta:
    """How long attempt `attempt + 1` waits: doubling with jitter, never sooner than the provider asked."""
    doubled = min(FIRST_RETRY * float(2 ** min(attempt - 1, 20)), LONGEST_RETRY)
    spread = doubled * (0.75 + jitter.random() / 2)
    return max(spread, timedelta(seconds=retry_after or 0))

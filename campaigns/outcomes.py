"""The outcome of a provider call: one function from (result, attempt, now) to the job's next state.

The adapter says what happened (`Accepted` or `Refused` with a kind from the closed list); the engine, here, decides
what that means. `NOT_SENT` means proven not sent; `UNKNOWN` means that it may have been sent.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from campaigns.frozen import frozen
from campaigns.money.costs import Money
from campaigns.states import JobState
from campaigns.untrusted import LONGEST_NAME, LONGEST_TEXT, LONGEST_WAIT, bounded, clean_fields


class FailureKind(StrEnum):
    NOT_SENT = "not_sent"
    """Proven not sent (connection refused, no DNS, no TLS): try again."""
    THROTTLED = "throttled"
    """The provider refused the call because of its rate limit: try again after the delay it asks for."""
    UNKNOWN = "unknown"
    """It may have been sent: in doubt, never resent automatically."""
    PASSING = "passing"
    """The provider could not make this one message now (it could not fetch the media file): tried again a few times."""
    SPLIT = "split"
    """A batch was refused as a whole, for one of its recipients or its content, and nothing was sent: send each message
    alone."""
    PAIR = "pair"
    """Too many messages to this one person in a short time: only messages to that person wait."""
    LATER = "later"
    """The provider withholds messages from this person for now: try again after a day."""
    USE_TEMPLATE = "use_template"
    """The person's window is closed: only a template may be sent."""
    OPTED_OUT = "opted_out"
    """The person has opted out at the provider: final, and stored as an opt-out."""
    RECIPIENT = "recipient"
    """Final for this recipient (not on WhatsApp, blocked)."""
    MESSAGE = "message"
    """The message's content is refused (a wrong or missing parameter, a template of another form): the row's fault if
    a message of the same form was accepted before, else the campaign's."""
    LANE = "lane"
    """The sender cannot send (session down, number banned): the lane pauses, the job waits."""
    CAMPAIGN = "campaign"
    """The account or the content is refused (no money, wrong key, bad request): the campaign pauses, the job waits."""


@frozen
class Accepted:
    """The provider accepted the message."""

    message_id: str
    state: JobState = JobState.ACCEPTED
    cost: Money | None = None
    user_id: str | None = None
    """The provider's id of the person, if the answer has it."""
    number: str | None = None
    """The person's number in E.164, if the provider's differs from the one that was dialled in more than spelling."""

    def __post_init__(self) -> None:
        clean_fields(self, message_id=LONGEST_NAME, user_id=LONGEST_NAME)
        object.__setattr__(self, "cost", bounded(self.cost))


@frozen
class Refused:
    """The provider did not accept the message, or whether it did is unknown."""

    kind: FailureKind
    code: str
    """The provider's own code, the HTTP status, or the transport's code for what failed."""
    text: str = ""
    retry_after: float | None = None
    """The seconds that the provider asked to wait."""

    def __post_init__(self) -> None:
        clean_fields(self, code=LONGEST_NAME, text=LONGEST_TEXT)
        if self.retry_after is not None and not 0 <= self.retry_after <= LONGEST_WAIT:
            object.__setattr__(self, "retry_after", LONGEST_WAIT if self.retry_after > 0 else None)


Result = Accepted | Refused


@frozen
class Transition:
    """The changes to a job after an attempt."""

    state: JobState
    reason: str | None = None
    code: str | None = None
    due_at: datetime | None = None
    held_by: str | None = None
    goes_alone: bool = False
    """Its batch was refused as a whole: from now on it is sent in a call of its own."""
    free_refused: bool = False
    """Its free form was refused because the window is closed."""


PAIR_BASE: Final = 4.0
"""Seconds; after a pair limit, messages to that person wait 4, 16, 64, …"""
SPARED: Final = timedelta(hours=24)
AS_TEMPLATE: Final = "use_template"
"""`held_by` of a job whose free form was refused because the window is closed: the template is sent next."""
MESSAGE_REFUSED: Final = "message_refused"
"""Reason of a job whose content was refused; `held_by` of one that waits because none like it was accepted yet."""
ALONE: Final = "alone"
"""`held_by` of a job whose batch was refused as a whole: it is sent alone next."""
MAX_ATTEMPTS: Final = 8
"""Calls made for a message that never reached the provider; after them it has failed."""
PASSING_ATTEMPTS: Final = 3
"""Calls of one message that may end as `PASSING`; after them it has failed."""
FIRST_RETRY: Final = timedelta(seconds=2)
LONGEST_RETRY: Final = timedelta(minutes=10)


def acknowledge(
    result: Result,
    attempt: int,
    now: datetime,
    jitter: random.Random,
    *,
    passing: int = 0,
    proven: bool = True,
) -> Transition:
    """The job's next state after attempt number `attempt` (1 for the first) ended with `result`. `passing`: how many of
    the attempts before ended as `PASSING`. `proven`: whether the provider has accepted a message of the run with the
    same form as this one."""
    if isinstance(result, Accepted):
        return Transition(result.state)
    match result.kind:
        case FailureKind.UNKNOWN:
            return Transition(JobState.IN_DOUBT, reason="no_trusted_answer", code=result.code)
        case FailureKind.PASSING if passing + 1 < PASSING_ATTEMPTS:
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

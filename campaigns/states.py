"""The states of a job and the allowed transitions.

The only definition: the SQL CHECK, the guarded UPDATEs, the docs' diagram and the tests are generated from it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    PENDING = "pending"
    """Waits to be sent; `held_by` names the rule that holds it. Set by the launch and by retries."""
    SENDING = "sending"
    """The intent is committed and the provider is being called. Set and left by the shift."""
    IN_DOUBT = "in_doubt"
    """The call may have been sent, but no reliable answer came. Set by in-doubt recovery or the shift; never resent
    automatically."""
    ACCEPTED = "accepted"
    """The provider accepted the message and gave it an id. Set by the shift or a lookup."""
    HELD = "held"
    """The provider holds the message back (quality assessment). A later status changes it."""
    SENT = "sent"
    """Sent; a delivery receipt may take days. Set by reconciling receipts."""
    DELIVERED = "delivered"
    """On the recipient's device. Set by reconciling receipts."""
    READ = "read"
    """Opened by the recipient. Set by reconciling receipts."""
    FAILED = "failed"
    """The provider reported that it will not arrive; the code gives the reason."""
    SKIPPED = "skipped"
    """A rule decided not to send; the reason names it."""
    EXPIRED = "expired"
    """It expired before it could be sent."""
    CANCELLED = "cancelled"
    """The run or the message was cancelled before it was sent."""


S = JobState

TRANSITIONS: Final[dict[JobState, frozenset[JobState]]] = {
    S.PENDING: frozenset({S.SENDING, S.SKIPPED, S.EXPIRED, S.CANCELLED, S.FAILED}),
    S.SENDING: frozenset(
        {S.PENDING, S.ACCEPTED, S.HELD, S.SENT, S.DELIVERED, S.READ, S.FAILED, S.IN_DOUBT, S.SKIPPED}
    ),
    S.IN_DOUBT: frozenset(
        {S.PENDING, S.ACCEPTED, S.HELD, S.SENT, S.DELIVERED, S.READ, S.FAILED, S.CANCELLED}
    ),
    S.ACCEPTED: frozenset({S.HELD, S.SENT, S.DELIVERED, S.READ, S.FAILED}),
    S.HELD: frozenset({S.SENT, S.DELIVERED, S.READ, S.FAILED}),
    S.SENT: frozenset({S.DELIVERED, S.READ, S.FAILED}),
    S.DELIVERED: frozenset({S.READ}),
    # Proof of delivery overrides a failure: statuses may arrive out of order, and delivery is the stronger fact.
    # Pending again: the free form failed because the window was closed, and the template is sent in its place, once.
    S.FAILED: frozenset({S.DELIVERED, S.READ, S.PENDING}),
    S.READ: frozenset(),
    S.SKIPPED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
}

RANK: Final[dict[JobState, int]] = {
    S.ACCEPTED: 1,
    S.HELD: 2,
    S.SENT: 3,
    S.FAILED: 4,
    S.DELIVERED: 5,
    S.READ: 6,
}
"""The states that providers report, from weakest to strongest. The state is the strongest one reported, in any
order."""

FINAL: Final = frozenset({S.DELIVERED, S.READ, S.FAILED, S.SKIPPED, S.EXPIRED, S.CANCELLED})
"""States with an outcome (a receipt may still raise `delivered` to `read`)."""
AWAITING_RECEIPT: Final = frozenset({S.ACCEPTED, S.HELD, S.SENT})
LEFT: Final = frozenset({S.SENDING, S.IN_DOUBT, S.ACCEPTED, S.HELD, S.SENT, S.DELIVERED, S.READ})
"""States in which the provider has, or may have, the message."""


def sources(target: JobState) -> frozenset[JobState]:
    """The states from which `target` may be entered: the guard of its UPDATE."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)


def advance(current: JobState, reported: JobState) -> JobState:
    """The state after a provider's report: `reported` if the transition is allowed, else unchanged."""
    return reported if reported in RANK and reported in TRANSITIONS[current] else current


class CampaignState(StrEnum):
    DRAFT = "draft"
    """Loaded, without a start time."""
    SCHEDULED = "scheduled"
    """Has a start time, at which the runner launches it."""
    RUNNING = "running"
    """Launched; jobs are being sent."""
    PAUSED = "paused"
    """Paused by a person or a guard, as the reason says. Nothing is sent."""
    COMPLETED = "completed"
    """All jobs are in a final state."""
    CANCELLED = "cancelled"
    """Ended by a person; jobs not yet sent are cancelled."""


class RunState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


NO_RUN: Final = "no_run"
"""Of people to whom no run is left: those that were planned were missed, or were made without them."""
ENDED_WITHOUT_RUN: Final = {
    CampaignState.CANCELLED: (JobState.CANCELLED, "run_cancelled"),
    CampaignState.COMPLETED: (JobState.EXPIRED, NO_RUN),
}
"""How, and why, it ends for people to whom a campaign has made no message."""

"""The states of a job and the only moves between them.

This table is said once: the SQL CHECK, the guarded UPDATEs, the docs' diagram and the tests are made from it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    PENDING = "pending"
    """Waits for its turn; `held_by` names the rule that holds it. Launch puts it here, a retry puts it back."""
    SENDING = "sending"
    """The intent is committed and the provider is being called. The shift moves it in and out."""
    IN_DOUBT = "in_doubt"
    """The call left and no answer can be trusted. Rescue or the shift puts it here; never resent by itself."""
    ACCEPTED = "accepted"
    """The provider took the message and gave it an id. The shift or a lookup moves it here."""
    HELD = "held"
    """The provider keeps the message back (quality assessment). A later status moves it on."""
    SENT = "sent"
    """On its way; the receipt is awaited, for days if need be. Reconcile moves it here."""
    DELIVERED = "delivered"
    """On the recipient's device. Reconcile moves it here."""
    READ = "read"
    """Opened by the recipient. Reconcile moves it here."""
    FAILED = "failed"
    """The provider said, finally, that it will not arrive; the code says why."""
    SKIPPED = "skipped"
    """A rule decided not to send; the reason says which."""
    EXPIRED = "expired"
    """Its time ran out before it could be sent."""
    CANCELLED = "cancelled"
    """The run was cancelled, or the user gave it up, before it was sent."""


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
    # A failure is overruled by proof of arrival: statuses are reordered on the way, and arrival is the stronger fact.
    S.FAILED: frozenset({S.DELIVERED, S.READ}),
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
"""What a provider reports, from weakest to strongest. The strongest report seen is the state, in whatever order."""

FINAL: Final = frozenset({S.DELIVERED, S.READ, S.FAILED, S.SKIPPED, S.EXPIRED, S.CANCELLED})
"""Nothing more is needed for an outcome (a receipt may still better `delivered` to `read`)."""
AWAITING_RECEIPT: Final = frozenset({S.ACCEPTED, S.HELD, S.SENT})
LEFT: Final = frozenset({S.SENDING, S.IN_DOUBT, S.ACCEPTED, S.HELD, S.SENT, S.DELIVERED, S.READ})
"""States in which the provider has, or may have, the message."""


def sources(target: JobState) -> frozenset[JobState]:
    """The states from which `target` may be entered: the guard of its UPDATE."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)


def advance(current: JobState, reported: JobState) -> JobState:
    """The state after a provider's report: `reported` where the table allows it, else unchanged."""
    return reported if reported in TRANSITIONS[current] else current


class CampaignState(StrEnum):
    DRAFT = "draft"
    """Loaded, with no time to start."""
    SCHEDULED = "scheduled"
    """Has a time; the runner launches it then."""
    RUNNING = "running"
    """Launched; jobs are being sent."""
    PAUSED = "paused"
    """Stopped by a person or a guard; the reason says which. Nothing is sent."""
    COMPLETED = "completed"
    """No job is in a non-final state."""
    CANCELLED = "cancelled"
    """Ended by a person; jobs not yet sent are cancelled."""


class RunState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

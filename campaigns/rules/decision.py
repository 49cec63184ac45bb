"""What a rule is asked (`Facts`) and what it may answer (`Send`, `Wait`, `Skip`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from campaigns.states import JobState, RunState


class Rule(StrEnum):
    """The rules, by the name that a waiting or skipped job shows."""

    RUN_STATE = "run_state"
    EXPIRY = "expiry"
    OPTOUT = "optout"
    WINDOW = "window"


class SkipReason(StrEnum):
    """Why a message was not sent: the closed list that reports and docs share."""

    RUN_CANCELLED = "run_cancelled"
    """The campaign was cancelled before the message's turn came."""
    EXPIRED = "expired"
    """`expires_after` or `ends_at` passed before the message could be sent."""
    OPTED_OUT = "opted_out"
    """The recipient asked for no more messages of this kind."""
    WINDOW_CLOSED = "window_closed"
    """The recipient's 24-hour window is closed and the campaign has no template."""


class Form(StrEnum):
    """The two forms a message can take."""

    FREE = "free"
    """What [content] says: only inside the recipient's 24-hour window, where the provider has windows."""
    TEMPLATE = "template"
    """The approved template: at any time."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules may know about one job, read in the transaction that commits the intent."""

    now: datetime
    run_state: RunState
    category: str
    expires_at: datetime | None = None
    opted_out: frozenset[str] = field(default_factory=frozenset)
    """The scopes the recipient is opted out of: `marketing`, `all`."""
    forms: frozenset[Form] = frozenset({Form.FREE})
    """What the campaign gives."""
    has_windows: bool = False
    """Whether the provider keeps the 24-hour rule."""
    window_until: datetime | None = None
    """Until when the recipient's window is open; None: no word of theirs is known."""
    refused_as_free: bool = False
    """The provider has just refused the free form because the window is closed: it knows best."""


@dataclass(frozen=True, slots=True)
class Send:
    """Nothing speaks against it."""

    form: Form = Form.FREE


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: `until` a moment, or None until something else happens (the run is resumed)."""

    until: datetime | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class Skip:
    """Never: the job ends in `state` for `reason`."""

    reason: SkipReason
    state: JobState = JobState.SKIPPED


Decision = Send | Wait | Skip

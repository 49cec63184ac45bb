"""What a rule is asked (`Facts`) and what it may answer (`Send`, `Wait`, `Skip`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.money.costs import Money
from campaigns.states import JobState, RunState


class Rule(StrEnum):
    """The rules, by the name that a waiting job shows."""

    RUN_STATE = "run_state"
    VARIANT = "variant"
    FREQUENCY_CAP = "frequency_cap"
    MIN_GAP = "min_gap"
    HOURS = "hours"
    WINDOW = "window"
    WINDOW_UNKNOWN = "window_unknown"
    BUDGET = "budget"
    PAIR_LIMIT = "pair_limit"
    TIER = "tier"
    RAMP = "ramp"


class SkipReason(StrEnum):
    """Why a message was not sent: the closed list that reports and docs share."""

    RUN_CANCELLED = "run_cancelled"
    """The campaign was cancelled before the message's turn came."""
    EXPIRED = "expired"
    """`expires_after` or `ends_at` passed before the message could be sent."""
    OPTED_OUT = "opted_out"
    """The recipient asked for no more messages of this kind."""
    NO_CONSENT = "no_consent"
    """The campaign asks for consent, and none is known of the recipient, or it is too old."""
    HOLDOUT = "holdout"
    """The recipient is in the group that gets nothing, so that the campaign's effect can be measured."""
    DESTINATION_BLOCKED = "destination_blocked"
    """Messages of this kind may not be sent to the recipient's country."""
    FREQUENCY_CAP = "frequency_cap"
    """The recipient has had as many messages as a cap allows, and the cap says to skip."""
    WINDOW_CLOSED = "window_closed"
    """The recipient's 24-hour window is closed and the campaign has no template."""


class Form(StrEnum):
    """The two forms a message can take."""

    FREE = "free"
    """What [content] says: only inside the recipient's 24-hour window, where the provider has windows."""
    TEMPLATE = "template"
    """The approved template: at any time."""


class Calendar(StrEnum):
    """The stretches of the calendar that a cap can count in."""

    DAY = "day"
    WEEK = "week"
    """Monday to Sunday."""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` messages to a person in any stretch of `per`, or in each calendar day or week of their zone."""

    most: int
    per: timedelta | Calendar
    waits: bool = False
    """Whether a message above the cap waits until there is room, or is skipped."""
    category: str | None = None
    """Only messages of this category are counted, and only a message of it is held to the cap; None: all."""
    tag: str | None = None
    """The same by a tag of their campaigns."""
    channel: str | None = None
    """The same by the account that sends."""


@dataclass(frozen=True, slots=True)
class Touch:
    """A message that a person got, or may have got, and that counts toward caps."""

    at: datetime
    category: str
    tags: frozenset[str]
    account: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Marketing goes only to people who agreed, at most `max_age` ago."""

    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Holdout:
    """The share of people who get nothing."""

    percent: float
    salt: str


@dataclass(frozen=True, slots=True)
class Hours:
    """When messages may arrive, in the recipient's zone: start inclusive, end exclusive; an end at or before its start
    is on the next day, and belongs to the day it starts on."""

    allow: tuple[tuple[time, time], ...]
    days: frozenset[int] = frozenset(range(7))
    """Monday is 0."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a campaign asks of each of its messages, frozen at its launch."""

    category: str
    tags: frozenset[str] = frozenset()
    account: str = ""
    forms: frozenset[Form] = frozenset({Form.FREE})
    prefers_cheapest: bool = False
    waits_for_window: bool = False
    """Whether a message without a template waits for a word of the recipient, or is skipped."""
    consent: Consent | None = None
    holdout: Holdout | None = None
    caps: tuple[Cap, ...] = ()
    """Those it obeys: its own and the house's."""
    min_gap: timedelta = timedelta()
    hours: Hours | None = None
    pair_gap: timedelta = timedelta()
    """The provider's least time between two messages to one person on one lane."""


@dataclass(frozen=True, slots=True)
class Purse:
    """A budget that the message would be paid from."""

    key: str
    left: Money
    renews_at: datetime | None
    """When a new day's or month's budget begins; None: a run's does not."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules may know about one job, read in the transaction that commits the intent."""

    now: datetime
    run_state: RunState
    policy: Policy
    phone: str = ""
    region: str | None = None
    """ISO 3166 country of the number."""
    zones: tuple[ZoneInfo, ...] = ()
    """The recipient's zone; several where only the country is known and has several; empty: none is known."""
    expires_at: datetime | None = None
    opted_out: frozenset[str] = field(default_factory=frozenset)
    """The scopes the recipient is opted out of: `marketing`, `all`."""
    consent_at: datetime | None = None
    touches: tuple[Touch, ...] = ()
    """What counts toward caps and lies within the longest stretch that a cap looks back, oldest first."""
    last_touch_at: datetime | None = None
    """When any campaign last wrote to the person."""
    pair_touch_at: datetime | None = None
    """When this lane last wrote to the person."""
    has_windows: bool = False
    """Whether the provider keeps the 24-hour rule."""
    window_until: datetime | None = None
    """Until when the recipient's window is open; None: no word of theirs is known."""
    may_ask_window: bool = False
    """Whether nothing fresh is known of the window and the provider can be asked."""
    refused_as_free: bool = False
    """The provider has just refused the free form because the window is closed: it knows best."""
    free_price: Money | None = None
    """What the free form costs now; None: not known."""
    template_price: Money | None = None
    purses: tuple[Purse, ...] = ()
    tier_left: int | None = None
    """How many more people the account may reach outside a window now; None: any number, or this one is reached."""
    tier_frees_at: datetime | None = None
    """When the oldest of the people reached no longer counts."""
    ramp_left: int | None = None
    """How many more the campaign may send on the lane today; None: any number."""
    ramp_renews_at: datetime | None = None
    awaits_winner: bool = False
    """The person is not in the test of the variants, and no winner is chosen yet."""
    test_ends_at: datetime | None = None
    """When the winner is named; None: when a person says so."""


@dataclass(frozen=True, slots=True)
class Send:
    """Nothing speaks against it."""

    form: Form = Form.FREE


SEND: Final = Send()
"""What a rule that does not choose the form answers."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: `until` a moment, or None until something else happens (the run is resumed, the person writes)."""

    until: datetime | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class Skip:
    """Never: the job ends in `state` for `reason`."""

    reason: SkipReason
    state: JobState = JobState.SKIPPED


Decision = Send | Wait | Skip

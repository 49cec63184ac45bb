"""The input of a rule (`Facts`) and its possible answers (`Send`, `Wait`, `Skip`)."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import field
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.frozen import frozen
from campaigns.money.costs import Money
from campaigns.rules.caps import Cap
from campaigns.rules.names import Form, Rule, SkipReason
from campaigns.states import JobState, RunState


@frozen
class PastMessage:
    """A message that a person received, or may have received, and that counts toward caps."""

    at: datetime
    category: str
    tags: frozenset[str]
    account: str


@frozen
class Consent:
    """Marketing is sent only to people who gave consent at most `max_age` ago."""

    max_age: timedelta | None = None


@frozen
class Holdout:
    """The share of people who receive nothing."""

    percent: float
    salt: str


DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Spans = tuple[tuple[time, time], ...]


@frozen
class Hours:
    """When messages may arrive, in the recipient's zone: start inclusive, end exclusive; an end at or before its start
    is on the next day, and belongs to the day it starts on."""

    allow: Spans
    days: frozenset[int] = frozenset(range(7))
    """Monday is 0."""
    on_weekday: tuple[tuple[int, Spans], ...] = ()
    """The weekdays whose spans are others than `allow`."""
    holidays: Container[date] = frozenset()
    """Dates on which nothing arrives, from midnight to midnight, and on which no span starts."""

    def spans_on(self, day: date) -> Spans:
        """The spans that start on this day."""
        weekday = day.weekday()
        if weekday not in self.days or day in self.holidays:
            return ()
        return dict(self.on_weekday).get(weekday, self.allow)


@frozen
class Policy:
    """The campaign's settings for the rules, frozen at launch."""

    category: str
    tags: frozenset[str] = frozenset()
    account: str = ""
    forms: frozenset[Form] = frozenset({Form.FREE})
    prefers_cheapest: bool = False
    waits_for_window: bool = False
    """Whether a message without a template waits until the recipient writes, or is skipped."""
    consent: Consent | None = None
    holdout: Holdout | None = None
    caps: tuple[Cap, ...] = ()
    """The caps that apply: the campaign's and those of drumbeat.toml."""
    min_gap: timedelta = timedelta()
    hours: Hours | None = None
    pair_gap: timedelta = timedelta()
    """The provider's least time between two messages to one person on one lane."""


@frozen
class WindowState:
    """What is known of the recipient's 24-hour window."""

    applies: bool = False
    """Whether the provider has the window rule."""
    until: datetime | None = None
    """Until when the window is open; None: no message from the recipient is known."""
    may_ask: bool = False
    """Whether the known state is not recent and the provider can be asked."""
    refused_as_free: bool = False
    """Whether the provider has just refused the free form because the window is closed, which overrides `until`."""
    free_until: datetime | None = None
    """Until when messages cost nothing, because the recipient came through an advertisement."""


@frozen
class OpenBudget:
    """A budget that the message counts against."""

    key: str
    left: Money
    renews_at: datetime | None
    """When a new day's or month's budget begins; None: a run's does not."""


@frozen
class Costs:
    """What the message costs now in each form, and what there is to pay it from."""

    free: Money | None = None
    """None: unknown."""
    template: Money | None = None
    budgets: tuple[OpenBudget, ...] = ()


NOT_ASKED: Final = Costs()
"""Of a campaign without a budget and without a choice of the cheaper form: no rule asks for them."""


@frozen
class Allowance:
    """How many more may go now."""

    left: int | None = None
    """None: no limit."""
    renews_at: datetime | None = None


UNLIMITED: Final = Allowance()


@frozen
class Facts:
    """Everything the rules use about one job, read in the transaction that commits the intent."""

    now: datetime
    run_state: RunState
    policy: Policy
    phone: str = ""
    region: str | None = None
    """ISO 3166 country of the number."""
    zones: tuple[ZoneInfo, ...] = ()
    """The recipient's zone; several if only the country is known and it has several; empty: unknown."""
    expires_at: datetime | None = None
    opted_out: frozenset[str] = field(default_factory=frozenset)
    """The scopes the recipient is opted out of: `marketing`, `all`."""
    consent_at: datetime | None = None
    history: tuple[PastMessage, ...] = ()
    """Messages that count toward caps, within the longest period of any cap, oldest first."""
    last_message_at: datetime | None = None
    """When any campaign last wrote to the person."""
    pair_message_at: datetime | None = None
    """When this lane last wrote to the person."""
    window: WindowState = WindowState()
    costs: Costs = Costs()
    tier: Allowance = UNLIMITED
    """People whom the account may still reach outside a window; unlimited also for a person who counts already."""
    ramp: Allowance = UNLIMITED
    """Messages of the campaign that the lane may still send today."""
    awaits_winner: bool = False
    """The person is not in the variant test, and no winner is chosen yet."""
    test_ends_at: datetime | None = None
    """When the winner is chosen; None: when a person chooses it."""


@frozen
class Send:
    """The message may be sent."""

    form: Form = Form.FREE


SEND: Final = Send()
"""The possible answers of a rule that does not choose the form."""


@frozen
class Wait:
    """Not now: wait `until` a time, or, if None, until something else happens (the run is resumed, the person
    writes)."""

    until: datetime | None
    rule: Rule


@frozen
class Skip:
    """Never send: the job ends in `state` with `reason`."""

    reason: SkipReason
    state: JobState = JobState.SKIPPED


Decision = Send | Wait | Skip

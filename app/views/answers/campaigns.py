"""Campaigns: lists, one campaign, its forecast, and what was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from typing_extensions import TypedDict

from campaigns.frozen import frozen
from campaigns.rules.names import Form
from campaigns.states import CampaignState, JobState
from scheduler.actions.budget import Per
from scheduler.actions.retrying import Judged
from scheduler.clock.progress import Left
from storage.audience.campaigns import ImportLine
from storage.runs.campaign_events import CampaignEvent
from storage.runs.occurrences import MissedRun
from storage.runs.side_runs import RunMessage
from storage.views.budgets import BudgetUse
from storage.views.campaign_status import CampaignStatus
from storage.views.overview import LanePause, RunLine


@frozen
class Done:
    """What was done to a campaign."""

    campaign: str
    """Its name."""
    done: str
    """What was done, such as `paused`."""


@frozen
class Resumed(Done):
    lanes: Sequence[str]
    """Its senders that were paused until somebody resumed them, as account/sender."""


@frozen
class Cancelled(Done):
    cancelled: int
    """How many messages were waiting, and are not sent any more."""


@frozen
class Approved(Done):
    by: str
    """The name of the key or the person that approved it."""
    at: datetime
    """When."""
    digest: str
    """SHA-256 of what was approved: a change of message, list or settings makes another."""
    goes_on: bool
    """Whether it had waited for that, and goes on now."""


@frozen
class Started(Done):
    start_at: datetime
    """When its first run starts."""


@frozen
class Resolved(Done):
    resolved: int
    """How many messages were in doubt and are not any more."""


@frozen
class Retried(Done):
    run: int | None
    """The number of the run that sends them again; null: nothing can be sent again."""
    retried: int
    """How many messages are sent again."""
    groups: Sequence[Judged]
    """Everything that failed, by reason, and whether it is sent again."""


@frozen
class BudgetChanged(Done):
    per: Per
    """Whether the budget is for a run, a day or a month."""
    currency: str
    """Of the amounts; three letters."""
    before: Decimal
    """The amount until now."""
    after: Decimal
    """The amount from now on."""
    used: Decimal
    """What is spent of it, or reserved."""
    resumed: bool
    """Whether the campaign was paused for the budget, and goes on now."""
    paused: str | None
    """Why it is still paused; null: it is not."""


@frozen
class Cloned(Done):
    of: str
    """The campaign that was copied; `campaign` is the copy."""
    recipients: int
    """How many the copy has."""
    start_at: datetime | None
    """When the copy starts; null: it is a draft."""


@frozen
class Backfilled(Done):
    runs: Sequence[datetime]
    """The times of the runs that were launched."""


@frozen
class Tested(Done):
    run: int
    """The number of the test's run."""
    line: int
    """The line of the list from which the message was filled."""
    to: Sequence[str]
    """The numbers that it goes to."""
    expires_at: datetime
    """Until when it is tried."""
    messages: Sequence[RunMessage]
    """What became of each message."""


class Cost(TypedDict):
    currency: str | None
    """Three letters; null: the provider names none."""
    amount: Decimal
    """What the provider has charged, and what is expected where it has not reported a charge."""


class BudgetUsed(TypedDict):
    per: str
    """run, day or month."""
    currency: str
    """Of the amounts; three letters."""
    used: Decimal
    """What is spent or reserved in the newest run, day or month."""
    limit: Decimal
    """The most that may be spent."""


@frozen
class ListedCampaign(CampaignStatus):
    cost: Sequence[Cost]
    """What its messages cost, one amount for each currency."""
    unpriced: int
    """Messages of which neither a price nor a charge is known."""
    budgets: Sequence[BudgetUsed]
    """Its budgets; empty: it has none."""


@frozen
class Campaigns:
    campaigns: Sequence[ListedCampaign]
    """The newest first."""
    next: int | None
    """Give it as `before` to get the next page; null: this is the last."""


@frozen
class ComingRun:
    at: datetime
    """In UTC."""
    local: datetime
    """The same moment in the campaign's time zone."""


@frozen
class ComingRuns:
    campaign: str
    """Its name."""
    state: CampaignState
    """Its state now."""
    timezone: str
    """The zone of its schedule, such as Africa/Porto-Novo."""
    recipient_local_time: bool
    """Whether each person gets it at that time of day in their own zone."""
    runs: Sequence[ComingRun]
    """Its next runs, the earliest first; empty: no time is given, or it has ended."""
    missed: Sequence[MissedRun]
    """Runs that were not launched at their time, the oldest first."""


class StatusOfCampaign(TypedDict):
    campaign: str
    """Its name."""
    state: CampaignState
    """Its state now."""
    done: int
    """Messages of its newest run that need no more sending."""
    total: int
    """Messages of its newest run."""
    in_doubt: int
    """Messages that may have left: somebody has to decide about them."""
    awaiting_receipt: int
    """Messages on their way, whose receipt may still come."""
    next: datetime | None
    """When something happens next: a run, or the end of what holds messages; null: no such time is known."""
    next_run: datetime | None
    """When its next run starts; null: no time is given."""
    held: Sequence[Left]
    """What its messages wait for, by rule."""
    problem: str | None
    """Why it does not send; null: nothing stops it."""


class StatusOfAll(TypedDict):
    campaigns: Sequence[StatusOfCampaign]
    """Those that have not ended, and the newest that have."""
    paused_senders: Sequence[LanePause]
    """Senders that are paused, and why."""
    at_work: int
    """Processes that send or keep the schedule; 0: nothing is sent."""


class ShownApproval(TypedDict):
    needed: str | None
    """Why it needs an approval before it starts; null: it needs none, or has one."""
    by: str | None
    """Who approved it; null: nobody has."""
    at: datetime | None
    """When; null: nobody has."""


class ShownCampaign(TypedDict):
    """One campaign: its state, what it waits for, and its settings."""

    campaign: str
    """Its name."""
    state: CampaignState
    """Its state now."""
    reason: str | None
    """Why it is in that state; null: no reason is recorded."""
    start_at: datetime | None
    """The time of its next run by its schedule, also once it has ended; null: no time is given."""
    next_run: datetime | None
    """When its next run starts; null: no time is given, or it has ended."""
    created_at: datetime
    """When it was loaded first."""
    approval: ShownApproval
    """Whether it needs an approval, and who has given it."""
    paused_lanes: Sequence[LanePause]
    """Those of its senders that are paused."""
    held: Sequence[Left]
    """What its messages wait for, by rule."""
    budgets: Sequence[BudgetUse]
    """What is used of its budgets, for each run, day or month."""
    changes: Sequence[CampaignEvent]
    """The newest changes by people and guards."""
    missed_runs: Sequence[MissedRun]
    """The newest runs that were not launched at their time."""
    runs: Sequence[RunLine]
    """Its newest runs, at most 10."""
    hours: str | None
    """When its messages may arrive; null: at any time."""
    spec: Mapping[str, Any]
    """The campaign file, with the keys of the configuration reference; keys without a value are left out."""
    imports: Sequence[ImportLine]
    """The lists that were loaded into it."""
    file_rows: int
    """Rows of its lists as they were read last."""
    rows: int
    """Rejected rows and messages together; with several runs more than `file_rows`."""
    rejected: int
    """Rows that were rejected."""
    jobs: int
    """Messages of all its runs; before the first, one for each recipient."""
    states: Mapping[JobState, int]
    """How many of the messages are in each state; a state without messages is left out."""


class HeldBack(TypedDict):
    rules: Mapping[str, int]
    """Messages that go later than their turn, by the first rule that holds them."""
    share: float
    """Their part of the messages that are sent, 0 to 1."""


class CostRange(TypedDict):
    currency: str
    """Of the amounts; three letters."""
    low: Decimal
    """The least that it may cost."""
    high: Decimal
    """The most that it may cost."""


class CostLine(TypedDict):
    country: str | None
    """Of the numbers, as two letters; null: the number has none."""
    currency: str | None
    """Three letters; null: no price is known."""
    low: Decimal | None
    """The least that it may cost; null: no price is known."""
    high: Decimal | None
    """The most that it may cost; null: no price is known."""
    category: str
    """marketing, utility, authentication or service."""
    messages: int
    """Messages that are expected to be sent."""
    unpriced: int
    """Those of them without a known price."""


class BudgetRoom(TypedDict):
    budget: str
    """run, day or month."""
    left: Decimal
    """What is left of it."""
    currency: str
    """Three letters."""
    enough: bool
    """Whether it is enough even if everything costs the most."""


class LimitOfPace(TypedDict):
    limit: str
    """Its name, such as `sender_rate`."""
    said: str
    """Its value as it is set, with the unit."""
    seconds: float
    """How long sending takes by this limit alone."""


class EstimatedCosts(TypedDict, total=False):
    currency: str
    """Of `low` and `high`; three letters."""
    low: Decimal
    """The least that it may cost."""
    high: Decimal
    """The most that it may cost."""
    totals: Sequence[CostRange]
    """One range for each currency; empty: no price is known."""


class EstimatedCampaign(EstimatedCosts):
    """What a campaign would cost, and how long it would take. In one currency, the cost is `currency`, `low` and
    `high`; in several or none, `totals`."""

    campaign: str
    """Its name."""
    at: datetime
    """The time from which it is estimated."""
    recipients: int
    """How many it has."""
    sends: int
    """Messages that are expected to be sent."""
    skips: Mapping[str, int]
    """Messages that are not sent, by reason."""
    waits: Mapping[str, int]
    """Messages that go only once something else happens, by the rule that holds them."""
    held_back: HeldBack
    """Messages that go later than their turn."""
    forms: Mapping[Form, int]
    """The messages that are sent, by form: free or template."""
    windows: Mapping[str, int]
    """The people by their 24-hour window: open, closed or unknown; empty: the provider has no windows."""
    unpriced: int
    """Messages without a known price."""
    within_free_allowance: int
    """Messages that a free allowance covers; the costs are without them."""
    in_free_entry_points: int
    """Messages that cost nothing because the person came through an advertisement."""
    by_country_and_category: Sequence[CostLine]
    """The costs by country and category, the dearest first."""
    budgets: Sequence[BudgetRoom]
    """Its budgets; empty: it has none."""
    warnings: Sequence[str]
    """Why the estimate may be wrong."""
    duration_seconds: float
    """How long sending takes."""
    ends_at: datetime
    """When the last message is sent."""
    bound_by: str | None
    """The limit that decides how long it takes; null: nothing slows it down."""
    limits: Sequence[LimitOfPace]
    """Each limit of the pace."""

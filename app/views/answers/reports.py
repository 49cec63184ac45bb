"""Reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NotRequired

from typing_extensions import TypedDict

from campaigns.message.content import MessageType
from campaigns.states import JobState, RunState


class AskedDates(TypedDict):
    since: datetime | None
    """The runs began then or later; null: from the first on."""
    until: datetime | None
    """The runs began before then; null: up to the newest."""


class AskedScope(AskedDates):
    run: int | None
    """The run that was asked for, or the only one of the dates; null: several, or all."""


class OfCampaign(AskedScope):
    campaign: str
    """Its name."""


class Explained(TypedDict):
    formulas: Mapping[str, str]
    """How each number is counted, by its key."""


class Purgeable(Explained):
    purged_at: datetime | None
    """When details of messages were first deleted, so that some are missing here; null: they are all there."""


class DeliveryCounts(TypedDict):
    campaign: str
    """Its name."""
    file_rows: int
    """Rows of its lists, however many runs sent to them."""
    rows: int
    """Rejected rows and messages together."""
    rejected: int
    """Rows that were rejected."""
    jobs: int
    """Messages: one for each recipient and run."""
    states: Mapping[JobState, int]
    """How many of the messages are in each state; a state without messages is left out."""
    awaiting_receipt: int
    """Messages on their way, whose receipt may still come."""
    skipped: Mapping[str, int]
    """Messages that a rule kept back, by reason."""
    failed: Mapping[str, int]
    """Messages that failed, by the provider's code or the reason."""
    delivery_rate: float | None
    """Delivered, those that were read among them, of all that were tried, 0 to 1; null: none was tried."""
    read_rate: float | None
    """Read, of all that were delivered, 0 to 1; null: none was delivered."""


class DeliveryOfRun(TypedDict):
    run: int
    """Its number."""
    at: datetime
    """Its time by the schedule."""
    state: RunState
    """Its state now."""
    jobs: int
    """Its messages."""
    states: Mapping[JobState, int]
    """How many of them are in each state; a state without messages is left out."""


class DeliveryReport(DeliveryCounts, AskedScope, Purgeable):
    """What became of every row of the list."""

    runs: Sequence[DeliveryOfRun]
    """Each run, if there are several; else empty."""


class CostOf(TypedDict):
    currency: str | None
    """Three letters; null: no price is known, or the provider names no currency."""
    messages: int
    """Messages that the provider accepted."""
    estimated: Decimal | None
    """What they were expected to cost when they were sent; null: no price was known of any."""
    actual: Decimal
    """What the provider has charged."""
    unsettled: Decimal
    """The expected cost of those whose charge the provider has not reported."""
    unpriced: int
    """Messages with neither a known price nor a charge."""


class CostOfCountry(CostOf):
    country: str | None
    """Of the number, as two letters; null: it has none."""


class CostOfCategory(CostOf):
    category: str | None
    """marketing, utility, authentication or service; null: it is deleted."""


class CostOfForm(CostOf):
    form: str | None
    """The kind of the messages, such as text or template; null: it is deleted."""


class CostTotal(TypedDict):
    currency: str | None
    """Three letters; null: no price is known, or the provider names no currency."""
    estimated: Decimal | None
    """What the messages were expected to cost when they were sent; null: no price was known of any."""
    actual: Decimal
    """What the provider has charged."""
    unsettled: Decimal
    """The expected cost of those whose charge the provider has not reported."""
    unpriced: int
    """Messages with neither a known price nor a charge, of whatever currency."""


class CostFigures(AskedDates):
    """In one currency, the total is `currency` to `unpriced`; in several, `totals`."""

    currency: NotRequired[str | None]
    """Three letters; null: no price is known, or the provider names no currency."""
    estimated: NotRequired[Decimal | None]
    """What the messages were expected to cost when they were sent; null: no price was known of any."""
    actual: NotRequired[Decimal]
    """What the provider has charged."""
    unsettled: NotRequired[Decimal]
    """The expected cost of those whose charge the provider has not reported."""
    unpriced: NotRequired[int]
    """Messages with neither a known price nor a charge."""
    totals: NotRequired[Sequence[CostTotal]]
    """A total for each currency."""
    by_country: Sequence[CostOfCountry]
    """By the country of the numbers, the dearest first."""
    by_category: Sequence[CostOfCategory]
    """By the category of the messages, the dearest first."""
    by_form: Sequence[CostOfForm]
    """By the kind of the messages, the dearest first."""
    purged_at: datetime | None
    """When details of messages were first deleted; null: they are all there."""


class CostReport(CostFigures, OfCampaign, Explained):
    """What a campaign's messages cost."""


class FailureGroup(TypedDict):
    code: str | None
    """The provider's code, or the reason; null: neither is known."""
    text: str | None
    """The provider's text, or what the reason means; null: neither is known."""
    count: int
    """Messages."""
    example: str | None
    """The number of one of them; null: the details are deleted."""


class RejectedGroup(TypedDict):
    code: str
    """Why the rows were rejected, as a code of the list reference."""
    text: str
    """What the code means."""
    count: int
    """Rows."""
    first_line: int
    """The line of the first of them in its file."""


class FailuresReport(OfCampaign, Purgeable):
    """Everybody who was not reached, and why."""

    not_reached: int
    """Messages and rejected rows together."""
    in_doubt: Sequence[FailureGroup]
    """Messages that may have left."""
    failed: Sequence[FailureGroup]
    """Messages that failed."""
    expired: Sequence[FailureGroup]
    """Messages whose time ran out before they could be sent."""
    cancelled: Sequence[FailureGroup]
    """Messages that were cancelled before they were sent."""
    skipped: Mapping[str, int]
    """Messages that a rule kept back, by reason."""
    rejected: Sequence[RejectedGroup]
    """Rows of the list that were rejected."""


class FunnelLoss(TypedDict):
    name: str
    """Why they did not get further."""
    code: str | None
    """The provider's code or the reason; null: the name is all."""
    count: int
    """Messages, or rows of the list."""
    open: bool
    """Whether they may still get further."""


class FunnelStep(TypedDict):
    step: str
    """rows, accepted, eligible, attempted, taken, delivered, read or replied."""
    count: int
    """How many got to this step."""
    losses: Sequence[FunnelLoss]
    """Those who got to the step before and not to this one."""


class FunnelFigures(TypedDict):
    steps: Sequence[FunnelStep]
    """From the rows of the list to replies."""
    replied_unread: int
    """Messages that were answered without a read receipt; they are not in the last step."""


class FunnelReport(FunnelFigures, OfCampaign, Purgeable):
    """How many rows got how far."""


class ListedPerson(TypedDict):
    line: int
    """The line in the list."""
    phone: str
    """The number."""
    state: JobState
    """The state of the message."""
    reason: str | None
    """Why it is in that state; null: no reason is recorded."""
    code: str | None
    """The provider's code; null: it gave none."""
    run: int | None
    """The number of the run; null: there was none yet."""


class Recipient(ListedPerson):
    """What became of the message to one recipient, in one run."""

    provider_message_id: str | None
    """The provider's id of the message; null: it gave none."""
    attempts: int
    """Calls that were made to send it."""
    form: MessageType | None
    """What kind of message was sent, such as text or template; null: none was sent."""
    variant: str | None
    """The variant that they got; null: there are none."""
    cost: Decimal | None
    """What the provider charged; null: it has not reported that."""
    currency: str | None
    """Of `cost`, three letters; null: it is not known."""
    sent_at: datetime | None
    """When the provider accepted it; null: it did not."""
    delivered_at: datetime | None
    """When it was delivered; null: there is no receipt of that."""
    read_at: datetime | None
    """When it was read; null: there is no receipt of that."""
    row: NotRequired[Mapping[str, str]]
    """The cells of the list's row, by column; with `not_reached` alone."""

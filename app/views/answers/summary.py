"""The report of a whole campaign, and of several beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NotRequired

from typing_extensions import TypedDict

from app.views.answers.operators import Day
from app.views.answers.reports import (
    AskedDates,
    CostFigures,
    DeliveryCounts,
    Explained,
    FunnelFigures,
    ListedPerson,
    OfCampaign,
    Purgeable,
)
from app.views.answers.variants import VariantsReport
from app.views.reports.summary import Reason
from campaigns.states import CampaignState
from storage.views.time_line import Stretch


class ListedFile(TypedDict):
    source: str
    """The file's name."""
    sha256: str
    """SHA-256 of its bytes."""
    rows: int
    """Its rows."""
    loaded_at: datetime
    """When it was loaded."""


class UsedCard(TypedDict):
    name: str
    """The card's name."""
    effective_from: Day
    """The first day that it is valid."""
    currency: str
    """Of its prices; three letters."""
    source: str
    """Where its prices come from."""


class Provenance(TypedDict):
    files: Sequence[ListedFile]
    """The lists that were loaded."""
    rate_cards: Sequence[UsedCard]
    """The rate cards by which messages were priced."""
    timezone: str
    """The zone of the days that were asked for."""
    version: str
    """The version of Drumbeat that made the report."""
    made_at: datetime
    """When it was made."""


class PausedTime(TypedDict):
    begin: datetime
    """When it began."""
    end: datetime | None
    """When it ended; null: it lasts."""
    reason: str
    """Why nothing was sent."""


class TimeLine(TypedDict):
    each_seconds: float
    """How long each stretch is."""
    limit_per_second: float | None
    """The most messages a second that the settings allow; null: no limit is known."""
    stretches: Sequence[Stretch]
    """What was sent and delivered in each."""
    receipts_later: int
    """Receipts that came after the last of them."""
    pauses: Sequence[PausedTime]
    """When the campaign was paused."""


class PeopleNotReached(TypedDict):
    listed: int
    """How many are in `people`; at most 1,000."""
    people: Sequence[ListedPerson]
    """Those who were not reached, in the order of the list."""
    withheld: NotRequired[bool]
    """Always true: the key may not see lists of people, so `people` is empty."""


class SummaryReport(OfCampaign, Purgeable):
    """The whole result of a campaign."""

    state: CampaignState
    """Its state now."""
    verdict: str
    """The result in one sentence."""
    delivery: DeliveryCounts
    """What became of every row of the list."""
    funnel: FunnelFigures
    """How many rows got how far."""
    cost: CostFigures
    """What the messages cost."""
    failures: Sequence[Reason]
    """Why messages did not arrive and rows were rejected, and what to do about it."""
    time_line: TimeLine | None
    """What was sent when; null: nothing was sent."""
    variants: VariantsReport | None
    """The variant test; null: there is none, or its messages are deleted."""
    not_reached: PeopleNotReached
    """Those who were not reached."""
    provenance: Provenance
    """What the report was made from."""


class CostCompared(TypedDict):
    currency: str | None
    """Three letters; null: no price is known, or the provider names no currency."""
    actual: Decimal
    """What the provider has charged."""
    unsettled: Decimal
    """The expected cost of those whose charge the provider has not reported."""
    unpriced: int
    """Messages with neither an expected price nor a charge."""
    per_delivered: Decimal | None
    """(actual + unsettled) / delivered; null: none was delivered, or a message has no price."""


class ComparedCampaign(TypedDict):
    campaign: str
    """Its name."""
    state: CampaignState
    """Its state now."""
    begun_at: datetime | None
    """The time of its first run; null: there was none."""
    rows: int
    """Rows of its lists; of several runs, their messages and the rejected rows."""
    accepted: int
    """Rows that were not rejected."""
    eligible: int
    """Those of them that were to get the message: not skipped, expired or cancelled."""
    attempted: int
    """Those of them for which the provider was called."""
    taken: int
    """Those of them that the provider accepted."""
    delivered: int
    """Those of them that were delivered."""
    read: int
    """Those of them that were read."""
    replied: int
    """Those of them whose recipient wrote back."""
    delivery_rate: float | None
    """Delivered of all that were tried, 0 to 1; null: none was tried."""
    read_rate: float | None
    """Read of all that were delivered, 0 to 1; null: none was delivered."""
    reply_rate: float | None
    """replied / delivered, 0 to 1; null: none was delivered."""
    costs: Sequence[CostCompared]
    """What it cost, for each currency."""


class ComparisonReport(AskedDates, Explained):
    """Several campaigns beside each other."""

    campaigns: Sequence[ComparedCampaign]
    """In the order asked for."""

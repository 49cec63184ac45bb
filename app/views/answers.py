"""What the API answers beside what other use cases return: the schemas of its document are made from these types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.views.operators.providers import AdapterView
from app.wiring.probes import Probe
from campaigns.states import CampaignState
from scheduler.actions.budget import Per
from scheduler.actions.retrying import Judged
from scheduler.clock.progress import Left
from storage.receipts.notices import NoticeRow
from storage.runs.occurrences import MissedRun
from storage.runs.side_runs import RunMessage
from storage.views.campaign_status import CampaignStatus
from storage.views.overview import LanePause


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to a campaign."""

    campaign: str
    done: str


@dataclass(frozen=True, slots=True)
class Resumed(Done):
    lanes: Sequence[str]
    """Its senders that were paused until somebody resumed them."""


@dataclass(frozen=True, slots=True)
class Cancelled(Done):
    cancelled: int
    """Messages."""


@dataclass(frozen=True, slots=True)
class Approved(Done):
    by: str
    at: datetime
    digest: str
    goes_on: bool
    """Whether it had waited for that."""


@dataclass(frozen=True, slots=True)
class Started(Done):
    start_at: datetime


@dataclass(frozen=True, slots=True)
class Resolved(Done):
    resolved: int


@dataclass(frozen=True, slots=True)
class Retried(Done):
    run: int | None
    retried: int
    groups: Sequence[Judged]


@dataclass(frozen=True, slots=True)
class BudgetChanged(Done):
    per: Per
    currency: str
    before: Decimal
    after: Decimal
    used: Decimal
    resumed: bool
    paused: str | None


@dataclass(frozen=True, slots=True)
class Cloned(Done):
    of: str
    recipients: int
    start_at: datetime | None


@dataclass(frozen=True, slots=True)
class Backfilled(Done):
    runs: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class Tested(Done):
    run: int
    line: int
    to: Sequence[str]
    expires_at: datetime
    messages: Sequence[RunMessage]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a person asked for, and what they are opted out of now."""

    phone: str
    action: str
    scope: str
    opted_out: Sequence[str]


@dataclass(frozen=True, slots=True)
class Linked:
    """The number of a user id, and what its person is opted out of now."""

    phone: str
    user_id: str
    account: str
    opted_out: Sequence[str]


@dataclass(frozen=True, slots=True)
class Adapters:
    providers: Sequence[AdapterView]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the providers answered."""

    answers: Sequence[Probe]


@dataclass(frozen=True, slots=True)
class Notices:
    notices: Sequence[NoticeRow]


@dataclass(frozen=True, slots=True)
class Reconciled:
    updated: int
    """Messages."""


@dataclass(frozen=True, slots=True)
class QrCode:
    id: str
    qr_code: str
    """The picture, as a `data:` address."""


@dataclass(frozen=True, slots=True)
class Deleted:
    id: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong with a campaign file, or missing."""

    detail: str
    hint: str
    errors: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class StoredFile(Done):
    etag: str
    complete: bool
    problem: FileProblem | None


@dataclass(frozen=True, slots=True)
class Cost:
    currency: str | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class BudgetUsed:
    per: str
    currency: str
    used: Decimal
    limit: Decimal


@dataclass(frozen=True, slots=True)
class ListedCampaign(CampaignStatus):
    cost: Sequence[Cost]
    unpriced: int
    budgets: Sequence[BudgetUsed]


@dataclass(frozen=True, slots=True)
class Campaigns:
    campaigns: Sequence[ListedCampaign]
    next: int | None


@dataclass(frozen=True, slots=True)
class ComingRun:
    at: datetime
    local: datetime


@dataclass(frozen=True, slots=True)
class ComingRuns:
    campaign: str
    state: CampaignState
    timezone: str
    recipient_local_time: bool
    runs: Sequence[ComingRun]
    missed: Sequence[MissedRun]


@dataclass(frozen=True, slots=True)
class StatusOfCampaign:
    campaign: str
    state: CampaignState
    done: int
    total: int
    in_doubt: int
    awaiting_receipt: int
    next: datetime | None
    next_run: datetime | None
    held: Sequence[Left]
    problem: str | None


@dataclass(frozen=True, slots=True)
class StatusOfAll:
    campaigns: Sequence[StatusOfCampaign]
    paused_senders: Sequence[LanePause]
    at_work: int


@dataclass(frozen=True, slots=True)
class ShownSession:
    id: str
    status: str
    phone_number: str | None
    display_name: str | None
    reason: str | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreatedSession(ShownSession):
    qr_code: str


@dataclass(frozen=True, slots=True)
class ShownSessions:
    sessions: Sequence[ShownSession]


@dataclass(frozen=True, slots=True)
class ListedCard:
    name: str
    effective_from: str
    currency: str
    source: str
    markets: int
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class ListedCards:
    cards: Sequence[ListedCard]


@dataclass(frozen=True, slots=True)
class ImportedCard:
    name: str
    effective_from: str
    currency: str
    source: str
    markets: int
    replaced: bool

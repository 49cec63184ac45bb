"""What the API answers beside what other use cases return: the schemas of its document are made from these types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.views.operators.providers import AdapterView
from app.wiring.probes import Probe
from campaigns.frozen import frozen
from campaigns.states import CampaignState
from scheduler.actions.budget import Per
from scheduler.actions.retrying import Judged
from scheduler.clock.progress import Left
from storage.receipts.notices import NoticeRow
from storage.runs.occurrences import MissedRun
from storage.runs.side_runs import RunMessage
from storage.views.campaign_status import CampaignStatus
from storage.views.overview import LanePause


@frozen
class Done:
    """What was done to a campaign."""

    campaign: str
    done: str


@frozen
class Resumed(Done):
    lanes: Sequence[str]
    """Its senders that were paused until somebody resumed them."""


@frozen
class Cancelled(Done):
    cancelled: int
    """Messages."""


@frozen
class Approved(Done):
    by: str
    at: datetime
    digest: str
    goes_on: bool
    """Whether it had waited for that."""


@frozen
class Started(Done):
    start_at: datetime


@frozen
class Resolved(Done):
    resolved: int


@frozen
class Retried(Done):
    run: int | None
    retried: int
    groups: Sequence[Judged]


@frozen
class BudgetChanged(Done):
    per: Per
    currency: str
    before: Decimal
    after: Decimal
    used: Decimal
    resumed: bool
    paused: str | None


@frozen
class Cloned(Done):
    of: str
    recipients: int
    start_at: datetime | None


@frozen
class Backfilled(Done):
    runs: Sequence[datetime]


@frozen
class Tested(Done):
    run: int
    line: int
    to: Sequence[str]
    expires_at: datetime
    messages: Sequence[RunMessage]


@frozen
class Recorded:
    """What a person asked for, and what they are opted out of now."""

    phone: str
    action: str
    scope: str
    opted_out: Sequence[str]


@frozen
class Linked:
    """The number of a user id, and what its person is opted out of now."""

    phone: str
    user_id: str
    account: str
    opted_out: Sequence[str]


@frozen
class Adapters:
    providers: Sequence[AdapterView]


@frozen
class Answers:
    """What the providers answered."""

    answers: Sequence[Probe]


@frozen
class Notices:
    notices: Sequence[NoticeRow]


@frozen
class Reconciled:
    updated: int
    """Messages."""


@frozen
class QrCode:
    id: str
    qr_code: str
    """The picture, as a `data:` address."""


@frozen
class Deleted:
    id: str
    deleted: bool


@frozen
class FileProblem:
    """What is wrong with a campaign file, or missing."""

    detail: str
    hint: str
    errors: Sequence[Mapping[str, Any]]


@frozen
class StoredFile(Done):
    etag: str
    complete: bool
    problem: FileProblem | None


@frozen
class Cost:
    currency: str | None
    amount: Decimal


@frozen
class BudgetUsed:
    per: str
    currency: str
    used: Decimal
    limit: Decimal


@frozen
class ListedCampaign(CampaignStatus):
    cost: Sequence[Cost]
    unpriced: int
    budgets: Sequence[BudgetUsed]


@frozen
class Campaigns:
    campaigns: Sequence[ListedCampaign]
    next: int | None


@frozen
class ComingRun:
    at: datetime
    local: datetime


@frozen
class ComingRuns:
    campaign: str
    state: CampaignState
    timezone: str
    recipient_local_time: bool
    runs: Sequence[ComingRun]
    missed: Sequence[MissedRun]


@frozen
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


@frozen
class StatusOfAll:
    campaigns: Sequence[StatusOfCampaign]
    paused_senders: Sequence[LanePause]
    at_work: int


@frozen
class ShownSession:
    id: str
    status: str
    phone_number: str | None
    display_name: str | None
    reason: str | None
    last_seen_at: datetime | None


@frozen
class CreatedSession(ShownSession):
    qr_code: str


@frozen
class ShownSessions:
    sessions: Sequence[ShownSession]


@frozen
class ListedCard:
    name: str
    effective_from: str
    currency: str
    source: str
    markets: int
    imported_at: datetime


@frozen
class ListedCards:
    cards: Sequence[ListedCard]


@frozen
class ImportedCard:
    name: str
    effective_from: str
    currency: str
    source: str
    markets: int
    replaced: bool

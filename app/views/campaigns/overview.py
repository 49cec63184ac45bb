"""The view of `campaign show`: a campaign's state, what delays it, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from app.views.campaigns.upcoming_runs import next_run_of
from app.views.messages import WAITS
from app.wiring.settings import Settings
from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.money.costs import plain
from campaigns.states import CampaignState, JobState
from scheduler.clock.progress import Left
from storage.audience.approvals import Approval, approval_of
from storage.audience.campaigns import Campaign, ImportLine, list_imports, require
from storage.database.engine import Connection
from storage.runs.campaign_events import CampaignEvent, list_campaign_events
from storage.runs.occurrences import MissedRun, list_missed
from storage.views.budgets import BudgetUse
from storage.views.campaign_version import campaign_version as campaign_version
from storage.views.overview import LanePause, RunLine, budget_use, newest_runs, paused_lanes
from storage.views.reports import Delivery, delivery

if TYPE_CHECKING:
    from app.views.answers.campaigns import ShownCampaign

NEWEST: Final = 10
NOT_STARTED: Final = (CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.PAUSED)


@frozen
class Overview:
    """One campaign, all of it read in one snapshot."""

    campaign: Campaign
    files: list[ImportLine]
    delivery: Delivery
    runs: list[RunLine]
    lanes: list[LanePause]
    budgets: list[BudgetUse]
    changes: list[CampaignEvent]
    missed: list[MissedRun]
    held: Sequence[Left]
    """What its messages wait for, by rule."""
    approval: Approval | None
    approval_needed: str | None
    """Why it needs a valid approval to start; None: none is needed, or it has one."""
    next_run: datetime | None
    """When its next run starts; None: none is to come, or no time is given."""

    @property
    def json(self) -> ShownCampaign:
        found = self.campaign
        return {
            "campaign": found.name,
            "state": found.state,
            "reason": found.reason,
            "start_at": found.start_at,
            "next_run": self.next_run,
            "created_at": found.created_at,
            "approval": {
                "needed": self.approval_needed,
                "by": self.approval.by if self.approval else None,
                "at": self.approval.at if self.approval else None,
            },
            "paused_lanes": self.lanes,
            "held": self.held,
            "budgets": self.budgets,
            "changes": self.changes,
            "missed_runs": self.missed,
            "runs": self.runs,
            "hours": found.spec.hours.text if found.spec.hours else None,
            "spec": found.spec.model_dump(mode="json", exclude_none=True),
            "imports": self.files,
            "file_rows": self.delivery.file_rows,
            "rows": self.delivery.rows,
            "rejected": self.delivery.rejected,
            "jobs": self.delivery.jobs,
            "states": self.delivery.states,
        }

    def facts(self) -> Iterator[tuple[str, Any]]:
        """Names and values, as a person reads them."""
        found, file = self.campaign, self.campaign.file
        yield "state", found.state.value + (f" ({found.reason})" if found.reason else "")
        yield from (("paused sender", _lane(pause)) for pause in self.lanes)
        yield from (("waiting", _held(left)) for left in self.held)
        yield from (("waiting", text) for text in self._outside())
        if self.next_run or not self.runs:
            yield "next run", self.next_run or ("none is left" if found.start_at else "no time given")
        yield from self._approval()
        yield "sends", f"{' or '.join(found.types)} through {', '.join(found.lanes)}"
        yield from (
            ("variant", f"{each['name']}, {each['share']:g} % of the test")
            for each in file.get("variants", ())
        )
        if file["audience"].get("refresh"):
            yield "list", f"{file['audience'].get('csv')}, read again for each run"
        yield "category", file["category"]
        if "hours" in file and found.spec.hours:  # the models are loaded for it alone
            yield "hours", found.spec.hours.text
        yield from (("budget", _budget(use)) for use in self.budgets)
        yield from (
            ("changed", f"{change.at:%Y-%m-%d %H:%M:%S %Z}: {change.event}, {change.detail}")
            for change in self.changes
        )
        yield from (("missed", f"{run.nominal_at:%Y-%m-%d %H:%M:%S %Z}: {run.why}") for run in self.missed)
        yield "rows of the file", self.delivery.file_rows
        yield "rejected", self.delivery.file_rejected
        if len(self.delivery.runs) > 1:
            yield f"messages of {counted(len(self.delivery.runs), 'run')}", self.delivery.jobs
        yield from ((state.value, count) for state, count in self.delivery.states.items())

    def _outside(self) -> Iterator[str]:
        """Messages that are with the provider, or may be."""
        if self.delivery.awaiting:
            yield f"{counted(self.delivery.awaiting, 'message')} on the way; receipts may still arrive for days."
        if doubts := self.delivery.states.get(JobState.IN_DOUBT):
            yield f"{counted(doubts, 'message')} in doubt: drumbeat campaign resolve {self.campaign.name}"

    def _approval(self) -> Iterator[tuple[str, str]]:
        if self.approval_needed:
            yield "approval", self.approval_needed
        elif self.approval:
            yield "approval", f"by {self.approval.by}, {self.approval.at:%Y-%m-%d %H:%M:%S %Z}"


def _lane(pause: LanePause) -> str:
    until = f"until {pause.until:%Y-%m-%d %H:%M:%S %Z}" if pause.until else "until it recovers or is resumed"
    return f"{pause.lane}, {until}: {pause.reason}"


def _held(left: Left) -> str:
    until = f", the first until {left.until:%Y-%m-%d %H:%M:%S %Z}" if left.until else ""
    return f"{counted(left.messages, 'message')} held by {left.rule}{until}. {WAITS[left.rule]}"


def _budget(use: BudgetUse) -> str:
    return f"{use.budget}: {plain(use.spent)} {use.currency} spent, {plain(use.reserved)} reserved"


async def campaign_overview(connection: Connection, settings: Settings, name: str, now: datetime) -> Overview:
    """Raises NotFound."""
    from app.wiring.approval_guard import guard_of
    from scheduler.actions.approval import approval_problem
    from scheduler.clock.holds import holds_by_campaign

    campaign = await require(connection, name)
    guard = guard_of(settings)
    waits = campaign.state in NOT_STARTED
    held = await holds_by_campaign(connection, settings.lanes, now, campaign.id)
    return Overview(
        campaign,
        list(await list_imports(connection, campaign.id)),
        await delivery(connection, campaign),
        await newest_runs(connection, campaign.id, NEWEST),
        await paused_lanes(connection, campaign.lanes, now),
        await budget_use(connection, campaign.id),
        await list_campaign_events(connection, campaign.id, NEWEST),
        (await list_missed(connection, campaign.id))[-NEWEST:],
        held.get(name, ()),
        await approval_of(connection, campaign.id),
        await approval_problem(connection, campaign, guard) if waits else None,
        await next_run_of(connection, campaign, now),
    )

"""One line for each campaign: its progress, what comes next, and what holds it; and the senders that are paused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from app.views.campaigns.upcoming_runs import next_run_of
from app.wiring.approval_guard import guard_of
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError
from campaigns.frozen import frozen
from campaigns.states import CampaignState
from scheduler.actions.approval import approval_problem
from scheduler.clock.holds import holds_by_campaign
from scheduler.clock.progress import PACING, Left
from storage.audience.campaigns import require
from storage.database.engine import Connection
from storage.sending.workers import SILENT, list_workers
from storage.views.campaign_status import OVER, CampaignStatus, list_campaign_statuses
from storage.views.overview import LanePause, paused_lanes

if TYPE_CHECKING:
    from app.views.answers.campaigns import StatusOfAll, StatusOfCampaign

ENDED: Final = 5
"""Campaigns that are over and are listed: the newest."""


@frozen
class StatusLine:
    """The state and progress of one campaign."""

    status: CampaignStatus
    held: Sequence[Left]
    problem: str | None
    """Why it does not start; None: nothing keeps it from that."""
    next_run: datetime | None
    """When its next run starts; None: none is to come, or no time is given."""

    @property
    def next_at(self) -> datetime | None:
        """When something happens next: its run starts, or a message is no longer held."""
        times = [self.next_run, *(left.until for left in self.held if left.rule != PACING)]
        return min(filter(None, times), default=None)

    @property
    def holds(self) -> str:
        """What holds it, shortly: `1,204 hours, 20 retry`."""
        parts = [f"{left.messages:,} {left.rule.replace('_', ' ')}" for left in self.held]
        if self.status.in_doubt:
            parts.append(f"{self.status.in_doubt:,} in doubt")
        if self.status.awaiting:
            parts.append(f"{self.status.awaiting:,} awaiting receipt")
        return "; ".join(filter(None, (self.problem, ", ".join(parts))))

    @property
    def json(self) -> StatusOfCampaign:
        found = self.status
        return {
            "campaign": found.name,
            "state": found.state,
            "done": found.done,
            "total": found.total,
            "in_doubt": found.in_doubt,
            "awaiting_receipt": found.awaiting,
            "next": self.next_at,
            "next_run": self.next_run,
            "held": self.held,
            "problem": self.problem,
        }


@frozen
class Status:
    campaigns: Sequence[StatusLine]
    paused_lanes: Sequence[LanePause]
    at_work: int
    """Runners and clocks that are alive."""

    @property
    def json(self) -> StatusOfAll:
        """As `status --json` prints it."""
        return {
            "campaigns": [line.json for line in self.campaigns],
            "paused_senders": self.paused_lanes,
            "at_work": self.at_work,
        }

    @property
    def needs_runner(self) -> bool:
        """Whether a campaign has work and no process does it."""
        waiting = (CampaignState.SCHEDULED, CampaignState.RUNNING)
        return not self.at_work and any(line.status.state in waiting for line in self.campaigns)


async def status(connection: Connection, settings: Settings, now: datetime) -> Status:
    """Every campaign that is not over, and the newest that are."""
    held = await holds_by_campaign(connection, settings.lanes, now)
    lines = [
        StatusLine(
            one,
            held.get(one.name, ()),
            await _problem(connection, settings, one),
            await _next_run(connection, one, now),
        )
        for one in await list_campaign_statuses(connection, ENDED)
    ]
    alive = [
        row for row in await list_workers(connection) if row.kind != "worker" and now - row.seen_at <= SILENT
    ]
    return Status(lines, await paused_lanes(connection, sorted(settings.lanes), now), len(alive))


async def _next_run(connection: Connection, one: CampaignStatus, now: datetime) -> datetime | None:
    if one.next_at is None or one.next_at > now:
        return one.next_at
    return await next_run_of(connection, await require(connection, one.name), now)


async def _problem(connection: Connection, settings: Settings, one: CampaignStatus) -> str | None:
    match one.state:
        case CampaignState.PAUSED:
            return one.reason or "paused"
        case CampaignState.DRAFT:
            return "not started"
        case CampaignState.SCHEDULED:
            try:
                return await approval_problem(
                    connection, await require(connection, one.name), guard_of(settings)
                )
            except DrumbeatError as error:  # its account or sender is not in the settings
                return str(error)
        case _:
            return one.reason if one.state not in OVER else None

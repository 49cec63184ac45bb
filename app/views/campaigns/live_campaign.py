"""A campaign's page: what happens now, what waits and for what, what failed and what to do. Cheap enough to be asked
for every few seconds while a million messages are sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from app.views.campaigns.paces import APART, PACE_OF, STRETCHES, chart_stretches, pace_of_now
from app.views.messages import WAITS
from app.views.reports.parts import Asked
from app.views.reports.send_limit import send_limit
from app.views.reports.summary import Reason, reason_of
from app.views.reports.verdict import verdict_on
from app.wiring.approval_guard import guard_of
from app.wiring.settings import Settings
from campaigns.figures import PaceUnit, unit_of
from campaigns.frozen import frozen
from campaigns.states import CampaignState, JobState
from scheduler.actions.approval import approval_problem
from scheduler.actions.retrying import Judged, preview_retry
from scheduler.clock.holds import holds_by_campaign
from scheduler.clock.progress import PACING, Left
from storage.audience.campaigns import Campaign, ImportLine, list_imports, require
from storage.database.engine import Connection
from storage.runs.campaign_events import Pause, list_pauses
from storage.views.budgets import BudgetUse
from storage.views.live import (
    LiveRun,
    Pace,
    calls_per_run,
    last_calls,
    live_runs,
    newest_run,
    recent_pace,
)
from storage.views.overview import LanePause, budget_use, paused_lanes
from storage.views.report_scope import ScheduledRun
from storage.views.reports import Delivery, failures, progress

LEAST_SHOWN: Final = 12
"""Stretches of the chart that are shown, even if nothing was sent in the first of them."""
_NEAR: Final = 4
RUNS: Final = 10
NOT_STARTED: Final = (CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.PAUSED)
OVER: Final = (CampaignState.COMPLETED, CampaignState.CANCELLED)


@frozen
class Hold:
    """Messages that wait for one rule."""

    rule: str
    messages: int
    until: datetime | None
    means: str


@frozen
class LiveCampaign:
    """One campaign, all of it read in one snapshot."""

    campaign: Campaign
    at: datetime
    """When it was read."""
    verdict: str
    run: ScheduledRun | None
    """The newest, which the numbers are of; None: it was never launched."""
    found: Delivery
    holds: Sequence[Hold]
    pace: Pace
    per_second: float
    """The pace of now."""
    limit: float | None
    pauses: Sequence[Pause]
    reasons: Sequence[Reason]
    runs: Sequence[LiveRun]
    lanes: Sequence[LanePause]
    budgets: Sequence[BudgetUse]
    files: Sequence[ImportLine]
    approval: str | None
    """Why it does not start without an approval."""

    @property
    def name(self) -> str:
        return self.campaign.name

    @property
    def waiting(self) -> int:
        return self.found.states.get(JobState.PENDING, 0) + self.found.states.get(JobState.SENDING, 0)

    @property
    def in_doubt(self) -> int:
        return self.found.states.get(JobState.IN_DOUBT, 0)

    @property
    def near_limit(self) -> float | None:
        """The limit; None: there is none, or the pace is so far below it that a chart of both would show only one."""
        busiest = self._busiest
        return self.limit if self.limit and (not busiest or busiest >= self.limit / _NEAR) else None

    @cached_property
    def unit(self) -> PaceUnit:
        """In which its pace is shown; that of the limit where it is near, so that it does not change back and forth."""
        return unit_of(self.near_limit or self._busiest or 1.0)

    @cached_property
    def _busiest(self) -> float:
        return max((self.per_second, *(rate for _, rate in self.pace.points)))

    @property
    def left(self) -> timedelta | None:
        """How long the messages that only wait for their turn take at this pace."""
        ready = sum(hold.messages for hold in self.holds if hold.rule == PACING)
        return timedelta(seconds=ready / self.per_second) if ready and self.per_second else None

    @property
    def acts(self) -> tuple[str, ...]:
        """What can be done to it now, in the names of the rights."""
        state, possible = self.campaign.state, []
        if self.approval:
            possible.append("approve")
        possible += ["pause"] if state in (CampaignState.RUNNING, CampaignState.SCHEDULED) else []
        possible += ["resume"] if state is CampaignState.PAUSED or self.lanes else []
        if self.found.states.get(JobState.FAILED) and state in (
            CampaignState.RUNNING,
            CampaignState.COMPLETED,
        ):
            possible.append("retry")
        possible += ["resolve"] if self.in_doubt else []
        if state not in OVER:
            possible += ["budget"] if self.campaign.spec.budget else []
            possible.append("cancel")
        return tuple(possible)


async def live_campaign(connection: Connection, settings: Settings, name: str, now: datetime) -> LiveCampaign:
    """Raises NotFound."""
    campaign = await require(connection, name)
    run = await newest_run(connection, campaign.id)
    found = await progress(connection, campaign, run)
    listed = await live_runs(connection, campaign.id, RUNS)
    opened = [each.id for each in listed if each.kind != "test"][:2]
    waits = campaign.state in NOT_STARTED and run is None
    has_template = any(content.template for content in campaign.spec.contents.values())
    lost = await failures(connection, campaign, [run]) if run else []
    holds = await holds_by_campaign(connection, settings.lanes, now, campaign.id)
    limit = send_limit(campaign.spec, settings)
    pace, per_second = await _paces(connection, opened, limit, now)
    return LiveCampaign(
        campaign,
        now,
        verdict_on(Asked(campaign, None), found),
        run,
        found,
        [_hold(left) for left in holds.get(name, ())],
        pace,
        per_second,
        limit,
        await list_pauses(connection, campaign.id),
        [reason_of(name, one, has_template) for one in lost],
        listed,
        await paused_lanes(connection, campaign.spec.lanes, now),
        await budget_use(connection, campaign.id, 1),
        list(await list_imports(connection, campaign.id)),
        await approval_problem(connection, campaign, guard_of(settings)) if waits else None,
    )


async def _paces(
    connection: Connection, run_ids: Sequence[int], limit: float | None, now: datetime
) -> tuple[Pace, float]:
    """That of the last while, and that of now, of these runs together."""
    last = await last_calls(connection, run_ids, APART)
    counts = await calls_per_run(connection, run_ids, now, each=PACE_OF, many=STRETCHES)
    per_second = sum(pace_of_now(counts.get(one, 0), last.get(one), now) for one in run_ids)
    newest = max(last.values(), key=lambda calls: calls.newest, default=None)
    each, many = chart_stretches(newest, limit)
    pace = await recent_pace(connection, run_ids, now, each=each, many=many)
    return pace.begun(LEAST_SHOWN), per_second


def _hold(left: Left) -> Hold:
    return Hold(left.rule, left.messages, left.until, WAITS[left.rule])


async def retry_preview(connection: Connection, name: str) -> Sequence[Judged]:
    """Which failures a retry would send again, and which not and why. Raises NotFound, InvalidInput."""
    return await preview_retry(connection, name)

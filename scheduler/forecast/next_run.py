"""The run that the next launch would make: when it begins, when each person's message falls due in it, and when it
expires."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from campaigns.frozen import frozen
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.states import RunState
from scheduler.audience.local_time import OwnTimes, own_times
from scheduler.clock.coming import coming_run
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from storage.runs.runs import RunRow

NOBODY: Final = 0
"""The number of no campaign."""


@frozen
class NextRun:
    run: RunRow
    schedule: ScheduleSpec
    begins_at: datetime
    """When it is launched; now, if its time has come."""
    own_times: OwnTimes | None
    """None: the run's time is the time of all."""

    def known_as(self, campaign: Campaign | None) -> NextRun:
        """As another database knows the campaign, whose numbers are not these; None: it has no past there."""
        return replace(self, run=replace(self.run, campaign_id=campaign.id if campaign else NOBODY))

    def due_at(
        self, timezone: str | None, region: str | None, phone: str, send_at: datetime | None
    ) -> datetime | None:
        """From when on a person's message may go; None: never, the launch skips it, because the time of day has passed
        in the person's zone."""
        begins_at = self.begins_at
        if self.own_times is None:
            return begins_at if send_at is None else max(begins_at, send_at)
        own, lateness = self.own_times.of(timezone, region, phone), self.schedule.lateness
        if lateness is not None and own < begins_at - lateness:
            return None
        return max(begins_at, own, send_at or begins_at)


async def next_run(connection: Connection, campaign: Campaign, now: datetime) -> NextRun:
    """Of a draft: the one that a start now would make."""
    schedule, start_at = campaign.spec.schedule, campaign.start_at or now
    nominal_at = await coming_run(connection, campaign.id, schedule, start_at, now) or start_at
    local = schedule.recipient_local_time
    own = await own_times(connection, campaign.id, schedule, nominal_at) if local else None
    run = RunRow(
        id=0,
        campaign_id=campaign.id,
        name=campaign.name,
        state=RunState.RUNNING,
        reason=None,
        expires_at=schedule.deadline(max([nominal_at, *(own.times.values() if own else ())])),
        token="",
    )
    return NextRun(run, schedule, max(now, schedule.opens_at(nominal_at)), own)

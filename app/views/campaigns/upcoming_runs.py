"""A campaign's next runs, and the missed ones."""

from __future__ import annotations

from datetime import datetime
from itertools import chain, islice
from typing import Any, Final

from campaigns.frozen import frozen
from campaigns.states import CampaignState
from campaigns.time.clock import Now, utc_now
from scheduler.clock.calendar import occurrences
from scheduler.clock.coming import coming_run
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Connection
from storage.runs.occurrences import MissedRun, count_runs, list_missed

ENDED: Final = (CampaignState.COMPLETED, CampaignState.CANCELLED)


@frozen
class UpcomingRuns:
    """A campaign's upcoming runs, and its latest missed ones."""

    campaign: Campaign
    runs: list[datetime]
    """Nominal times."""
    missed: list[MissedRun]

    @property
    def json(self) -> dict[str, Any]:
        """As `campaign next --json` prints it."""
        schedule = self.campaign.schedule
        return {
            "campaign": self.campaign.name,
            "state": self.campaign.state,
            "timezone": schedule.zone.key,
            "recipient_local_time": schedule.recipient_local_time,
            "runs": [{"at": run, "local": run.astimezone(schedule.zone)} for run in self.runs],
            "missed": self.missed,
        }


async def upcoming_runs(
    connection: Connection, name: str, number: int, *, now: Now = utc_now
) -> UpcomingRuns:
    """At most `number` of each. Raises NotFound."""
    campaign = await require(connection, name)
    made = await count_runs(connection, campaign.id)
    missed = await list_missed(connection, campaign.id)
    next_at = await next_run_of(connection, campaign, now())
    return UpcomingRuns(campaign, _runs_from(campaign, next_at, made, number), missed[-number:])


async def next_run_of(connection: Connection, campaign: Campaign, now: datetime) -> datetime | None:
    """The nominal time of its next run; None: none is to come, or its time is not known."""
    if campaign.state in ENDED:
        return None
    return await coming_run(connection, campaign.id, campaign.schedule, campaign.start_at, now)


def _runs_from(campaign: Campaign, next_at: datetime | None, made: int, number: int) -> list[datetime]:
    schedule = campaign.schedule
    if next_at is None:
        return []
    left = number if schedule.max_runs is None else min(number, schedule.max_runs - made)
    later = occurrences(schedule, next_at) if schedule.recurs else iter(())
    return list(islice(chain([next_at], later), max(0, left)))

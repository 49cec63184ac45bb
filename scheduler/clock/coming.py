"""Which run of a campaign is launched next, by what its runs so far have come to."""

from __future__ import annotations

from datetime import datetime

from campaigns.spec.schedule_spec import ScheduleSpec
from scheduler.clock.calendar import Before, coming_at
from storage.database.engine import Connection
from storage.runs.occurrences import count_runs, sending_ended_at
from storage.runs.runs import is_sending


async def known_before(
    connection: Connection, campaign_id: int, schedule: ScheduleSpec, now: datetime
) -> Before:
    """What is known of the campaign's earlier runs."""
    if not schedule.recurs:
        return Before()
    queues = schedule.overlap == "queue"
    return Before(
        runs=await count_runs(connection, campaign_id),
        sending=await is_sending(connection, campaign_id, now),
        ended_at=await sending_ended_at(connection, campaign_id) if queues else None,
    )


async def coming_run(
    connection: Connection,
    campaign_id: int,
    schedule: ScheduleSpec,
    start_at: datetime | None,
    now: datetime,
) -> datetime | None:
    """The nominal time of the run that comes next, where `start_at` is the stored one: not of one that is missed
    already. None: none is to come."""
    if start_at is None or schedule.opens_at(start_at) > now:
        return start_at
    return coming_at(schedule, start_at, now, await known_before(connection, campaign_id, schedule, now))

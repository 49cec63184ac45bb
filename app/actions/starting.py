"""Start what is stored already: a draft, or a clone."""

from __future__ import annotations

from datetime import datetime

from app.actions.scheduling import TimeFlags
from app.wiring.approval_guard import guard_of
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, SpecError
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.states import CampaignState
from campaigns.time.clock import Now, utc_now
from scheduler.actions import control
from scheduler.actions.approval import refuse_unapproved
from scheduler.actions.cloning import clone
from scheduler.clock.calendar import first_start
from storage.audience.campaigns import Campaign, replace_spec, require
from storage.database.engine import Engine, writing


async def start_campaign(
    engine: Engine, settings: Settings, name: str, times: TimeFlags, *, now: Now = utc_now
) -> datetime:
    """Schedule a draft: at the time that is said, else by its own schedule, else now; when that is.

    Raises Stopped where it would start now and needs approval, InvalidInput where it has started or is paused.
    """
    moment = now()
    async with writing(engine) as connection:
        campaign = await require(connection, name)
        _refuse_started(campaign)
        changes = times.changes(campaign.spec.schedule, moment)
        spec = campaign.spec.changed(schedule=changes) if changes else campaign.spec
        start = _start(spec.schedule, times, moment)
        if changes:
            await replace_spec(connection, campaign.id, spec, moment)
        if start <= moment:
            await refuse_unapproved(connection, campaign, guard_of(settings), start)
    await control.schedule(engine, name, start, now=now)
    return start


async def clone_campaign(
    engine: Engine, settings: Settings, name: str, new: str, times: TimeFlags
) -> tuple[int, datetime | None]:
    """The same message to the same people under a name of its own: how many they are, and when it starts; None: it is
    a draft, because no time was given.

    Raises NotFound, InvalidInput where the new name is taken, and as `start_campaign` does.
    """
    recipients = await clone(engine, name, new)
    if not times.now and times.at is None:
        return recipients, None
    return recipients, await start_campaign(engine, settings, new, times)


def _refuse_started(campaign: Campaign) -> None:
    name, state = campaign.name, campaign.state
    again = f"drumbeat campaign clone {name} NEW --now"
    match state:
        case CampaignState.PAUSED:
            said, hint = f"{name} is paused: {campaign.reason}", f"drumbeat campaign resume {name}"
        case CampaignState.RUNNING:
            said, hint = f"{name} has started already.", f"drumbeat campaign show {name}"
        case CampaignState.COMPLETED:
            said = f"{name} is completed: it is not sent a second time."
            hint = f"{again} sends it again to all; drumbeat campaign retry-failed {name}, to those it did not reach"
        case CampaignState.CANCELLED:
            said, hint = f"{name} is cancelled.", again
        case _:
            return
    raise InvalidInput(said, hint=hint)


def _start(schedule: ScheduleSpec, times: TimeFlags, now: datetime) -> datetime:
    start = (schedule.first_at or now) if times.now else first_start(schedule, now)
    if start is None and not schedule.recurs:
        start = now
    if start is None or (schedule.end_at is not None and schedule.end_at <= start):
        raise SpecError("schedule.ends_at leaves no run.", hint="Load the file again with a later time.")
    return start

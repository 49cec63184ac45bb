"""Start what is stored already: a draft, or a clone."""

from __future__ import annotations

from datetime import datetime

from app.actions.scheduling import Confirm, TimeFlags, slips, start_flag, start_of
from app.wiring.approval_guard import guard_of
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput
from campaigns.states import CampaignState
from campaigns.time.clock import Now, utc_now
from scheduler.actions import control
from scheduler.actions.approval import refuse_unapproved
from scheduler.actions.cloning import clone
from storage.audience.audience import lock_campaign
from storage.audience.campaigns import Campaign, replace_spec, require
from storage.database.engine import Engine, reading, writing


async def start_campaign(
    engine: Engine, settings: Settings, name: str, times: TimeFlags, *, now: Now = utc_now
) -> datetime:
    """Schedule a draft: at the time that is said, else by its own schedule, else now; when that is.

    Raises Stopped where it would start now and needs approval, InvalidInput where it has started or is paused.
    """
    moment = now()
    async with writing(engine) as connection:
        await lock_campaign(connection, (await require(connection, name)).id)
        campaign = await require(connection, name)
        _refuse_started(campaign)
        changes = times.changes(campaign.spec.schedule, moment)
        spec = campaign.spec.changed(schedule=changes) if changes else campaign.spec
        start = start_of(spec.schedule, times, moment) or moment
        if changes:
            await replace_spec(connection, campaign.id, spec, moment)
        if start <= moment:
            await refuse_unapproved(connection, campaign, guard_of(settings), start)
        await control.schedule(connection, name, start, moment)
    return start


async def clone_campaign(
    engine: Engine,
    settings: Settings,
    name: str,
    new: str,
    times: TimeFlags,
    *,
    confirm: Confirm = lambda _: None,
) -> tuple[int, datetime | None]:
    """The same message to the same people under a name of its own: how many they are, and when it starts; None: it is
    a draft, because no time was given.

    Raises NotFound, InvalidInput where the new name is taken, and as `start_campaign` does.
    """
    if not times.now and times.at is None:
        return await clone(engine, name, new), None
    await confirm_times(engine, name, times, confirm)
    recipients = await clone(engine, name, new)
    return recipients, await start_campaign(engine, settings, new, times)


def _refuse_started(campaign: Campaign) -> None:
    name, state = campaign.name, campaign.state
    again = f"drumbeat campaign clone {name} NEW{start_flag(campaign.spec.schedule)}"
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


async def confirm_times(
    engine: Engine, name: str, times: TimeFlags, confirm: Confirm, *, now: Now = utc_now
) -> None:
    """Ask about what is probably a slip in the times at which `name`, or a clone of it, would start."""
    moment = now()
    async with reading(engine) as connection:
        spec = (await require(connection, name)).spec.changed(schedule={"at": None})
    schedule = spec.changed(schedule=times.changes(spec.schedule, moment)).schedule
    for question in slips(schedule, start_of(schedule, times, moment), moment):
        confirm(question)

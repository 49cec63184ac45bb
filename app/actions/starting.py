"""Start a stored campaign: a draft, or a clone."""

from __future__ import annotations

from datetime import datetime

from app.actions.scheduling import Confirm, TimeFlags, schedule_warnings, start_flag, start_of
from app.actions.templates import refuse_stored
from app.wiring.approval_guard import guard_of
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, InvalidInput
from campaigns.states import CampaignState
from campaigns.time.clock import Now, utc_now
from scheduler.actions import control
from scheduler.actions.approval import refuse_unapproved
from scheduler.actions.cloning import clone
from storage.audience.campaigns import Campaign, replace_spec, require, require_locked
from storage.database.engine import Connection, Engine, reading, undoable, writing


@act("campaign.start")
async def start_campaign(
    engine: Engine, settings: Settings, name: str, times: TimeFlags, *, now: Now = utc_now
) -> datetime:
    """Schedule a draft: at the given time, else by its own schedule, else now; returns that time.

    Raises Stopped if it would start now and needs approval, InvalidInput if it has started, is paused or does not fit
    its templates.
    """
    moment = now()
    async with reading(engine) as connection:
        campaign = await require(connection, name)
    _refuse_started(campaign)
    await refuse_stored(engine, settings, campaign.spec)
    async with writing(engine) as connection:
        return await _start(connection, settings, name, times, moment)


async def _start(
    connection: Connection, settings: Settings, name: str, times: TimeFlags, moment: datetime
) -> datetime:
    campaign = await require_locked(connection, name)
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


@act("campaign.clone", about="new")
async def clone_campaign(
    engine: Engine,
    settings: Settings,
    name: str,
    new: str,
    times: TimeFlags,
    *,
    confirm: Confirm = lambda _: None,
    now: Now = utc_now,
) -> tuple[int, datetime | None]:
    """Copy message and recipients under a new name. Returns the number of recipients and the start; None: it is a
    draft, because no time was given.

    Raises NotFound, InvalidInput if the new name is taken; and as `start_campaign` does, then it is copied and stays a
    draft.
    """
    moment = now()
    if not times.now and times.at is None:
        async with writing(engine) as connection:
            return await clone(connection, name, new, moment), None
    await confirm_times(engine, name, times, confirm, now=now)
    refused = await _mismatch(engine, settings, name)
    start: datetime | None = None
    async with writing(engine) as connection:
        recipients = await clone(connection, name, new, moment)
        if refused is None:
            try:
                async with undoable(connection):
                    start = await _start(connection, settings, new, times, moment)
            except DrumbeatError as error:
                refused = error
    if refused is not None:
        raise refused
    return recipients, start


async def _mismatch(engine: Engine, settings: Settings, name: str) -> DrumbeatError | None:
    """Why it does not fit its templates any more; None: it does."""
    async with reading(engine) as connection:
        spec = (await require(connection, name)).spec
    try:
        await refuse_stored(engine, settings, spec)
    except DrumbeatError as error:
        return error
    return None


def _refuse_started(campaign: Campaign) -> None:
    name, state = campaign.name, campaign.state
    again = f"drumbeat campaign clone {name} NEW{start_flag(campaign.spec.schedule)}"
    match state:
        case CampaignState.PAUSED:
            problem, hint = f"{name} is paused: {campaign.reason}", f"drumbeat campaign resume {name}"
        case CampaignState.RUNNING:
            problem, hint = f"{name} has already started.", f"drumbeat campaign show {name}"
        case CampaignState.COMPLETED:
            problem = f"{name} is completed and is not sent a second time."
            hint = f"{again} sends it to all again; drumbeat campaign retry-failed {name}, to those it did not reach"
        case CampaignState.CANCELLED:
            problem, hint = f"{name} is cancelled.", again
        case _:
            return
    raise InvalidInput(problem, hint=hint)


async def confirm_times(
    engine: Engine, name: str, times: TimeFlags, confirm: Confirm, *, now: Now = utc_now
) -> None:
    """Ask about probable mistakes in the start time of `name`, or of a clone of it."""
    moment = now()
    async with reading(engine) as connection:
        spec = (await require(connection, name)).spec.changed(schedule={"at": None})
    schedule = spec.changed(schedule=times.changes(spec.schedule, moment)).schedule
    for question in schedule_warnings(schedule, start_of(schedule, times, moment), moment):
        confirm(question)

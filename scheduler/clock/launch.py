"""Launch what is due: freeze the campaign into a run and expand its jobs, once however many launchers try."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from campaigns.errors import DrumbeatError, InvalidInput
from campaigns.masking import masked
from campaigns.notify_events import NotifyEvent
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.states import CampaignState, RunState
from campaigns.time.clock import Now, utc_now
from scheduler.actions.approval import NO_GUARD, Guard, approval_problem
from scheduler.actions.template_checks import template_problem
from scheduler.audience.file_threads import Stopping
from scheduler.audience.local_time import times_of_places
from scheduler.clock.calendar import Miss, occurrences, take_turn
from scheduler.clock.coming import known_before
from scheduler.clock.refresh import Check, Reading, no_check, read_list, reads_list
from storage.audience.campaigns import require
from storage.database.engine import Connection, Engine, reading, writing
from storage.database.health import is_outage
from storage.notify.events import Occurrence, add_event
from storage.runs.control import move_campaign, move_runs
from storage.runs.local_times import LocalTimes, stored_times
from storage.runs.occurrences import record_missed, was_launched_at
from storage.runs.runs import DueCampaign, due_campaigns, launch_run, lock_due, move_on
from storage.sending.lanes import ensure_lanes

logger = logging.getLogger(__name__)

UNLAUNCHABLE: Final = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, DrumbeatError)
"""Errors that concern one campaign only."""


class ListNeeded(Exception):
    """The run's list has to be read first, or again: the campaign has changed since."""

    def __init__(self, campaign: DueCampaign, spec: CampaignSpec) -> None:
        super().__init__(campaign.name)
        self.campaign = campaign
        self.spec = spec


async def launch_due(
    engine: Engine,
    *,
    guard: Guard = NO_GUARD,
    check: Check = no_check,
    now: Now = utc_now,
    in_background: Callable[[DueCampaign, CampaignSpec], None] | None = None,
) -> list[str]:
    """Launch every campaign with a due run; returns the names of those launched here. `in_background` receives those
    whose list must be read first, which may take long; without it, they are launched here too."""
    async with reading(engine) as connection:
        due = await due_campaigns(connection, now())
    launched = []
    for campaign in due:
        try:
            if await launch(engine, campaign, guard=guard, now=now):
                launched.append(campaign.name)
        except ListNeeded as needed:
            if in_background is not None:
                in_background(needed.campaign, needed.spec)
            elif await launch_with_list(
                engine, needed.campaign, needed.spec, guard=guard, check=check, now=now
            ):
                launched.append(campaign.name)
        except Exception as error:
            if is_outage(error):
                raise
            ids = {"action": "launch_failed", "campaign": campaign.name}
            logger.exception("%s could not be launched; it is tried again.", campaign.name, extra=ids)
    return launched


async def launch_with_list(
    engine: Engine,
    campaign: DueCampaign,
    spec: CampaignSpec,
    *,
    guard: Guard = NO_GUARD,
    check: Check = no_check,
    now: Now = utc_now,
    stop: asyncio.Event | None = None,
) -> bool:
    """Read the campaign's list, then launch its run; False too at a stop, and where the campaign has changed meanwhile:
    the next sweep reads it again."""
    moment = now()
    try:
        async with read_list(engine, campaign, spec, check, moment, stop) as found:
            return await launch(engine, campaign, guard=guard, now=lambda: moment, found=found)
    except (ListNeeded, Stopping):
        return False
    except UNLAUNCHABLE as error:
        await _give_up(engine, campaign, error, moment)
    return False


async def launch(
    engine: Engine,
    campaign: DueCampaign,
    *,
    guard: Guard = NO_GUARD,
    now: Now = utc_now,
    found: Reading | None = None,
) -> bool:
    """Launch the campaign's run whose time has come; False where another launcher was first, where it was missed, or
    where it cannot be launched: the campaign is paused then. Raises ListNeeded where its list is not what was found."""
    moment = now()
    try:
        async with writing(engine) as connection:
            due = await lock_due(connection, campaign.id)
            return due is not None and await _take_turn(connection, due, guard, found, moment)
    except UNLAUNCHABLE as error:
        await _give_up(engine, campaign, error, moment)
    return False


async def _give_up(engine: Engine, campaign: DueCampaign, error: Exception, now: datetime) -> None:
    async with writing(engine) as connection:
        await _pause(connection, campaign, f"It could not be launched: {error}", now)


async def _take_turn(
    connection: Connection, campaign: DueCampaign, guard: Guard, found: Reading | None, now: datetime
) -> bool:
    spec = CampaignSpec.from_json(campaign.spec)
    schedule = spec.schedule
    if schedule.opens_at(campaign.start_at) > now:
        return False
    turn = take_turn(
        schedule, campaign.start_at, now, await known_before(connection, campaign.id, schedule, now)
    )
    if turn.run is None and turn.next_at == campaign.start_at:
        return False
    run = turn.run
    if run is not None and await was_launched_at(connection, campaign.id, run):
        run = None
    await record_missed(connection, campaign.id, turn.missed, now)
    if run is None:
        await move_on(connection, campaign.id, now, launched=False, next_at=turn.next_at)
        return False
    due = replace(campaign, start_at=run)
    if reads_list(spec):
        if found is None or found.campaign != due:
            raise ListNeeded(due, spec)
        if found.trouble:
            await _leave_out(connection, due, schedule, found.trouble, now)
            return False
        if not await found.take_place(connection):
            raise ListNeeded(due, spec)
    if problem := await approval_problem(connection, await require(connection, campaign.name), guard):
        await _pause(connection, campaign, problem, now, NotifyEvent.NEEDS_APPROVAL)
        return False
    if problem := await template_problem(connection, spec, now):
        await _pause(connection, campaign, problem, now)
        return False
    await start_run(connection, due, spec, now, lateness=schedule.lateness)
    await move_on(connection, campaign.id, now, launched=True, next_at=turn.next_at)
    return True


async def _leave_out(
    connection: Connection, campaign: DueCampaign, schedule: ScheduleSpec, trouble: str, now: datetime
) -> None:
    """The run whose list cannot be read is missed, and the next one comes in its time; a one-off waits for a person."""
    if not schedule.recurs:
        raise InvalidInput(trouble)
    logger.error("%s: %s", campaign.name, trouble, extra={"action": "list_unreadable"})
    missed = [(campaign.start_at, Miss.LIST)]
    await record_missed(connection, campaign.id, missed, now, trouble)
    next_at = next(occurrences(schedule, campaign.start_at), None)
    await move_on(connection, campaign.id, now, launched=False, next_at=next_at)


async def start_run(
    connection: Connection,
    campaign: DueCampaign,
    spec: CampaignSpec,
    now: datetime,
    *,
    lateness: timedelta | None,
    fresh_from: datetime | None = None,
) -> None:
    """Freeze the campaign into its run of `start_at`. The caller holds the campaign's lock.

    In recipients' own time, whose time was longer than `lateness` ago is skipped; None: it is sent however late.
    `fresh_from`: `expires_after` counts from no earlier than that; None: from the planned time, however late it is.
    """
    await ensure_lanes(connection, spec.lanes)
    schedule, nominal_at = spec.schedule, campaign.start_at
    planned_at = max(nominal_at, fresh_from or nominal_at)
    launch = partial(launch_run, connection, campaign, lanes=spec.lanes, priority=spec.priority, now=now)
    if not schedule.recipient_local_time:
        await launch(expires_at=schedule.deadline(planned_at))
        return
    regions, times = await times_of_places(connection, campaign.id, schedule, nominal_at)
    local = LocalTimes(regions, now - lateness if lateness is not None else None)
    async with stored_times(connection, times):
        await launch(expires_at=schedule.deadline(max([planned_at, *times.values()])), local=local)


async def _pause(
    connection: Connection,
    campaign: DueCampaign,
    reason: str,
    now: datetime,
    event: NotifyEvent = NotifyEvent.PAUSED,
) -> None:
    """One campaign that cannot be launched must not keep the others waiting."""
    name = campaign.name
    logger.error("%s: %s", name, reason, extra={"action": "launch_failed"})
    living = [CampaignState.SCHEDULED, CampaignState.RUNNING]
    await move_runs(connection, name, [RunState.RUNNING], RunState.PAUSED, reason=reason)
    if await move_campaign(connection, name, living, CampaignState.PAUSED, now, reason=reason):
        # The need of an approval is figures of ours; anything else may quote a list.
        detail = reason if event is NotifyEvent.NEEDS_APPROVAL else masked(reason)
        new = Occurrence(event, f"campaign:{campaign.id}", detail, campaign_id=campaign.id)
        await add_event(connection, new, now)

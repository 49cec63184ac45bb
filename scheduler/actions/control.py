"""What people do to a campaign: schedule, pause, resume, cancel, and resolve what stays in doubt.

Runs before their campaign, as the engine does it: two who lock both in the same order never lock each other out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Literal

from campaigns.errors import InvalidInput
from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.states import CampaignState, JobState, RunState
from campaigns.time.clock import Now, utc_now
from scheduler.actions.approval import NO_GUARD, Guard, refuse_unapproved
from storage.audience.campaigns import Campaign, require, was_launched
from storage.database.engine import Connection, Engine, writing
from storage.runs.breaker import forget_failures
from storage.runs.budget_limits import open_runs_of
from storage.runs.control import end_jobs, move_campaign, move_runs, moved_at, phones_in
from storage.runs.history import AT_ONCE
from storage.runs.pausing import CHECKED_ANYWAY, OF_TEMPLATES, by_a_person
from storage.sending.freed_room import give_back
from storage.sending.lanes import resume_lane
from storage.views.overview import LanePause, paused_lanes

C = CampaignState


@frozen
class Resumed:
    """The result of `resume`."""

    campaign: bool
    lanes: tuple[str, ...]


async def schedule(connection: Connection, name: str, at: datetime, now: datetime) -> None:
    """Start the campaign at `at`, or as soon as a runner runs where that is past.

    One that was paused before its start keeps its pause: to resume it is a decision of its own.
    """
    campaign = await require(connection, name)
    if campaign.state is C.PAUSED and not await was_launched(connection, campaign.id):
        await move_campaign(connection, name, [C.PAUSED], C.PAUSED, now, reason=campaign.reason, start_at=at)
        return
    await _move(connection, name, [C.DRAFT, C.SCHEDULED], C.SCHEDULED, now, "be scheduled", start_at=at)


async def pause(engine: Engine, name: str, reason: str = "paused by a person", *, now: Now = utc_now) -> None:
    """Send nothing more from the next slice on. What a guard had paused goes on only when it is resumed then: neither a
    raised budget nor an approval ends this pause."""
    reason = by_a_person(reason)
    pause_runs = partial(move_runs, name=name, target=RunState.PAUSED, reason=reason)
    async with writing(engine) as connection:
        found = await require(connection, name)
        goes_on = await _goes_on_by_itself(connection, found)
        sources = [C.SCHEDULED, C.RUNNING, *([C.PAUSED] if goes_on else [])]
        await pause_runs(connection, sources=[RunState.RUNNING])
        await _move(connection, name, sources, C.PAUSED, now(), "be paused", reason=reason)
        # A launch may have held the campaign meanwhile.
        await pause_runs(connection, sources=[RunState.RUNNING, RunState.PAUSED])


async def _goes_on_by_itself(connection: Connection, campaign: Campaign) -> bool:
    """Whether a paused campaign sends all the same, or will without a person who resumes it."""
    if campaign.state is not C.PAUSED:
        return False
    open_runs = await open_runs_of(connection, campaign.id)
    reasons = [campaign.reason, *(run.reason for run in open_runs)]
    return any(run.state is RunState.RUNNING for run in open_runs) or any(
        (reason or "").startswith(CHECKED_ANYWAY + OF_TEMPLATES) for reason in reasons
    )


async def resume(engine: Engine, name: str, guard: Guard = NO_GUARD, *, now: Now = utc_now) -> Resumed:
    """Resume the campaign, and those of its lanes that only a person may resume.

    Raises Stopped where it has not been launched yet and needs approval.
    """
    moment = now()
    async with writing(engine) as connection:
        campaign = await require(connection, name)
        paused = await paused_lanes(connection, campaign.lanes, moment)
        lanes = await _resume_lanes(connection, paused)
        launched = await move_runs(connection, name, [RunState.PAUSED], RunState.RUNNING)
        if campaign.state is C.RUNNING and not launched:
            if lanes:
                return Resumed(False, lanes)
            _refuse_timed(name, paused)
        await forget_failures(connection, name)
        if campaign.state is C.PAUSED and not launched:
            await refuse_unapproved(connection, campaign, guard)
        target = C.RUNNING if launched else C.SCHEDULED
        # A run may be paused by itself, and its campaign go on.
        sources = [C.PAUSED, C.RUNNING, C.SCHEDULED] if launched else [C.PAUSED]
        await _move(connection, name, sources, target, moment, "be resumed")
    return Resumed(True, lanes)


async def _resume_lanes(connection: Connection, paused: Sequence[LanePause]) -> tuple[str, ...]:
    """Resume those of the lanes whose pause has no end of its own; which they are."""
    waiting = tuple(pause.lane for pause in paused if pause.until is None)
    for lane in waiting:
        await resume_lane(connection, lane)
    return waiting


def _refuse_timed(name: str, paused: Sequence[LanePause]) -> None:
    for pause in paused:
        raise InvalidInput(
            f"{name} is running; {pause.lane} goes on by itself "
            f"at {pause.until:%Y-%m-%d %H:%M:%S} UTC: {pause.reason}",
        )


async def cancel(engine: Engine, name: str, *, now: Now = utc_now) -> int:
    """End the campaign; returns how many unsent messages were cancelled."""
    living = [C.DRAFT, C.SCHEDULED, C.RUNNING, C.PAUSED]
    moment = now()
    end_runs = partial(
        move_runs,
        name=name,
        sources=[RunState.RUNNING, RunState.PAUSED],
        target=RunState.CANCELLED,
        ended_at=moment,
        with_tests=True,
    )
    async with writing(engine) as connection:
        await end_runs(connection)
        await _move(
            connection, name, living, C.CANCELLED, moment, "be cancelled", reason="cancelled by a person"
        )
        await end_runs(connection)  # a launch may have held the campaign meanwhile
    return await _cancel_jobs(engine, name, moment)


async def _cancel_jobs(engine: Engine, name: str, now: datetime) -> int:
    """By themselves: a slice that holds jobs may wait for their run. A part at a time, with as long a rest for others
    to write. Cut off here, the clock ends them."""
    cancelled = 0
    while True:
        began = time.monotonic()
        async with writing(engine) as connection:
            ended = await end_jobs(
                connection,
                name,
                JobState.PENDING,
                JobState.CANCELLED,
                now,
                reason="run_cancelled",
                detail="the campaign was cancelled",
                most=AT_ONCE,
            )
        cancelled += ended
        if ended < AT_ONCE:
            return cancelled
        await asyncio.sleep(time.monotonic() - began)


async def resolve(
    engine: Engine,
    name: str,
    action: Literal["resend", "give-up"],
    *,
    phones: Collection[str] | None = None,
    expected: int | None = None,
    now: Now = utc_now,
) -> int:
    """Decide for messages in doubt, all or those to `phones`: `resend` risks a second copy, `give-up` a missing one.
    Returns how many there were.

    Raises InvalidInput, with nothing done, if they are not as many as `expected`, or one of the phones has none.
    """
    target = JobState.PENDING if action == "resend" else JobState.CANCELLED
    moment = now()
    async with writing(engine) as connection:
        await require(connection, name)
        if phones is not None:
            _refuse_unknown(name, set(phones) - await phones_in(connection, name, JobState.IN_DOUBT, phones))
        count = await end_jobs(
            connection,
            name,
            JobState.IN_DOUBT,
            target,
            moment,
            reason=None if action == "resend" else "given_up",
            detail=f"resolved by a person: {action}",
            phones=phones,
        )
        _refuse_others(name, count, expected)
        await give_back(connection, await moved_at(connection, name, target, moment), moment)
        return count


def _refuse_unknown(name: str, phones: Collection[str]) -> None:
    if phones:
        raise InvalidInput(
            f"No message of {name} to {', '.join(sorted(phones))} is in doubt; nothing was changed.",
            hint=f"drumbeat report recipients {name} lists which messages are.",
        )


def _refuse_others(name: str, count: int, expected: int | None) -> None:
    """What was decided about is what was seen: meanwhile some may have been found at the provider, or been added."""
    if expected is not None and count != expected:
        raise InvalidInput(
            f"{counted(count, 'message')} of {name} may have arrived now, not {expected}; nothing was changed.",
            hint="Look at them again, then decide.",
        )


async def _move(
    connection: Connection,
    name: str,
    sources: Sequence[CampaignState],
    target: CampaignState,
    now: datetime,
    what: str,
    *,
    reason: str | None = None,
    start_at: datetime | None = None,
) -> None:
    found = await require(connection, name)
    if not await move_campaign(connection, name, sources, target, now, reason=reason, start_at=start_at):
        raise InvalidInput(
            f"Campaign {name} is {found.state} and cannot {what}.", hint=f"drumbeat campaign show {name}"
        )

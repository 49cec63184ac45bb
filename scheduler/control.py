"""What people do to a campaign: schedule, pause, resume, cancel, and resolve what stays in doubt.

Runs before their campaign, as the engine does it: two who lock both in the same order never lock each other out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from campaigns.clock import Now, utc_now
from campaigns.errors import InvalidInput, NotFound
from campaigns.states import CampaignState, JobState, RunState
from storage.control import campaign_state, end_jobs, move_campaign, move_runs
from storage.engine import Connection, Engine, writing

C = CampaignState


async def schedule(engine: Engine, name: str, at: datetime, *, now: Now = utc_now) -> None:
    """Start the campaign at `at`, or as soon as a runner runs where that is past."""
    async with writing(engine) as connection:
        await _move(connection, name, [C.DRAFT, C.SCHEDULED], C.SCHEDULED, now(), "be scheduled", start_at=at)


async def pause(engine: Engine, name: str, reason: str = "paused by a person", *, now: Now = utc_now) -> None:
    """Send nothing more from the next slice on."""
    async with writing(engine) as connection:
        await move_runs(connection, name, [RunState.RUNNING], RunState.PAUSED, reason=reason)
        await _move(connection, name, [C.SCHEDULED, C.RUNNING], C.PAUSED, now(), "be paused", reason=reason)


async def resume(engine: Engine, name: str, *, now: Now = utc_now) -> None:
    """Go on where it was paused."""
    async with writing(engine) as connection:
        launched = await move_runs(connection, name, [RunState.PAUSED], RunState.RUNNING)
        target = C.RUNNING if launched else C.SCHEDULED
        await _move(connection, name, [C.PAUSED], target, now(), "be resumed")


async def cancel(engine: Engine, name: str, *, now: Now = utc_now) -> int:
    """End the campaign; messages not yet sent are cancelled. How many were."""
    living = [C.DRAFT, C.SCHEDULED, C.RUNNING, C.PAUSED]
    moment = now()
    async with writing(engine) as connection:
        await move_runs(
            connection, name, [RunState.RUNNING, RunState.PAUSED], RunState.CANCELLED, ended_at=moment
        )
        await _move(
            connection, name, living, C.CANCELLED, moment, "be cancelled", reason="cancelled by a person"
        )
        return await end_jobs(
            connection,
            name,
            JobState.PENDING,
            JobState.CANCELLED,
            moment,
            reason="run_cancelled",
            detail="the campaign was cancelled",
        )


async def resolve(
    engine: Engine, name: str, action: Literal["resend", "give-up"], *, now: Now = utc_now
) -> int:
    """Decide for all messages in doubt: `resend` risks a second copy, `give-up` a missing one. How many there were."""
    target = JobState.PENDING if action == "resend" else JobState.CANCELLED
    async with writing(engine) as connection:
        if await campaign_state(connection, name) is None:
            raise _missing(name)
        return await end_jobs(
            connection,
            name,
            JobState.IN_DOUBT,
            target,
            now(),
            reason=None if action == "resend" else "given_up",
            detail=f"resolved by a person: {action}",
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
    found = await campaign_state(connection, name)
    if found is None:
        raise _missing(name)
    if not await move_campaign(connection, name, sources, target, now, reason=reason, start_at=start_at):
        raise InvalidInput(
            f"Campaign {name} is {found[0]} and cannot {what}.", hint=f"drumbeat campaign show {name}"
        )


def _missing(name: str) -> NotFound:
    return NotFound(f"There is no campaign {name!r}.", hint="drumbeat campaign list")

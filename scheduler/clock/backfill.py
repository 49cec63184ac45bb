"""Launch missed runs on request."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime

from campaigns.errors import InvalidInput, NotFound
from campaigns.states import CampaignState
from campaigns.time.clock import Now, utc_now
from scheduler.actions.approval import NO_GUARD, Guard, refuse_unapproved
from scheduler.actions.template_checks import refuse_unfit
from scheduler.clock.launch import start_run
from scheduler.clock.refresh import Check, Reading, no_check, read_list, reads_list
from storage.audience.campaigns import Campaign, require, require_locked
from storage.database.engine import Connection, Engine, by_itself, reading, writing
from storage.runs.occurrences import MissedRun, forget_missed, list_missed, was_launched_at
from storage.runs.runs import DueCampaign, move_on

LIVING = (CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.COMPLETED)


async def missed_between(engine: Engine, name: str, since: datetime, until: datetime) -> list[MissedRun]:
    """What `backfill` would launch. Raises NotFound where nothing was missed then."""
    async with reading(engine) as connection:
        return await _missed(connection, await require(connection, name), since, until)


async def backfill(
    engine: Engine,
    name: str,
    since: datetime,
    until: datetime,
    *,
    guard: Guard = NO_GUARD,
    check: Check = no_check,
    now: Now = utc_now,
) -> list[datetime]:
    """Launch every missed occurrence from `since` to `until` now, each as a run like any other; their nominal times.

    What expires, expires as if they started now. Raises NotFound where nothing was missed then, InvalidInput where the
    campaign is paused or ended, or its list cannot be read again, Stopped where it lacks an approval.
    """
    moment = now()
    async with AsyncExitStack() as stack:
        with by_itself():
            lists = await _read_lists(stack, engine, name, since, until, check, moment)
        return await _launch(engine, name, since, until, guard, lists, moment)


async def _read_lists(
    stack: AsyncExitStack,
    engine: Engine,
    name: str,
    since: datetime,
    until: datetime,
    check: Check,
    now: datetime,
) -> dict[datetime, Reading]:
    """The list, read for each missed run whose campaign asks for that, before anything is locked."""
    async with reading(engine) as connection:
        campaign = await require(connection, name)
        _refuse_ended(campaign, now)
        missed = await _missed(connection, campaign, since, until)
    if not reads_list(campaign.spec):
        return {}
    lists: dict[datetime, Reading] = {}
    for nominal_at in (each.nominal_at for each in missed):
        due = DueCampaign(campaign.id, name, campaign.spec.to_json(), nominal_at)
        found = await stack.enter_async_context(read_list(engine, due, campaign.spec, check, now))
        if found.trouble:
            raise InvalidInput(found.trouble)
        lists[nominal_at] = found
    return lists


async def _launch(
    engine: Engine,
    name: str,
    since: datetime,
    until: datetime,
    guard: Guard,
    lists: dict[datetime, Reading],
    moment: datetime,
) -> list[datetime]:
    async with writing(engine) as connection:
        campaign = await require_locked(connection, name)
        _refuse_ended(campaign, moment)
        missed = [each.nominal_at for each in await _missed(connection, campaign, since, until)]
        before: Reading | None = None
        for nominal_at in missed:
            if not await was_launched_at(connection, campaign.id, nominal_at):
                due = DueCampaign(campaign.id, name, campaign.spec.to_json(), nominal_at)
                if reads_list(campaign.spec):
                    before = await _use_list(connection, due, lists.get(nominal_at), before)
                await refuse_unapproved(connection, campaign, guard)
                await refuse_unfit(connection, campaign.spec, moment)
                await start_run(connection, due, campaign.spec, moment, lateness=None, fresh_from=moment)
        await forget_missed(connection, campaign.id, missed)
        await move_on(connection, campaign.id, moment, launched=True, next_at=campaign.start_at)
    return missed


async def _use_list(
    connection: Connection, due: DueCampaign, found: Reading | None, before: Reading | None
) -> Reading:
    if found is None or found.campaign != due or not await found.take_place(connection, before):
        raise InvalidInput(
            f"{due.name} was changed while its list was read; nothing was launched.",
            hint="See what became of it (drumbeat campaign show), and try again.",
        )
    return found


async def _missed(
    connection: Connection, campaign: Campaign, since: datetime, until: datetime
) -> list[MissedRun]:
    missed = await list_missed(connection, campaign.id, since, until)
    if not missed:
        raise NotFound(
            f"{campaign.name} has missed no run from {_to_the_second(since)} to {_to_the_second(until)}.",
            hint=f"drumbeat campaign next {campaign.name}",
        )
    return missed


def _refuse_ended(campaign: Campaign, now: datetime) -> None:
    if campaign.state is CampaignState.PAUSED:
        raise InvalidInput(
            f"{campaign.name} is paused: {campaign.reason}", hint=f"drumbeat campaign resume {campaign.name}"
        )
    if campaign.state not in LIVING:
        raise InvalidInput(
            f"{campaign.name} is {campaign.state}.", hint=f"drumbeat campaign show {campaign.name}"
        )
    end = campaign.spec.schedule.end_at
    if end is not None and end <= now:
        raise InvalidInput(
            f"{campaign.name} ended at {_to_the_second(end)}: everything would expire at once.",
            hint=f"drumbeat campaign clone {campaign.name} NEW",
        )


def _to_the_second(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"

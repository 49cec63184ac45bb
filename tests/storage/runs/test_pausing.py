"""A pause holds for all that a campaign sends, however many runs are open, and a resume ends it for all of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update

from campaigns.errors import InvalidInput
from campaigns.states import CampaignState
from scheduler.actions.budget import change_budget
from scheduler.actions.control import pause, resume
from scheduler.actions.retrying import retry_failed
from scheduler.actions.testing import start_test
from scheduler.clock.launch import launch_due
from scheduler.sending.deciding import BUDGET_REACHED
from storage.audience.campaigns import require
from storage.database.engine import Engine, open_engine, reading, writing
from storage.runs.control import move_campaign, move_runs
from storage.runs.pausing import pause_run, resume_run
from storage.runs.runs import complete_runs
from storage.tables.runs import jobs, runs
from tests.support.campaigns import later, spec, store_campaign
from tests.support.databases import until_it_waits

FAILED = {"state": "failed", "reason": "retries_exhausted"}
DAILY: dict[str, Any] = {"cron": "0 0 * * *", "timezone": "UTC"}
MINE = "+2290197000000"


async def failed_once(engine: Engine, **tables: Any) -> None:
    """Two people, one of whose messages has failed."""
    await store_campaign(engine, spec(**tables), 2)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(**FAILED, updated_at=later(9)))


async def states(engine: Engine) -> tuple[str, list[str]]:
    """The campaign's state, and those of its runs."""
    async with reading(engine) as connection:
        of_runs = list(await connection.scalars(select(runs.c.state).order_by(runs.c.id)))
        return (await require(connection, "spring")).state.value, of_runs


@pytest.mark.parametrize("ended", ["paused", "cancelled"])
async def test_no_retry_is_made_of_a_campaign_that_is_ended_while_it_waits(
    postgres_url: str, ended: str
) -> None:
    engine, other = open_engine(postgres_url), open_engine(postgres_url)
    await failed_once(engine)
    async with writing(engine) as connection:
        await move_runs(connection, "spring", ["running"], ended)
        await move_campaign(connection, "spring", ["running"], CampaignState(ended), later(60))
        retrying = asyncio.create_task(retry_failed(other, "spring", now=lambda: later(60)))
        await until_it_waits(engine)
    with pytest.raises(InvalidInput):
        await retrying
    assert await states(engine) == (ended, [ended])
    await other.dispose()
    await engine.dispose()


async def test_a_retry_between_two_runs_can_be_paused_and_resumed(engine: Engine) -> None:
    await failed_once(engine, schedule=DAILY)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 2).values(state="read"))
        await complete_runs(connection, later(20))
    await retry_failed(engine, "spring", now=lambda: later(60))
    async with writing(engine) as connection:
        await pause_run(connection, 2, "breaker: too many", later(61))
    assert await states(engine) == ("paused", ["completed", "paused"])
    await resume(engine, "spring")
    assert await states(engine) == ("running", ["completed", "running"])
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="read"))
        await complete_runs(connection, later(62))
    assert await states(engine) == ("scheduled", ["completed", "completed"])


async def test_a_paused_test_leaves_its_campaign_alone(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    test = await start_test(engine, "spring", [MINE], now=lambda: later(2))
    async with writing(engine) as connection:
        await pause_run(connection, test.run_id, "unpriced: no price", later(3))
    assert await states(engine) == ("running", ["running", "paused"])


async def test_a_test_that_its_budget_had_paused_starts_no_paused_campaign(engine: Engine) -> None:
    await store_campaign(engine, spec(budget={"max": "1.00", "currency": "USD"}), 1, start_at=later(60))
    await pause(engine, "spring")
    test = await start_test(engine, "spring", [MINE], now=lambda: later(2))
    async with writing(engine) as connection:
        await pause_run(connection, test.run_id, BUDGET_REACHED, later(3))
    await change_budget(engine, "spring", "2.00", now=lambda: later(4))
    assert await states(engine) == ("paused", ["running"])
    assert await launch_due(engine, now=lambda: later(61)) == []


async def test_a_person_pauses_what_a_pause_of_one_run_has_left_running(engine: Engine) -> None:
    await failed_once(engine)
    await retry_failed(engine, "spring", now=lambda: later(60))
    async with writing(engine) as connection:
        await pause_run(connection, 2, "breaker: too many", later(61))
    assert await states(engine) == ("paused", ["running", "paused"])
    await pause(engine, "spring")
    assert await states(engine) == ("paused", ["paused", "paused"])
    await resume(engine, "spring")
    assert await states(engine) == ("running", ["running", "running"])


async def test_what_a_person_has_paused_goes_on_by_no_other_act(engine: Engine) -> None:
    budget = {"max": "1.00", "currency": "USD"}
    await store_campaign(engine, spec(budget=budget), 1)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await pause_run(connection, 1, "budget_reached: no more", later(2))
    await pause(engine, "spring")
    change = await change_budget(engine, "spring", "2.00", now=lambda: later(3))
    assert not change.resumed
    assert await states(engine) == ("paused", ["paused"])


async def test_what_stops_a_run_that_its_budget_has_paused_is_not_forgotten(engine: Engine) -> None:
    """The budget is checked with each message anyway; a template of another category is not."""
    await store_campaign(engine, spec(budget={"max": "1.00", "currency": "USD"}), 1)
    await launch_due(engine, now=lambda: later(1))
    changed = "category_changed: hi (it is marketing now)"
    async with writing(engine) as connection:
        for reason in (BUDGET_REACHED, changed, BUDGET_REACHED):
            await pause_run(connection, 1, reason, later(2))
    change = await change_budget(engine, "spring", "2.00", now=lambda: later(3))
    assert (change.resumed, change.paused) == (False, changed)
    assert await states(engine) == ("paused", ["paused"])


STOPPED = "template_stopped: hi en (its status is PAUSED)"
OTHER_STOPPED = "template_stopped: bye en (its status is PAUSED)"
CHANGED = "category_changed: hi en (it is marketing now)"


async def test_a_run_goes_on_once_each_of_its_templates_is_back(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        for reason in (STOPPED, OTHER_STOPPED, CHANGED, STOPPED):
            await pause_run(connection, 1, reason, later(2))
        campaign = await require(connection, "spring")
        assert campaign.reason == "; ".join([STOPPED, OTHER_STOPPED, CHANGED])
        await resume_run(connection, 1, "template_stopped: hi en ", later(3))
        await resume_run(connection, 1, "category_changed: hi en ", later(4))
        assert (await require(connection, "spring")).reason == OTHER_STOPPED
    assert await states(engine) == ("paused", ["paused"])
    async with writing(engine) as connection:
        await resume_run(connection, 1, "template_stopped: bye en ", later(5))
    assert await states(engine) == ("running", ["running"])


@pytest.mark.parametrize("first", [STOPPED, "template_mismatch: no such template", "It needs approval: why."])
async def test_what_only_a_person_may_resume_is_not_forgotten_while_something_else_pauses(
    engine: Engine, first: str
) -> None:
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await move_runs(connection, "spring", ["running"], "paused", reason=first)
        await move_campaign(
            connection, "spring", ["running"], CampaignState("paused"), later(2), reason=first
        )
        await pause_run(connection, 1, "131031: the account is locked", later(3))
        await resume_run(connection, 1, first, later(4))
        assert (await require(connection, "spring")).reason == "131031: the account is locked"
    assert await states(engine) == ("paused", ["paused"])


async def test_a_raised_budget_resumes_one_run_and_a_person_the_other(engine: Engine) -> None:
    await failed_once(engine, budget={"max": "1.00", "currency": "USD"})
    await retry_failed(engine, "spring", now=lambda: later(60))
    async with writing(engine) as connection:
        await pause_run(connection, 1, "breaker: too many", later(61))
        await pause_run(connection, 2, "budget_reached: no more", later(61))
    await change_budget(engine, "spring", "2.00", now=lambda: later(62))
    assert (await states(engine))[1] == ["paused", "running"]
    await resume(engine, "spring")
    assert await states(engine) == ("running", ["running", "running"])


async def test_a_retry_keeps_to_a_budget_that_was_lowered_since(engine: Engine) -> None:
    await failed_once(engine, schedule=DAILY, budget={"per_day": "50.00", "currency": "USD"})
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 2).values(state="read"))
        await complete_runs(connection, later(20))
    await change_budget(engine, "spring", "5.00", "day", now=lambda: later(30))
    await retry_failed(engine, "spring", now=lambda: later(60))
    async with reading(engine) as connection:
        child = await connection.scalar(select(runs.c.spec).where(runs.c.kind == "retry"))
    assert child is not None
    assert '"per_day":"5.00"' in child

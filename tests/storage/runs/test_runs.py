"""A run is launched once, whoever tries, with one job for each recipient, frozen as it was."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from campaigns.errors import InvalidInput
from campaigns.states import FINAL, CampaignState, JobState, RunState
from scheduler.actions.control import cancel, pause, resolve, resume, schedule
from scheduler.clock.launch import launch, launch_due
from storage.database.engine import Engine, open_engine, reading, writing
from storage.runs.job_counts import count_states
from storage.runs.runs import (
    any_to_finish,
    cancel_jobs,
    complete_runs,
    due_campaigns,
    expire_jobs,
    open_runs,
)
from storage.tables.audience import campaigns
from storage.tables.runs import events, jobs, runs
from tests.support.campaigns import EPOCH, job_rows, later, phone, spec, store_campaign


async def states(engine: Engine) -> tuple[str, str | None]:
    """The state of the one campaign and of its run, if any."""
    async with reading(engine) as connection:
        campaign = await connection.scalar(select(campaigns.c.state))
        return str(campaign), await connection.scalar(select(runs.c.state))


async def test_launch_makes_one_pending_job_for_each_recipient(engine: Engine) -> None:
    await store_campaign(engine, spec(), 25)
    assert await launch_due(engine, now=lambda: later(1)) == ["spring"]
    rows = await job_rows(engine)
    assert len(rows) == 25
    assert {row.state for row in rows} == {"pending"}
    assert {row.lane for row in rows} == {"ourvoice/shop"}
    assert [row.phone for row in rows] == sorted(row.phone for row in rows)
    assert await states(engine) == ("running", "running")


async def test_what_is_not_due_waits(engine: Engine) -> None:
    await store_campaign(engine, spec(), 3, start_at=later(60))
    assert await launch_due(engine, now=lambda: later(59)) == []
    assert await launch_due(engine, now=lambda: later(60)) == ["spring"]


async def test_two_launchers_at_the_same_time_launch_it_once(engine: Engine, database_url: str) -> None:
    await store_campaign(engine, spec(), 200)
    async with reading(engine) as connection:
        [due] = await due_campaigns(connection, later(1))
    others = [open_engine(database_url) for _ in range(4)]
    launched = await asyncio.gather(*(launch(other, due, now=lambda: later(1)) for other in others))
    for other in others:
        await other.dispose()
    assert sorted(launched) == [False, False, False, True]
    assert len(await job_rows(engine)) == 200


async def test_recipients_are_spread_over_the_senders_and_keep_theirs(engine: Engine) -> None:
    for name in ("first", "second"):
        await store_campaign(engine, spec(name, senders=["a", "b", "c"]), 300)
    await launch_due(engine, now=lambda: later(1))
    rows = await job_rows(engine)
    assert Counter(row.lane for row in rows) == {"ourvoice/a": 200, "ourvoice/b": 200, "ourvoice/c": 200}
    lanes_of: dict[str, set[str]] = {}
    for row in rows:
        lanes_of.setdefault(row.phone, set()).add(row.lane)
    assert all(len(lanes) == 1 for lanes in lanes_of.values())


async def test_a_run_is_frozen_at_its_launch(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(campaigns).values(spec="{}"))
    async with reading(engine) as connection:
        assert await connection.scalar(select(runs.c.spec)) == spec().to_json()


async def test_the_database_refuses_a_second_job_for_a_recipient_of_a_run(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    [row] = await job_rows(engine)
    twin = {**row._mapping, "id": row.id + 1}
    with pytest.raises(IntegrityError):
        async with writing(engine) as connection:
            await connection.execute(insert(jobs).values(twin))


@pytest.mark.parametrize(
    "values",
    [
        {"state": "unheard_of"},
        {"state": "sent", "held_by": "retry"},
        {"state": "pending", "provider_message_id": "m1"},
    ],
)
async def test_the_database_refuses_impossible_states(engine: Engine, values: dict[str, str]) -> None:
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    with pytest.raises(IntegrityError):
        async with writing(engine) as connection:
            await connection.execute(update(jobs).values(values))


async def test_completed_means_that_no_job_is_in_a_non_final_state(engine: Engine) -> None:
    await store_campaign(engine, spec(), 2)
    await launch_due(engine, now=lambda: later(1))
    for state in set(JobState) - FINAL:
        async with writing(engine) as connection:
            await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="delivered"))
            await connection.execute(update(jobs).where(jobs.c.id == 2).values(state=state))
            assert await complete_runs(connection, later(2)) == []
            assert not await any_to_finish(connection, later(2))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="failed"))
        assert await any_to_finish(connection, later(2))
        assert len(await complete_runs(connection, later(2))) == 1
    assert await states(engine) == ("completed", "completed")


async def test_pause_resume_cancel(engine: Engine) -> None:
    await store_campaign(engine, spec(), 5)
    await launch_due(engine, now=lambda: later(1))
    await pause(engine, "spring")
    assert await states(engine) == ("paused", "paused")
    async with reading(engine) as connection:
        assert [run.state for run in await open_runs(connection)] == [RunState.PAUSED]
    await resume(engine, "spring")
    assert await states(engine) == ("running", "running")
    assert await cancel(engine, "spring") == 5
    assert await states(engine) == ("cancelled", "cancelled")
    async with reading(engine) as connection:
        assert await count_states(connection, [1]) == {JobState.CANCELLED: 5}
        assert list(await connection.scalars(select(events.c.event))) == ["cancelled"] * 5


async def test_a_campaign_paused_before_its_start_is_scheduled_again(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1, start_at=later(60))
    await pause(engine, "spring")
    assert await launch_due(engine, now=lambda: later(61)) == []
    await resume(engine, "spring")
    assert await launch_due(engine, now=lambda: later(61)) == ["spring"]


async def test_a_draft_is_scheduled_by_hand(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1, start_at=None)
    assert await launch_due(engine, now=lambda: later(1)) == []
    async with writing(engine) as connection:
        await schedule(connection, "spring", EPOCH, EPOCH)
    assert await states(engine) == (CampaignState.SCHEDULED, None)


@pytest.mark.parametrize(("action", "state"), [("resend", "pending"), ("give-up", "cancelled")])
async def test_a_person_resolves_what_is_in_doubt(engine: Engine, action: str, state: str) -> None:
    await store_campaign(engine, spec(), 3)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id != 2).values(state="in_doubt"))
    assert await resolve(engine, "spring", action) == 2  # type: ignore[arg-type]
    assert [row.state for row in await job_rows(engine)] == [state, "pending", state]


async def test_a_person_resolves_some_of_what_is_in_doubt_or_nothing(engine: Engine) -> None:
    await store_campaign(engine, spec(), 4)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id != 2).values(state="in_doubt"))
    with pytest.raises(InvalidInput, match=f"No message of spring to {re.escape(phone(1))} is in doubt"):
        await resolve(engine, "spring", "give-up", phones=[phone(0), phone(1)])
    with pytest.raises(InvalidInput, match="3 messages of spring may have arrived now, not 2"):
        await resolve(engine, "spring", "give-up", expected=2)
    assert [row.state for row in await job_rows(engine)] == ["in_doubt", "pending", "in_doubt", "in_doubt"]
    assert await resolve(engine, "spring", "give-up", phones=[phone(0), phone(2)], expected=2) == 2
    assert [row.state for row in await job_rows(engine)] == ["cancelled", "pending", "cancelled", "in_doubt"]


async def test_pending_jobs_expire_with_their_run_even_while_it_is_paused(engine: Engine) -> None:
    await store_campaign(engine, spec(schedule={"expires_after": "1h"}), 2)
    await launch_due(engine, now=lambda: later(1))
    await pause(engine, "spring")
    async with writing(engine) as connection:
        assert await expire_jobs(connection, later(3599)) == 0
        assert not await any_to_finish(connection, later(3599))
        assert await any_to_finish(connection, later(3600))
        assert await expire_jobs(connection, later(3600)) == 2
    assert {(row.state, row.reason) for row in await job_rows(engine)} == {("expired", "expired")}


async def test_what_comes_back_to_a_cancelled_run_is_cancelled_too(engine: Engine) -> None:
    await store_campaign(engine, spec(), 2)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="sending"))
    assert await cancel(engine, "spring") == 1
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="pending", held_by="retry"))
        assert await any_to_finish(connection, later(9))
        assert await cancel_jobs(connection, later(9)) == 1
        assert await cancel_jobs(connection, later(9)) == 0
        assert not await any_to_finish(connection, later(9))
    assert {(row.state, row.reason) for row in await job_rows(engine)} == {("cancelled", "run_cancelled")}


async def test_a_transaction_ends_no_more_jobs_than_others_can_wait_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.runs.runs.AT_ONCE", 2)
    monkeypatch.setattr("scheduler.actions.control.AT_ONCE", 2)
    await store_campaign(engine, spec("brief", schedule={"expires_after": "1h"}), 3)
    await store_campaign(engine, spec("stopped"), 5)
    await launch_due(engine, now=lambda: later(1))
    ended = []
    for _ in range(3):
        async with writing(engine) as connection:
            ended.append(await expire_jobs(connection, later(3600)))
    assert ended == [2, 1, 0]
    assert await cancel(engine, "stopped") == 5
    assert Counter(row.state for row in await job_rows(engine)) == {"expired": 3, "cancelled": 5}

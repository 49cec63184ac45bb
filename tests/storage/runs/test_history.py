"""A job's history names a state only where the job has entered it, whoever moves it meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select, text, update

from campaigns.outcomes import Accepted, acknowledge
from campaigns.states import JobState
from scheduler.actions.control import cancel, resolve
from scheduler.clock.launch import launch_due
from storage.database.engine import Connection, Engine, open_engine, reading, writing
from storage.receipts.receipts import mark_orphans
from storage.runs.control import end_jobs
from storage.runs.retries import skip_arrived
from storage.runs.runs import cancel_jobs, expire_jobs
from storage.sending.intents import (
    Deferral,
    Intent,
    claim_due,
    commit_intents,
    defer_or_skip,
    withdraw_intents,
)
from storage.sending.outcomes import Outcome, store_outcomes
from storage.tables.runs import events, jobs, runs
from tests.support.campaigns import later, spec, store_campaign
from tests.support.databases import until_it_waits
from tests.support.sent import sending

LANE = "ourvoice/shop"


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[Engine, Engine]]:
    """Two who work on one database at the same time; SQLite has one writer."""
    engine, other = open_engine(postgres_url), open_engine(postgres_url)
    yield engine, other
    await other.dispose()
    await engine.dispose()


async def histories(engine: Engine) -> dict[int, list[str]]:
    async with reading(engine) as connection:
        told: dict[int, list[str]] = {}
        for job_id, name in await connection.execute(
            select(events.c.job_id, events.c.event).order_by(events.c.id)
        ):
            told.setdefault(job_id, []).append(name)
        return told


async def states(engine: Engine) -> dict[int, str]:
    async with reading(engine) as connection:
        return dict((await connection.execute(select(jobs.c.id, jobs.c.state))).all())


async def intents_of(engine: Engine, count: int) -> list[Intent]:
    await store_campaign(engine, spec(), count)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        due = await claim_due(connection, 1, LANE, later(2), count)
    return [Intent(job, "call", "text", "{}", 1, None, later(3)) for job in due]


async def test_a_late_answer_adds_no_event(engine: Engine) -> None:
    late, timely = await intents_of(engine, 2)
    async with writing(engine) as connection:
        await commit_intents(connection, LANE, 1, [late, timely], later(3))
        await connection.execute(update(jobs).where(jobs.c.id == late.job.id).values(state="in_doubt"))
        ack = acknowledge(Accepted("m"), 1, later(4), random.Random(1))
        answers = [Outcome(i, Accepted("m"), ack, later(4), 200, None, 5) for i in (late, timely)]
        await store_outcomes(connection, answers, later(5))
    assert await histories(engine) == {1: ["sending"], 2: ["sending", "accepted"]}


async def test_an_intent_is_withdrawn_once_with_one_event(engine: Engine) -> None:
    intents = await intents_of(engine, 2)
    async with writing(engine) as connection:
        await commit_intents(connection, LANE, 1, intents, later(3))
        await withdraw_intents(connection, intents[:1], later(4))
        await withdraw_intents(connection, intents[:1], later(4))
    assert await histories(engine) == {1: ["sending", "pending"], 2: ["sending"]}


async def test_a_wait_adds_no_event_and_an_end_adds_one(engine: Engine) -> None:
    await intents_of(engine, 3)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 3).values(state="cancelled"))
        asides = [
            Deferral(1, JobState.PENDING, due_at=later(9), held_by="quiet_hours"),
            Deferral(2, JobState.SKIPPED, reason="opted_out"),
            Deferral(3, JobState.SKIPPED, reason="opted_out"),
        ]
        await defer_or_skip(connection, asides, later(4))
    assert await histories(engine) == {2: ["skipped"]}
    assert await states(engine) == {1: "pending", 2: "skipped", 3: "cancelled"}


Mover = Callable[[Connection], Awaitable[Any]]


async def cancel_all(connection: Connection) -> None:
    ends: dict[str, Any] = {"reason": "run_cancelled", "detail": "cancelled"}
    await end_jobs(connection, "spring", JobState.PENDING, JobState.CANCELLED, later(5), **ends)


async def expire_all(connection: Connection) -> None:
    await connection.execute(update(runs).values(expires_at=later(4)))
    await expire_jobs(connection, later(5))


async def cancel_rest(connection: Connection) -> None:
    await connection.execute(update(runs).values(state="cancelled"))
    await cancel_jobs(connection, later(5))


async def skip_second_tries(connection: Connection) -> None:
    await skip_arrived(connection, later(5))


async def as_retry(engine: Engine) -> None:
    """The one run is a retry of another, whose messages have arrived."""
    async with writing(engine) as connection:
        await connection.execute(
            text(
                "INSERT INTO runs (campaign_id, nominal_at, state, priority, spec, token, jobs, launched_at) "
                "SELECT campaign_id, nominal_at - 1, 'running', 0, spec, 'first', jobs, launched_at FROM runs"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO jobs (run_id, recipient_id, phone, lane, state, due_at, updated_at) "
                "SELECT 2, recipient_id, phone, lane, 'read', due_at, updated_at FROM jobs"
            )
        )
        await connection.execute(update(runs).where(runs.c.id == 1).values(kind="retry", parent_id=2))


@pytest.mark.parametrize("mover", [cancel_all, expire_all, cancel_rest, skip_second_tries])
async def test_ending_a_job_that_is_being_sent_meanwhile_adds_no_event(
    two: tuple[Engine, Engine], mover: Mover
) -> None:
    engine, other = two
    intents = await intents_of(engine, 3)
    await as_retry(engine)
    async with writing(engine) as slice_:
        await claim_due(slice_, 1, LANE, later(2), 2)
        await commit_intents(slice_, LANE, 1, intents[:2], later(3))
        ending = asyncio.create_task(do(other, mover))
        await until_it_waits(engine)
    await ending
    told, now = await histories(engine), await states(engine)
    assert [now[job_id] for job_id in (1, 2)] == ["sending", "sending"]
    assert (told[1], told[2], told[3]) == (["sending"], ["sending"], [now[3]])
    assert now[3] not in ("pending", "sending")


async def test_a_doubt_that_is_settled_meanwhile_is_not_resolved_too(two: tuple[Engine, Engine]) -> None:
    engine, other = two
    await sending(engine, 2)
    async with writing(engine) as connection:
        await mark_orphans(connection, "hooked/shop", later(3))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="accepted"))
        resolving = asyncio.create_task(resolve(other, "spring", "give-up", now=lambda: later(5)))
        await until_it_waits(engine)
    assert await resolving == 1
    assert await histories(engine) == {1: ["in_doubt"], 2: ["in_doubt", "cancelled"]}


async def test_a_call_that_was_answered_meanwhile_is_no_orphan(two: tuple[Engine, Engine]) -> None:
    engine, other = two
    await sending(engine, 2)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="accepted"))
        marking = asyncio.create_task(do(other, lambda c: mark_orphans(c, "hooked/shop", later(5))))
        await until_it_waits(engine)
    assert await marking == 1
    assert await histories(engine) == {2: ["in_doubt"]}
    async with reading(engine) as connection:
        ended = await connection.execute(text("SELECT job_id FROM attempts WHERE ended_at IS NOT NULL"))
        assert ended.all() == [(2,)]


async def test_a_cancelled_campaign_adds_an_event_to_each_cancelled_job(engine: Engine) -> None:
    await intents_of(engine, 2)
    assert await cancel(engine, "spring", now=lambda: later(5)) == 2
    assert await histories(engine) == {1: ["cancelled"], 2: ["cancelled"]}


async def do(engine: Engine, work: Mover) -> Any:
    async with writing(engine) as connection:
        return await work(connection)

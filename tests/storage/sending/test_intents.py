"""A slice's writes are guarded by the state they come from: who comes late, or meets a change, writes nothing."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import func, select, text, update

from campaigns.outcomes import Accepted, FailureKind, Refused, Result, acknowledge
from campaigns.states import JobState
from providers.events import Report
from scheduler.clock.launch import launch_due
from storage.database.engine import Connection, Engine, reading, writing
from storage.receipts.receipts import adopt_message, doubts, mark_orphans
from storage.receipts.statuses import apply_webhook_reports
from storage.runs.breaker import first_results
from storage.sending.intents import Intent, claim_due, commit_intents, withdraw_intents
from storage.sending.outcomes import Outcome, store_outcomes
from storage.tables.runs import attempts, jobs, runs
from tests.support.campaigns import job_rows, later, spec, store_campaign

LANE = "ourvoice/shop"


async def claimed(engine: Engine, count: int) -> list[Intent]:
    """Intents for `count` jobs that are due, none committed yet."""
    await store_campaign(engine, spec(), count)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        due = await claim_due(connection, 1, LANE, later(2), count)
    return [Intent(job, "call", "text", "{}", 1, None, later(3)) for job in due]


async def commit(connection: Connection, intents: list[Intent]) -> None:
    await commit_intents(connection, LANE, 1, intents, later(3))


def ended(intent: Intent, result: Result) -> Outcome:
    ack = acknowledge(result, intent.job.attempts + 1, later(4), random.Random(1))
    return Outcome(intent, result, ack, later(4), 200, None, 5)


async def test_a_job_that_changed_meanwhile_is_not_sent(engine: Engine) -> None:
    intents = await claimed(engine, 3)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 2).values(state="cancelled"))
    with pytest.raises(RuntimeError, match="changed under their owner"):
        async with writing(engine) as connection:
            await commit(connection, intents)
    assert [row.state for row in await job_rows(engine)] == ["pending", "cancelled", "pending"]


async def test_a_late_answer_moves_no_job_that_has_moved_on(engine: Engine) -> None:
    (intent,) = await claimed(engine, 1)
    async with writing(engine) as connection:
        await commit(connection, [intent])
        await connection.execute(update(jobs).values(state="in_doubt", reason="interrupted"))
        await store_outcomes(connection, [ended(intent, Accepted("m1"))], later(5))
    (row,) = await job_rows(engine)
    assert (row.state, row.provider_message_id) == ("in_doubt", None)


async def test_answers_of_both_kinds_end_together_and_nothing_is_left_of_an_earlier_refusal(
    engine: Engine,
) -> None:
    first, second = await claimed(engine, 2)
    busy = Refused(FailureKind.THROTTLED, "429", "slow down")
    async with writing(engine) as connection:
        await commit(connection, [first, second])
        await store_outcomes(connection, [ended(first, busy), ended(second, Accepted("m2"))], later(5))
    held, taken = await job_rows(engine)
    assert (held.state, held.code, held.held_by) == ("pending", "429", "retry")
    assert (taken.state, taken.provider_message_id, taken.accepted_at) == ("accepted", "m2", later(4))
    async with writing(engine) as connection:
        due = await claim_due(connection, 1, LANE, later(9_999), 2)
        (again,) = [Intent(job, "call", "text", "{}", 1, None, later(3)) for job in due]
        await commit(connection, [again])
        await store_outcomes(connection, [ended(again, Accepted("m1"))], later(6))
    row, _ = await job_rows(engine)
    assert (row.state, row.provider_message_id, row.attempts) == ("accepted", "m1", 2)
    assert (row.code, row.reason, row.held_by, row.held_since) == (None, None, None, None)


@pytest.mark.parametrize("polls", [True, False])
async def test_a_receipt_is_asked_for_only_where_it_can_be(engine: Engine, polls: bool) -> None:
    answered, doubtful, named = await claimed(engine, 3)
    async with writing(engine) as connection:
        await commit(connection, [answered, doubtful, named])
        await store_outcomes(connection, [ended(answered, Accepted("m1"))], later(5), polls=polls)
        token = await connection.scalar(select(runs.c.token))
        told = Report("m3", "sent", JobState.SENT, later(5), reference=f"{token}.{named.job.id}")
        assert await apply_webhook_reports(connection, "ourvoice", [told], later(6), polls=polls) == 1
        await mark_orphans(connection, LANE, later(7))
        (doubt,) = await doubts(connection, LANE, 9)
        assert await adopt_message(connection, doubt, "m2", later(8), polls=polls)
    assert [row.poll_at is not None for row in await job_rows(engine)] == [polls] * 3


async def test_an_intent_that_is_withdrawn_costs_no_attempt_and_may_be_made_again(engine: Engine) -> None:
    intents = await claimed(engine, 2)
    async with writing(engine) as connection:
        await commit(connection, intents)
        await withdraw_intents(connection, intents[:1], later(4))
        await withdraw_intents(connection, intents[:1], later(4))
    first, second = await job_rows(engine)
    assert (first.state, first.attempts, first.due_at) == ("pending", 0, later(1))
    assert (second.state, second.attempts) == ("sending", 1)
    async with writing(engine) as connection:
        await commit(connection, intents[:1])
        assert await connection.scalar(select(func.count()).select_from(attempts)) == 2


async def test_an_intent_whose_call_has_ended_is_not_withdrawn(engine: Engine) -> None:
    (intent,) = await claimed(engine, 1)
    async with writing(engine) as connection:
        await commit(connection, [intent])
        await store_outcomes(connection, [ended(intent, Accepted("m1"))], later(5))
        await withdraw_intents(connection, [intent], later(6))
    (row,) = await job_rows(engine)
    assert (row.state, row.attempts) == ("accepted", 1)


async def test_sqlite_keeps_what_it_has_committed_when_the_power_fails(sqlite_engine: Engine) -> None:
    full = 2
    async with reading(sqlite_engine) as connection:
        assert await connection.scalar(text("PRAGMA synchronous")) == full


async def test_a_call_that_was_throttled_uses_up_no_try_of_a_message(engine: Engine) -> None:
    """A file that could not be fetched is asked for three times, whatever else its message's calls met."""
    await claimed(engine, 1)
    throttled, unfetched = (Refused(kind, "1") for kind in (FailureKind.THROTTLED, FailureKind.PASSING))
    states = []
    for hour, result in enumerate((throttled, unfetched, throttled, unfetched, throttled, unfetched)):
        now = later(3600 * (hour + 1))
        async with writing(engine) as connection:
            (job,) = await claim_due(connection, 1, LANE, now, 1)
            intent = Intent(job, "call", "text", "{}", 1, None, now)
            await commit_intents(connection, LANE, 1, [intent], now)
            ack = acknowledge(result, job.attempts + 1, now, random.Random(1), passing=job.passing)
            await store_outcomes(connection, [Outcome(intent, result, ack, now, 429, None, 5)], now)
            first = await first_results(connection, 1, now)
        states.append((ack.state, first.of(("text", None)).refused))
    assert states == [(JobState.PENDING, 0)] * 5 + [(JobState.FAILED, 1)]

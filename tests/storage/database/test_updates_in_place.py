"""On PostgreSQL an updated row that stays on its page needs no new entries in the indexes of its table."""

from __future__ import annotations

from random import Random

from sqlalchemy import text

from campaigns.outcomes import Accepted, acknowledge
from scheduler.clock.launch import launch_due
from storage.database.engine import open_engine, writing
from storage.sending.contact_history import NewHistoryRow, add_to_history, delay_history
from storage.sending.intents import Intent, claim_due, commit_intents
from storage.sending.outcomes import Outcome, store_outcomes
from tests.support.campaigns import later, spec, store_campaign

LANE, SLICE = "ourvoice/shop", 200
IN_PLACE = text("SELECT pg_stat_get_xact_tuples_hot_updated(CAST(:name AS regclass))")


async def test_calls_and_history_are_updated_where_they_lie(postgres_url: str) -> None:
    engine, content = open_engine(postgres_url), '{"text": "%s"}' % ("Hello Ada, " * 10)
    await store_campaign(engine, spec(), SLICE)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        due = await claim_due(connection, 1, LANE, later(9), SLICE)
        intents = [Intent(job, "call", "text", content, 1, None, later(9)) for job in due]
        await commit_intents(connection, LANE, 1, intents, later(9))
        new = [NewHistoryRow(job.id, job.phone, 1, "marketing", ("spring",), counts=True) for job in due]
        await add_to_history(connection, LANE, later(9), new)
    taken = Accepted("message")
    ack = acknowledge(taken, 1, later(10), Random(1))
    async with writing(engine) as connection:
        outcomes = [Outcome(intent, taken, ack, later(10), 200, None, 5) for intent in intents]
        await store_outcomes(connection, outcomes, later(10))
        await delay_history(connection, [(job.id, later(10)) for job in due])
        moved = {name: await connection.scalar(IN_PLACE, {"name": name}) for name in ("attempts", "touches")}
    await engine.dispose()
    assert min(moved.values()) > SLICE * 0.85, moved

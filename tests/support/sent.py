"""Jobs as a shift leaves them: their intents committed, and their answers stored when a test wants."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select, update

from campaigns.outcomes import Accepted, Result, Transition
from campaigns.states import JobState
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, reading, writing
from storage.receipts.statuses import apply_unmatched
from storage.sending.intents import DueJob, Intent
from storage.sending.outcomes import Outcome, store_outcomes
from storage.tables.runs import attempts, jobs, runs
from tests.support.campaigns import later, spec, store_campaign


async def sending(engine: Engine, count: int, *, account: str = "hooked") -> str:
    """`count` jobs on the lane ACCOUNT/shop whose calls are under way; the token that begins their references."""
    await store_campaign(engine, spec(), count)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="sending", lane=f"{account}/shop", attempts=1))
        tried = {"number": 1, "call": "c1", "lane": f"{account}/shop", "epoch": 1, "intent_at": later(2)}
        rows = [{"job_id": number, "run_id": 1, "content": "{}", **tried} for number in range(1, count + 1)]
        if rows:
            await connection.execute(insert(attempts), rows)
    async with reading(engine) as connection:
        token = await connection.scalar(select(runs.c.token))
    assert token is not None
    return token


async def answered(
    engine: Engine, numbers: Sequence[int], *, account: str = "hooked", seconds: float = 3
) -> None:
    """The calls of these jobs are answered with the ids m1, m2, …, and that is stored as a shift stores it."""
    now = later(seconds)
    outcomes = [_outcome(number, Accepted(f"m{number}"), seconds) for number in numbers]
    async with writing(engine) as connection:
        await store_outcomes(connection, outcomes, now)
        await apply_unmatched(connection, account, [f"m{number}" for number in numbers], now, failures=False)


def _outcome(number: int, result: Result, seconds: float) -> Outcome:
    job = DueJob(number, 1, "+447700900000", 0, None, "{}", "GB", None, None, None)
    intent = Intent(job, "c1", "text", "{}", 1, None, later(seconds))
    return Outcome(intent, result, Transition(JobState.ACCEPTED), later(seconds), 200, None, 5)

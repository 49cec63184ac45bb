"""How a run's newest messages have fared: messages are counted, however often each was tried."""

from __future__ import annotations

from sqlalchemy import insert, update

from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, reading, writing
from storage.runs.breaker import Failures, First, first_results, forget_failures, newest_failures
from storage.tables import attempts, jobs
from tests.support.campaigns import later, spec, store_campaign

LANE = "ourvoice/shop"


async def tried(engine: Engine, size: int, rounds: int, failed: int, *, outcome: str = "accepted") -> None:
    """A run of `size` messages; the last `failed` of them were called for `rounds` times and failed in the end."""
    await store_campaign(engine, spec(), size)
    await launch_due(engine, now=lambda: later(1))
    rows = [
        {
            "job_id": number,
            "run_id": 1,
            "number": turn,
            "call": f"{number}.{turn}",
            "lane": LANE,
            "epoch": 1,
            "intent_at": later(2),
            "ended_at": later(3),
            "outcome": outcome,
        }
        for turn in range(1, rounds + 1)
        for number in range(1 if turn == 1 else size - failed + 1, size + 1)
    ]
    async with writing(engine) as connection:
        await connection.execute(insert(attempts), rows)
        await connection.execute(update(jobs).values(state="sent", attempts=1, form="text"))
        over = update(jobs).where(jobs.c.id > size - failed)
        ended = {"state": "failed", "reason": "refused", "code": "131053", "attempts": rounds}
        await connection.execute(over.values(**ended))


async def failures(engine: Engine, of_last: int = 100) -> Failures:
    async with reading(engine) as connection:
        return await newest_failures(connection, 1, of_last)


async def test_a_message_that_was_tried_three_times_is_one_failure(engine: Engine) -> None:
    await tried(engine, 82, 3, 9)
    assert await failures(engine) == Failures(9, "131053")


async def test_only_the_newest_messages_count_and_none_from_before_a_person_resumed_it(
    engine: Engine,
) -> None:
    await tried(engine, 82, 3, 9)
    assert await failures(engine, 2) == Failures(2, "131053")
    async with writing(engine) as connection:
        await forget_failures(connection, "spring")
    assert await failures(engine) == Failures(0, None)


async def test_the_first_messages_are_counted_by_form_and_result(engine: Engine) -> None:
    await tried(engine, 4, 1, 0, outcome="message")
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(form="template"))
        await connection.execute(update(attempts).where(attempts.c.job_id == 2).values(outcome="accepted"))
        await connection.execute(update(attempts).where(attempts.c.job_id == 3).values(outcome=None))
        await connection.execute(update(jobs).where(jobs.c.id == 3).values(state="sending"))
        found = await first_results(connection, 1)
    assert found.jobs == 4
    assert found.of(("text", None)) == First(accepted=1, refused=1, under_way=1)
    assert found.of(("template", None)) == First(refused=1)
    assert found.of(("image", None)) == First()

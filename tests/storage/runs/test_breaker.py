"""How a run's messages have fared, its first and those around a failure: messages are counted, however often each was
tried."""

from __future__ import annotations

from sqlalchemy import insert, update

from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, reading, writing
from storage.runs.breaker import (
    First,
    failing_runs,
    first_results,
    forget_failures,
    most_frequent,
    worst_stretch,
)
from storage.sending.intents import any_sending
from storage.sending.lanes import take_lane
from storage.tables.runs import attempts, jobs
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


async def worst(engine: Engine, job: int, of_last: int = 100) -> tuple[int, str | None] | None:
    """The failures of the worst stretch around the message; None: it counts none against a running run."""
    async with reading(engine) as connection:
        for run in await failing_runs(connection, [job]):
            stretch = await worst_stretch(connection, run.id, run.failed[0], run.failed[-1], of_last)
            assert stretch is not None
            return stretch.failed, await most_frequent(connection, run.id, stretch, of_last)
    return None


async def test_a_message_that_was_tried_three_times_is_one_failure(engine: Engine) -> None:
    await tried(engine, 82, 3, 9)
    assert await worst(engine, 82) == (9, "131053")


async def test_the_messages_around_a_failure_count_and_none_from_before_a_person_resumed_the_run(
    engine: Engine,
) -> None:
    await tried(engine, 82, 1, 40)
    assert await worst(engine, 43, 10) == (10, "131053"), "as many before it as after it"
    assert await worst(engine, 42, 10) is None, "it has not failed"
    async with writing(engine) as connection:
        await forget_failures(connection, "spring")
    assert await worst(engine, 43, 10) is None


async def test_the_first_messages_are_counted_by_form_and_result(engine: Engine) -> None:
    await tried(engine, 4, 1, 0, outcome="message")
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(form="template"))
        await connection.execute(update(attempts).where(attempts.c.job_id == 2).values(outcome="accepted"))
        await connection.execute(update(attempts).where(attempts.c.job_id == 3).values(outcome=None))
        await connection.execute(update(jobs).where(jobs.c.id == 3).values(state="sending"))
        await take_lane(connection, LANE, "worker", later(0), later(30), no_other_runner=False)
        found = await first_results(connection, 1, later(29))
        orphaned = await first_results(connection, 1, later(30))
        assert await any_sending(connection, 1, later(29))
        assert not await any_sending(connection, 1, later(30))
    assert found.jobs == 4
    assert found.of(("text", None)) == First(accepted=1, refused=1, under_way=1)
    assert found.of(("template", None)) == First(refused=1)
    assert found.of(("image", None)) == First()
    assert orphaned.of(("text", None)) == First(accepted=1, refused=1)  # nobody may ever take that lane again

"""Reports in any order end in the same state, doubts are answered once, receipts are asked for less and less often."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from campaigns.money.costs import Money
from campaigns.states import RANK, JobState
from providers.events import Report
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, reading, writing
from storage.receipts.receipts import (
    DoubtRow,
    adopt_message,
    doubts,
    due_receipts,
    give_up,
    is_claimed,
    known_message_ids,
    mark_orphans,
    plan_next_polls,
    send_again,
)
from storage.receipts.statuses import apply_reports
from storage.tables.runs import attempts, events, jobs
from tests.conftest import FEW_VALUES
from tests.support.campaigns import job_rows, later, phone, spec, store_campaign
from tests.support.sent import sending
from tests.support.states import settle

LANE = "ourvoice/shop"
S = JobState


async def accepted(engine: Engine, count: int) -> None:
    """`count` jobs that the provider has taken as m1, m2, …"""
    await store_campaign(engine, spec(), count)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        for number in range(1, count + 1):
            await connection.execute(
                update(jobs)
                .where(jobs.c.id == number)
                .values(
                    state="accepted",
                    provider_message_id=f"m{number}",
                    accepted_at=later(number),
                    poll_at=later(number),
                )
            )


def report(message_id: str, state: JobState | None, at: datetime | None = None, **values: Any) -> Report:
    return Report(message_id, state.value if state else "odd", state, at, **values)


async def apply(engine: Engine, *reports: Report) -> int:
    async with writing(engine) as connection:
        return await apply_reports(connection, LANE, reports, "poll", later(100))


async def test_every_order_of_reports_ends_in_the_strongest_state(engine: Engine) -> None:
    orders = [random.Random(seed).choices(sorted(RANK), k=seed % 7) for seed in range(40)]
    await accepted(engine, len(orders))
    for place in range(7):
        batch = [report(f"m{n}", order[place]) for n, order in enumerate(orders, 1) if place < len(order)]
        await apply(engine, *batch)
        await apply(engine, *batch)
    assert [row.state for row in await job_rows(engine)] == [settle(S.ACCEPTED, order) for order in orders]


async def test_a_whole_history_in_one_answer_ends_in_the_strongest_state(engine: Engine) -> None:
    orders = [random.Random(seed).choices(sorted(RANK), k=seed % 7) for seed in range(40)]
    await accepted(engine, len(orders))
    await apply(engine, *(report(f"m{n}", state) for n, order in enumerate(orders, 1) for state in order))
    assert [row.state for row in await job_rows(engine)] == [settle(S.ACCEPTED, order) for order in orders]


async def test_a_weaker_status_after_a_failure_keeps_its_reason(engine: Engine) -> None:
    await accepted(engine, 1)
    await apply(engine, report("m1", S.FAILED, reason="Number is not on WhatsApp"), report("m1", S.SENT))
    [row] = await job_rows(engine)
    assert (row.state, row.code) == ("failed", "Number is not on WhatsApp")


async def test_times_prices_and_reasons_are_kept(engine: Engine) -> None:
    await accepted(engine, 2)
    price = Money(Decimal("10"), "XOF")
    await apply(
        engine,
        report("m1", S.READ, later(9), cost=price, times=((S.SENT, later(5)), (S.DELIVERED, later(7)))),
        report("m2", S.FAILED, later(6), reason="Number is not on WhatsApp", cost=Money(Decimal(0), "XOF")),
    )
    first, second = await job_rows(engine)
    assert (first.sent_at, first.delivered_at, first.read_at) == (later(5), later(7), later(9))
    assert (first.cost_micros, first.currency) == (10_000_000, "XOF")
    assert (second.state, second.reason, second.code) == (
        "failed",
        "provider_failed",
        "Number is not on WhatsApp",
    )
    assert second.cost_micros == 0


async def test_a_repeated_report_leaves_no_second_event(engine: Engine) -> None:
    await accepted(engine, 1)
    assert [await apply(engine, report("m1", S.SENT, later(2))) for _ in range(3)] == [1, 0, 0]
    async with reading(engine) as connection:
        assert await connection.scalar(select(func.count()).select_from(events)) == 1


async def test_an_unknown_status_and_an_unknown_message_change_nothing(engine: Engine) -> None:
    await accepted(engine, 1)
    assert await apply(engine, report("m1", None), report("m9", S.READ)) == 0
    assert (await job_rows(engine))[0].state == "accepted"


async def test_arrival_overrules_a_failure_and_clears_its_reason(engine: Engine) -> None:
    await accepted(engine, 1)
    await apply(engine, report("m1", S.FAILED, reason="timeout"))
    await apply(engine, report("m1", S.DELIVERED, later(9)))
    [row] = await job_rows(engine)
    assert (row.state, row.reason, row.code) == ("delivered", None, None)


async def test_another_lanes_message_of_the_same_id_is_left_alone(engine: Engine) -> None:
    await accepted(engine, 1)
    async with writing(engine) as connection:
        await apply_reports(connection, "other/lane", [report("m1", S.READ)], "poll", later(9))
    assert (await job_rows(engine))[0].state == "accepted"


async def test_receipts_are_asked_for_ever_less_often_until_the_end(engine: Engine) -> None:
    await accepted(engine, 1)
    waits = []
    now = later(2)
    for _ in range(14):
        async with writing(engine) as connection:
            due = await due_receipts(connection, LANE, now, 10, after=0)
            assert [awaited.message_id for awaited in due] == ["m1"]
            await plan_next_polls(connection, due, now)
        asked = (await job_rows(engine))[0].poll_at
        waits.append(asked - now)
        now = asked
    assert waits[:4] == [timedelta(seconds=s) for s in (1, 2, 4, 8)]
    assert waits[-1] == timedelta(hours=1)
    async with writing(engine) as connection:
        await plan_next_polls(connection, due, later(31 * 86400))
    assert (await job_rows(engine))[0].poll_at is None


@pytest.mark.parametrize(("state", "asked_again"), [(S.DELIVERED, True), (S.READ, False), (S.FAILED, False)])
async def test_only_what_can_still_change_is_asked_again(
    engine: Engine, state: JobState, asked_again: bool
) -> None:
    await accepted(engine, 1)
    await apply(engine, report("m1", state))
    async with writing(engine) as connection:
        await plan_next_polls(
            connection, await due_receipts(connection, LANE, later(9), 10, after=0), later(9)
        )
    assert ((await job_rows(engine))[0].poll_at is not None) == asked_again


async def in_doubt(engine: Engine, *, number: int = 1) -> None:
    """One job whose attempt `number` has no stored answer, found by rescue."""
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="sending", attempts=number))
        await connection.execute(
            attempts.insert().values(
                job_id=1, number=number, call="c1", lane=LANE, epoch=1, intent_at=later(2), content="{}"
            )
        )
        assert await mark_orphans(connection, LANE, later(3)) == 1
        assert await mark_orphans(connection, LANE, later(3)) == 0


async def test_an_intent_without_an_answer_is_in_doubt(engine: Engine) -> None:
    await in_doubt(engine)
    [row] = await job_rows(engine)
    assert (row.state, row.reason) == ("in_doubt", "interrupted")
    async with reading(engine) as connection:
        [doubt] = await doubts(connection, LANE, 10)
    assert (doubt.phone, doubt.attempts, doubt.intent_at, doubt.asked_from) == (
        phone(0),
        1,
        later(2),
        later(3),
    )


async def test_a_found_message_is_adopted_once(engine: Engine) -> None:
    await in_doubt(engine)
    async with writing(engine) as connection:
        [doubt] = await doubts(connection, LANE, 10)
        assert await adopt_message(connection, doubt, "m1", later(9))
        assert not await adopt_message(connection, doubt, "m2", later(9))
        assert not await send_again(connection, doubt, later(9))
        assert await known_message_ids(connection, phone(0)) == {"m1"}
    assert (await job_rows(engine))[0].state == "accepted"


async def test_doubts_come_in_pages_in_the_order_of_the_jobs(engine: Engine) -> None:
    await sending(engine, 5, account="ourvoice")
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id != 2).values(state="in_doubt"))
        # The first one was tried last.
        await connection.execute(update(attempts).where(attempts.c.job_id == 1).values(intent_at=later(90)))
    async with reading(engine) as connection:
        first = await doubts(connection, LANE, 2)
        rest = await doubts(connection, LANE, 3, after=first[-1].job_id)
        assert [doubt.job_id for doubt in (*first, *rest)] == [1, 3, 4, 5]
        assert await doubts(connection, LANE, 3, after=5) == []


async def test_a_late_answer_about_an_earlier_attempt_resends_nothing(engine: Engine) -> None:
    await in_doubt(engine)
    async with writing(engine) as connection:
        [earlier] = await doubts(connection, LANE, 10)
        assert await send_again(connection, earlier, later(9))
        await connection.execute(update(jobs).values(state="in_doubt", attempts=2, held_by=None))
        assert not await send_again(connection, earlier, later(10))
    assert (await job_rows(engine))[0].state == "in_doubt"


async def test_after_the_last_attempt_it_has_failed(engine: Engine) -> None:
    await in_doubt(engine, number=8)
    async with writing(engine) as connection:
        [doubt] = await doubts(connection, LANE, 10)
        assert await give_up(connection, doubt, later(9))
    [row] = await job_rows(engine)
    assert (row.state, row.reason) == ("failed", "retries_exhausted")


async def test_any_number_of_orphans_is_put_in_doubt_at_once(sqlite_engine: Engine) -> None:
    """More than a statement can name one by one."""
    await store_campaign(sqlite_engine, spec(), 1)
    await launch_due(sqlite_engine, now=lambda: later(1))
    numbers = range(2, 2 + 8 * FEW_VALUES)
    one = {
        "run_id": 1,
        "recipient_id": 1,
        "lane": LANE,
        "state": "sending",
        "due_at": later(0),
        "updated_at": later(0),
    }
    async with writing(sqlite_engine) as connection:
        await connection.execute(insert(jobs), [{**one, "phone": f"+{number}"} for number in numbers])
        assert await mark_orphans(connection, LANE, later(2)) == len(numbers)
        assert await mark_orphans(connection, LANE, later(3)) == 0


async def test_only_calls_without_an_answer_bring_a_message_nearer_to_being_given_up(engine: Engine) -> None:
    await accepted(engine, 1)
    ends = ["throttled", "not_sent", "unknown"]
    async with writing(engine) as connection:
        await connection.execute(
            update(jobs).values(state="in_doubt", provider_message_id=None, poll_at=None, attempts=3)
        )
        for number, outcome in enumerate(ends, start=1):
            values = {"call": "c", "lane": LANE, "epoch": 1, "intent_at": later(number), "content": "{}"}
            await connection.execute(
                insert(attempts).values(job_id=1, number=number, outcome=outcome, **values)
            )
        (doubt,) = await doubts(connection, LANE, 10)
    assert (doubt.attempts, doubt.unanswered) == (3, 1)


async def test_a_message_of_another_job_or_perhaps_of_one_is_not_adopted(engine: Engine) -> None:
    await accepted(engine, 2)
    async with writing(engine) as connection:
        await connection.execute(
            update(jobs)
            .where(jobs.c.id == 1)
            .values(state="in_doubt", provider_message_id=None, poll_at=None)
        )
        doubt = DoubtRow(1, phone(1), 1, 1, later(1), later(1), "{}")  # asked about the other job's phone
        assert await is_claimed(connection, doubt, LANE, "m2")
        assert not await is_claimed(connection, doubt, LANE, "m9")
        await connection.execute(
            update(jobs).where(jobs.c.id == 2).values(state="sending", provider_message_id=None, poll_at=None)
        )
        assert await is_claimed(connection, doubt, LANE, "m9")

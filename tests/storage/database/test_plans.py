"""What a runner asks several times a second must find its rows by an index, however many there are."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from sqlalchemy import event, insert, update

from campaigns.money.costs import Money
from campaigns.outcomes import Accepted, acknowledge
from scheduler.actions.purge import plan_purge
from scheduler.clock.launch import launch_due
from storage.database.engine import Connection, Engine, is_sqlite, open_engine, reading, writing
from storage.receipts.inbound import InboundMessage, keep_inbound
from storage.receipts.receipts import (
    any_doubt,
    doubts,
    due_receipts,
    has_orphans,
    known_message_ids,
    next_poll,
)
from storage.retention.purge import OldRun, purge_jobs, purge_recipients
from storage.runs.breaker import Stretch, failing_runs, most_frequent, worst_stretch
from storage.runs.replies import any_new_answer, mark_answered
from storage.runs.runs import any_to_finish, complete_runs, is_sending
from storage.sending.budgets import Reservation, learnt_prices, reserve, reserve_again, settle, used_of
from storage.sending.coming import next_moment
from storage.sending.contact_history import (
    NewHistoryRow,
    add_to_history,
    delay_history,
    recent_history,
    release_history,
)
from storage.sending.due_runs import due_runs
from storage.sending.freed_room import Freed, give_back, wake
from storage.sending.intents import (
    Intent,
    any_sending,
    claim_due,
    commit_intents,
    has_due_work,
    withdraw_intents,
)
from storage.sending.lanes import due_lanes, ensure_lanes
from storage.sending.optouts import optout_scopes
from storage.sending.outcomes import Outcome, store_outcomes
from storage.sending.tier_and_ramp import note_reached, sends_by_day, slide_count, tier_use
from storage.sending.windows import any_unknown_window, open_windows, wake_waiting
from storage.tables.audience import campaigns
from storage.tables.runs import attempts, jobs, runs
from storage.views.estimates import future_jobs, pending_jobs
from tests.support.campaigns import later, phone, spec, store_campaign

LANE = "ourvoice/shop"
AGE = 100 * 86_400.0
"""Seconds after which what is over may be purged."""
BIG = {
    "attempts",
    "events",
    "inbound",
    "jobs",
    "optouts",
    "recipients",
    "rejects",
    "reservations",
    "touches",
    "unique_recipients",
    "unmatched_reports",
    "windows",
}
"""Tables that grow with what is sent."""
PEOPLE = [phone(1), phone(2)]
ROOM = Freed(set(PEOPLE), {("ourvoice", 1)}, {"ourvoice"}, {(LANE, 1)})
ASKED: dict[str, Callable[[Connection], Awaitable[Any]]] = {
    "claim_due": lambda connection: claim_due(connection, 1, LANE, later(9), 100),
    "has_due_work": lambda connection: has_due_work(connection, LANE, later(9)),
    "due_lanes": lambda connection: due_lanes(connection, [LANE], "me", later(9), no_other_runner=False),
    "next_moment": lambda connection: next_moment(connection, later(0)),
    "next_poll": lambda connection: next_poll(connection, [LANE]),
    "any_doubt": lambda connection: any_doubt(connection, [LANE]),
    "any_sending": lambda connection: any_sending(connection, 1, later(1)),
    "has_orphans": lambda connection: has_orphans(connection, LANE),
    "doubts": lambda connection: doubts(connection, LANE, 500),
    "due_receipts": lambda connection: due_receipts(connection, LANE, later(9), 500, after=0),
    "known_message_ids": lambda connection: known_message_ids(connection, phone(1)),
    "optouts": lambda connection: optout_scopes(connection, PEOPLE),
    "touches": lambda connection: recent_history(connection, PEOPLE, later(0)),
    "touches kept": lambda connection: keep_history(connection),
    "windows": lambda connection: open_windows(connection, LANE, PEOPLE),
    "windows asked about": lambda connection: any_unknown_window(connection, [LANE]),
    "wake": lambda connection: wake_waiting(connection, [(LANE, each) for each in PEOPLE], later(9)),
    "tier": lambda connection: use_tier(connection),
    "ramp": lambda connection: sends_by_day(connection, LANE, 1),
    "room given back": lambda connection: give_room_back(connection),
    "room for many": lambda connection: wake(connection, ROOM, later(9)),
    "failing runs": lambda connection: failing_runs(connection, [1, 2]),
    "breaker": lambda connection: worst_stretch(connection, 1, 1, 2, 100),
    "breaker's reason": lambda connection: most_frequent(connection, 1, Stretch(2, 2), 100),
    "budget": lambda connection: use_budget(connection),
    "purge": lambda connection: purge(connection),
    "intents and outcomes": lambda connection: send(connection),
    "answers": lambda connection: answer(connection),
}


async def keep_history(connection: Connection) -> None:
    new = [NewHistoryRow(job, phone(job), 1, "marketing", (), counts=True) for job in (1, 2)]
    await add_to_history(connection, LANE, later(9), new)
    await delay_history(connection, [(1, later(10))])
    await release_history(connection, [1, 2])


async def give_room_back(connection: Connection) -> None:
    new = [NewHistoryRow(job, phone(job), 1, "marketing", (), True, ramp_day="2026-01-01") for job in (1, 2)]
    await add_to_history(connection, LANE, later(9), new)
    await note_reached(connection, "ourvoice", PEOPLE, later(9))
    await use_budget(connection)
    await give_back(connection, [1, 2], later(10))


async def use_budget(connection: Connection) -> None:
    price = Money(Decimal("0.05"), "USD")
    await used_of(connection, ["1:run:1"])
    await reserve(connection, [Reservation(job, ("1:run:1",), price) for job in (1, 2)])
    await learnt_prices(connection, {1})
    await settle(connection, {1: Money(Decimal("0.07"), "USD"), 2: None}, may_arrive=True)
    await reserve_again(connection, [2])
    await settle(connection, {2: None})


async def use_tier(connection: Connection) -> None:
    await slide_count(connection, "ourvoice", later(8))
    await slide_count(connection, "ourvoice", later(9))
    await tier_use(connection, "ourvoice", PEOPLE, later(9))
    await note_reached(connection, "ourvoice", PEOPLE, later(9))


async def purge(connection: Connection) -> None:
    await purge_jobs(connection, OldRun(1, "scheduled", (1,)), later(10), 100)
    await purge_recipients(connection, 1, later(10), 100)


async def send(connection: Connection) -> None:
    due = await claim_due(connection, 1, LANE, later(9), 3)
    intents = [Intent(job, "call", "text", "{}", 1, None, later(9)) for job in due]
    await commit_intents(connection, LANE, 1, intents, later(9))
    await withdraw_intents(connection, intents[:1], later(10))
    taken = Accepted("message")
    ack = acknowledge(taken, 1, later(10), Random(1))
    outcomes = [Outcome(intent, taken, ack, later(10), 200, None, 5) for intent in intents[1:]]
    await store_outcomes(connection, outcomes, later(10))


async def answer(connection: Connection) -> None:
    written = [InboundMessage(LANE, one, later(20), f"in {one}", "Thanks") for one in PEOPLE]
    await keep_inbound(connection, "ourvoice", written)
    assert await any_new_answer(connection)
    assert await mark_answered(connection)


class Undone(Exception):
    pass


@asynccontextmanager
async def undone(engine: Engine) -> AsyncIterator[Connection]:
    """A transaction that writes, and is rolled back at the end."""
    with suppress(Undone):
        async with writing(engine) as connection:
            yield connection
            raise Undone


async def test_no_hot_query_reads_a_whole_table(engine: Engine) -> None:
    await store_campaign(engine, spec(content={"text": "Hi", "closed_window": "wait"}), 50)
    await launch_due(engine)
    async with writing(engine) as connection:
        await ensure_lanes(connection, [LANE])
    for name, ask in ASKED.items():
        with statements(engine) as asked:
            async with undone(engine) as connection:
                await ask(connection)
        assert asked, name
        newest = {"attempts"} if name == "purge" else ()
        async with writing(engine) as connection:
            for statement, parameters in asked:
                found = await whole_reads(connection, statement, parameters, newest=newest)
                assert not found, (name, statement)


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile, each with its parameters."""
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
            asked.append((statement, parameters[0] if many else parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def whole_reads(
    connection: Connection,
    statement: str,
    parameters: Any,
    *,
    short: Collection[str] = (),
    newest: Collection[str] = (),
) -> list[str]:
    """The big tables that the statement reads from one end to the other.

    `short`: names of partial indexes that hold few rows however many there are, and may be read whole. `newest`: tables
    whose newest rows may be read, up to a LIMIT.
    """
    if is_sqlite(connection):
        steps = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        scanned = [step[-1].split() for step in steps]
        scans = [words for words in scanned if words[0] == "SCAN" and words[-1] not in short]
        tables = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", statement) if table in BIG}
        whole = [table for words in scans if (table := tables.get(words[1], words[1])) in BIG]
        for table in newest:
            # The plan does not show a LIMIT. Without a condition it ends the read after so many rows.
            for _ in re.findall(rf"FROM {table}(?: AS \w+)? ORDER BY \w+\.id DESC\s+LIMIT", statement):
                whole.remove(table)
        return whole
    await avoid_whole_reads(connection)
    explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    plan = list(nodes(explained.scalar_one()[0]["Plan"]))
    limited = [node["Plans"][0] for node in plan if node["Node Type"] == "Limit"]
    bounded = [node for node in limited if node.get("Index Name") in {f"pk_{table}" for table in newest}]
    ends = [node["Plans"][0] for node in plan if node["Node Type"] == "Limit" and node["Plan Rows"] == 1]
    return [
        node["Relation Name"]
        for node in plan
        if node.get("Relation Name") in BIG and "Scan" in node["Node Type"] and not is_keyed(node)
        if node.get("Index Name") not in short
        if node not in bounded or "Filter" in node
        if node not in ends or "Index" not in node["Node Type"]  # the one end of an index
    ]


async def avoid_whole_reads(connection: Connection) -> None:
    """These tables are tiny, and reading them whole would be right: what counts is that there is another way."""
    for way in ("seqscan", "hashjoin", "mergejoin"):
        await connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")


LOOKS: dict[str, Callable[[Connection], Awaitable[Any]]] = {
    "runs": lambda connection: due_runs(connection, LANE, later(9)),
    "lanes": lambda connection: due_lanes(connection, [LANE], "me", later(9), no_other_runner=False),
    "work": lambda connection: has_due_work(connection, LANE, later(9)),
    "sending": lambda connection: is_sending(connection, 1, later(9)),
    "to finish": lambda connection: any_to_finish(connection, later(9)),
    "finish": lambda connection: complete_runs(connection, later(9)),
    "calls": lambda connection: any_sending(connection, 1, later(9)),
    "later": lambda connection: next_moment(connection, later(9)),
    "polls": lambda connection: next_poll(connection, [LANE]),
    "doubts": lambda connection: any_doubt(connection, [LANE]),
}


@pytest.mark.parametrize("counted", [False, True])
async def test_a_runner_sees_what_is_to_do_without_reading_all_messages(
    postgres_url: str, counted: bool
) -> None:
    """PostgreSQL may choose how: of a run that was just launched it knows nothing, and of one that is nearly sent it
    knows what was true at its launch."""
    engine, size = open_engine(postgres_url), 3_000
    await store_campaign(engine, spec(), size)
    await launch_due(engine)
    async with writing(engine) as connection:
        await ensure_lanes(connection, [LANE])
        await connection.exec_driver_sql("ANALYZE" if counted else "SELECT 1")
    for sent in (0, size - 10):
        async with writing(engine) as connection:
            moved = update(jobs).where(jobs.c.id <= sent)
            await connection.execute(moved.values(state="read", provider_message_id="m"))
        for name, look in LOOKS.items():
            with statements(engine) as asked:
                async with reading(engine) as connection:
                    await look(connection)
            async with reading(engine) as connection:
                for statement, parameters in asked:
                    assert await rows_handled(connection, statement, parameters) < 100, (name, sent)
    await engine.dispose()


async def test_a_slice_reads_and_writes_no_other_messages(engine: Engine) -> None:
    """PostgreSQL may choose how, and does while a table is small."""
    await store_campaign(engine, spec(), 50 if engine.dialect.name == "sqlite" else 8_000)
    await launch_due(engine, now=lambda: later(1))
    with statements(engine) as asked:
        async with undone(engine) as connection:
            await send(connection)
    assert len(asked) >= 6
    async with undone(engine) as connection:
        for statement, parameters in asked:
            if is_sqlite(connection):
                assert not await whole_reads(connection, statement, parameters), statement
            else:
                assert await rows_handled(connection, statement, parameters) < 500, statement


async def test_a_slice_looks_up_its_people_not_all_of_the_account(postgres_url: str) -> None:
    """While PostgreSQL has counted nothing of a table that a campaign is filling."""
    engine, people = open_engine(postgres_url), [phone(number) for number in range(3_000)]
    async with writing(engine) as connection:
        await slide_count(connection, "ourvoice", later(8))
        await note_reached(connection, "ourvoice", people, later(8))
    with statements(engine) as asked:
        async with writing(engine) as connection:
            use = await tier_use(connection, "ourvoice", ["+1", *people[:200]], later(9))
            assert (use.reached, use.already) == (3_000, set(people[:200]))
            await note_reached(connection, "ourvoice", ["+1", *people[:200]], later(9))
    async with writing(engine) as connection:
        assert (await tier_use(connection, "ourvoice", PEOPLE, later(9))).reached == 3_001
        for statement, parameters in asked:
            assert await rows_handled(connection, statement, parameters) < 6 * 200, statement
    await engine.dispose()


async def test_a_purge_reads_no_table_for_each_row_of_another(postgres_url: str) -> None:
    """What it asks first reads whole tables, each a few times. PostgreSQL may choose how; SQLite does as it is told."""
    engine, size = open_engine(postgres_url), 1_500
    await long_over(engine, size)
    with statements(engine) as asked:
        plan = await plan_purge(engine, later(AGE), timedelta(days=90))
    assert (plan.rows["jobs"], plan.rows["recipients"]) == (size - 1, size - 1)
    with statements(engine) as batch:
        async with writing(engine) as connection:
            assert await purge_jobs(connection, plan.runs[0], later(AGE), 100) == 100
    async with writing(engine) as connection:
        for statement, parameters in asked + batch:
            assert await rows_handled(connection, statement, parameters) <= 12 * size, statement
    await engine.dispose()


async def test_a_page_of_an_estimate_is_read_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """To sort all that is left of an audience for each of its pages would take minutes of a million."""
    monkeypatch.setattr("storage.views.estimates.PAGE", 20)
    size = 1_500
    await store_campaign(engine, spec(), size)
    await launch_due(engine)
    async with writing(engine) as connection:
        await connection.exec_driver_sql("ANALYZE")
    with statements(engine) as asked:
        async with reading(engine) as connection:
            future = [page async for page in future_jobs(connection, 1, [LANE])]
            pending = [page async for page in pending_jobs(connection, 1)]
    assert sum(map(len, future)) == sum(map(len, pending)) == size
    assert len(asked) == 2 * (size / 20 + 1)
    async with reading(engine) as connection:
        for statement, parameters in asked:
            if is_sqlite(connection):
                steps = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                assert not [step[-1] for step in steps if "TEMP B-TREE" in step[-1]], statement
            else:
                await avoid_whole_reads(connection)
                assert await rows_handled(connection, statement, parameters) <= 6 * 20, statement


async def long_over(engine: Engine, size: int) -> None:
    """A campaign whose messages were all read; the last job is that of the last call."""
    await store_campaign(engine, spec(), size)
    await launch_due(engine)
    call = {"number": 1, "call": "c", "lane": LANE, "epoch": 1, "intent_at": later(1)}
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="read", held_by=None, updated_at=later(1)))
        await connection.execute(insert(attempts), [{"job_id": job, **call} for job in range(1, size + 1)])
        await connection.execute(update(runs).values(state="completed", ended_at=later(2)))
        await connection.execute(update(campaigns).values(state="completed", updated_at=later(2)))
        await connection.exec_driver_sql("ANALYZE")


async def rows_handled(connection: Connection, statement: str, parameters: Any) -> int:
    """How many rows the steps of the statement took in hand, in all."""
    explained = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    plan = explained.scalar_one()[0]["Plan"]
    return int(sum(node.get(name, 0) * node["Actual Loops"] for node in nodes(plan) for name in counted))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def is_keyed(node: dict[str, Any]) -> bool:
    """Whether it goes to its rows by an index: a bitmap's index is a node below it."""
    return "Index Cond" in node or node["Node Type"] == "Bitmap Heap Scan"

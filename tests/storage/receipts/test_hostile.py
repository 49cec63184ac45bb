"""The storage edge: texts that no database takes, and lists that somebody else makes as long as they like."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import BigInteger, Text, event, func, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from campaigns.states import JobState, RunState
from scheduler.clock.launch import launch_due
from storage.database.bulk import fetch_rows, table_of
from storage.database.engine import Engine, open_engine, reading, writing
from storage.database.health import is_refusal
from storage.receipts.failures import newly_failed
from storage.receipts.inbox import NewNotice, add_notices
from storage.receipts.user_ids import find_numbers, learn_numbers, numbers_of_messages
from storage.retention.purged_totals import purged_tokens
from storage.runs.retries import EndedGroup, Occurrence, add_retries
from storage.sending.budgets import reserve_again, settle
from storage.sending.contact_history import void_history
from storage.sending.lanes import ensure_lanes, pause_lane, read_lanes
from storage.sending.optouts import PreferenceChange, add_preferences, log_of
from storage.sending.windows import wake_waiting
from storage.tables.all_tables import metadata
from storage.tables.contacts import optouts
from storage.tables.runs import jobs
from storage.tables.types import Text as CleanText
from tests.support.campaigns import EPOCH, later, phone, spec, store_campaign

MANY = 600
"""More than any statement has values by itself, so that one with as many is seen to grow with the list. What PostgreSQL
takes is 65,535."""
HOSTILE = "a\0b \ud83d c"
CLEAN = "ab \ufffd c"


def test_every_text_column_cleans_what_it_is_given() -> None:
    texts = [
        column
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Text | CleanText)
    ]
    assert len(texts) > 80
    assert [column for column in texts if not isinstance(column.type, CleanText)] == []


async def test_a_hostile_text_is_stored_clean_and_found_again(engine: Engine) -> None:
    word = PreferenceChange(phone(1), "out", "all", EPOCH, HOSTILE)
    async with writing(engine) as connection:
        await add_preferences(connection, f"webhook:{HOSTILE}", [word])
        await ensure_lanes(connection, ["meta/one"])
        await pause_lane(connection, "meta/one", HOSTILE, None)
    async with reading(engine) as connection:
        [entry] = await log_of(connection, phone(1))
        assert (entry.source, entry.evidence) == (f"webhook:{CLEAN}", CLEAN)
        assert (await read_lanes(connection))["meta/one"].paused_reason == CLEAN
        found = select(func.count()).where(optouts.c.evidence == HOSTILE)
        assert await connection.scalar(found) == 1


async def test_rows_given_as_one_value_are_clean(engine: Engine) -> None:
    rows = [
        {"text": HOSTILE, "number": 2**70},
        {"text": "plain", "number": 7},
        {"text": "\\u0000", "number": None},
    ]
    async with reading(engine) as connection:
        given = table_of(connection, rows, text=Text(), number=BigInteger())
        assert sorted(await fetch_rows(connection, select(*given.c))) == [
            ["\\u0000", None],
            [CLEAN, None],
            ["plain", 7],
        ]


@pytest.fixture
def most_values(engine: Engine) -> Iterator[list[int]]:
    """How many values each statement was given."""
    seen: list[int] = []

    def see(_c: Any, _cursor: Any, _sql: str, given: Any, _context: Any, many: bool) -> None:
        seen.append(max(map(len, given), default=0) if many else len(given))

    event.listen(engine.sync_engine, "before_cursor_execute", see)
    yield seen
    event.remove(engine.sync_engine, "before_cursor_execute", see)


async def test_no_list_from_outside_sizes_a_statement(engine: Engine, most_values: list[int]) -> None:
    await store_campaign(engine, spec(), MANY)
    await launch_due(engine, now=lambda: later(1))
    ids, names = range(1, MANY + 1), [f"m{number}" for number in range(MANY)]
    occurrence = Occurrence(1, RunState.RUNNING, "{}", 0, (1,))
    async with writing(engine) as connection:
        held = update(jobs).values(held_by="window", lane="hooked/shop")
        await connection.execute(held)
        most_values.clear()
        await newly_failed(connection, names, EPOCH)
        await wake_waiting(connection, [("hooked/shop", phone(number)) for number in range(MANY)], later(9))
        await void_history(connection, list(ids), void=True)
        await reserve_again(connection, list(ids))
        await settle(connection, dict.fromkeys(ids))
        await purged_tokens(connection, names)
        await add_preferences(
            connection,
            "x",
            [PreferenceChange(phone(number), "out", "all", EPOCH, "") for number in range(MANY)],
        )
        await add_notices(
            connection, "x", [NewNotice("k", "s", "t", later(number)) for number in range(MANY)]
        )
        ids_of = {f"GB.{number}": phone(number) for number in range(MANY)}
        await find_numbers(connection, "x", ids_of, EPOCH)
        await learn_numbers(connection, "x", ids_of, EPOCH)
        assert await find_numbers(connection, "x", ids_of, EPOCH) == ids_of
        await numbers_of_messages(connection, "x", names)
        groups = [EndedGroup(JobState.FAILED, "refused", name, 1) for name in names]
        await add_retries(
            connection, occurrence, 1, groups, EPOCH, after=timedelta(), held_by=None, given_up=False
        )
    assert max(most_values) < MANY
    async with reading(engine) as connection:
        woken = await connection.scalar(select(func.count()).where(jobs.c.due_at == later(9)))
    assert woken == MANY


async def test_what_the_driver_calls_operational_is_no_outage_while_the_database_answers(
    engine: Engine,
) -> None:
    sqlite = engine.dialect.name == "sqlite"
    tables = ", ".join(f"campaigns AS c{number}" for number in range(70))  # SQLite joins 64 at most
    wrong = (
        text(f"SELECT 1 FROM {tables}") if sqlite else select(jobs.c.id).where(jobs.c.id.in_(range(70_000)))
    )
    with pytest.raises(DBAPIError) as caught:
        async with reading(engine) as connection:
            await connection.execute(wrong)
    error = caught.value
    assert isinstance(error, OperationalError)
    assert await is_refusal(engine, error)


async def test_a_busy_and_an_unreachable_database_are_outages(engine: Engine) -> None:
    locked = OperationalError("UPDATE", {}, Exception("who knows"), connection_invalidated=True)
    assert not await is_refusal(engine, locked)
    assert not await is_refusal(engine, OSError("no space left on device"))
    assert not await is_refusal(engine, OperationalError("UPDATE", {}, _Deadlock()))
    nowhere = open_engine("postgresql://nobody@127.0.0.1:1/nothing")
    assert not await is_refusal(nowhere, OperationalError("UPDATE", {}, Exception("who knows")))


class _Deadlock(Exception):
    sqlstate = "40P01"

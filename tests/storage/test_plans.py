"""What a runner asks several times a second must find its rows by an index, however many jobs there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event

from scheduler.launch import launch_due
from storage.dispatch import claim_due, has_due_work
from storage.engine import Connection, Engine, reading
from storage.receipts import doubts, due_receipts, has_orphans, known_message_ids
from tests.support.campaigns import later, phone, spec, store_campaign

LANE = "ourvoice/shop"
ASKED: dict[str, Callable[[Connection], Awaitable[Any]]] = {
    "claim_due": lambda connection: claim_due(connection, 1, LANE, later(9), 100),
    "has_due_work": lambda connection: has_due_work(connection, LANE, later(9)),
    "has_orphans": lambda connection: has_orphans(connection, LANE),
    "doubts": lambda connection: doubts(connection, LANE, 500),
    "due_receipts": lambda connection: due_receipts(connection, LANE, later(9), 500, after=0),
    "known_message_ids": lambda connection: known_message_ids(connection, phone(1)),
}


@pytest.mark.parametrize("name", ASKED)
async def test_no_hot_query_reads_all_jobs(sqlite_engine: Engine, name: str) -> None:
    await store_campaign(sqlite_engine, spec(), 50)
    await launch_due(sqlite_engine)
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(sqlite_engine.sync_engine, "before_cursor_execute", note)
    async with reading(sqlite_engine) as connection:
        await ASKED[name](connection)
    event.remove(sqlite_engine.sync_engine, "before_cursor_execute", note)
    async with reading(sqlite_engine) as connection:
        (statement, parameters) = next(query for query in asked if query[0].startswith("SELECT"))
        plan = [
            row[-1] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert any("jobs" in step for step in plan)
    assert not [step for step in plan if step.startswith("SCAN jobs")]

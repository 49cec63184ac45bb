"""What a process that takes a run over reads to know what the provider accepts of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, update

from campaigns.states import JobState
from scheduler.clock.launch import launch_due
from scheduler.sending.first_refusals import FirstMessages
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from storage.database.engine import Engine, reading, writing
from storage.runs.breaker import LOOK
from storage.runs.runs import find_run
from storage.tables.runs import attempts, jobs
from tests.support.campaigns import account, later, spec, store_campaign

NAME = "ourvoice/shop"


@pytest.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    lanes = open_lanes({"ourvoice": account("http://emulator/ourvoice", tmp_path / "key", "x")})
    yield lanes[NAME]
    await close_lanes(lanes)


async def test_of_a_long_run_the_newest_calls_are_read_only(engine: Engine, lane: Lane) -> None:
    await store_campaign(engine, spec(), 2)
    await launch_due(engine, now=lambda: later(1))
    call = {"call": "c", "lane": NAME, "epoch": 1, "intent_at": later(2), "run_id": 1}
    rows = [{**call, "job_id": 1, "number": number, "outcome": "accepted"} for number in range(1, LOOK + 2)]
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state=JobState.SENT, form="text"))
        await connection.execute(insert(attempts), rows)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    async with reading(engine) as connection:
        trial = FirstMessages(connection, lane, await find_run(connection, 1), later(3))
        asked.clear()
        assert [await trial.admits("text", None) for _ in range(9)] == [True] * 9
    assert [("FROM attempts" in each, "LIMIT" in each) for each in asked] == [(True, True)]

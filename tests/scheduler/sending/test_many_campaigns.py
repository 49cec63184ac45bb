"""A slice of a lane, while very many campaigns are active: what it costs does not grow with those that have nothing for
the lane, else a lease would run out before the first message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event

from scheduler.clock.launch import launch_due
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.plans import Plans
from scheduler.sending.slicing import Slice, open_slice
from storage.database.engine import Engine, writing
from storage.sending.lanes import ensure_lanes, take_lane
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import phone, spec, store_people

START: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
LANE: Final = "meta/one"


@pytest.fixture
async def lane(engine: Engine, tmp_path: Path) -> AsyncIterator[Lane]:
    lanes = open_lanes({"meta": account_at("meta", tmp_path / "key", rate="100/s")}, now=lambda: START)
    async with writing(engine) as connection:
        await ensure_lanes(connection, lanes)
        await take_lane(connection, LANE, "test", START, START.replace(year=2027), no_other_runner=True)
    yield lanes[LANE]
    await close_lanes(lanes)


async def launched(engine: Engine, first: int, count: int, sender: str) -> None:
    for number in range(first, first + count):
        wanted = spec(f"c{number}", provider="meta", senders=[sender], content={"template": TEMPLATE})
        await store_people(engine, wanted, [phone(number)], rotate=0, start_at=START)
    await launch_due(engine, now=lambda: START)


async def opened(engine: Engine, lane: Lane) -> Slice:
    return await open_slice(engine, lane, 1, Plans(lane), FinishedCalls(), idle=1e9)


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements of the time."""
    made: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        made.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield made
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_campaigns_of_other_lanes_cost_a_slice_nothing(engine: Engine, lane: Lane) -> None:
    costs = []
    for first in (1, 30):
        await launched(engine, first, 1, "one")
        with counted(engine) as statements:
            assert len((await opened(engine, lane)).calls) == 1
        costs.append(len(statements))
        await launched(engine, first + 1, 20, "two")
    assert costs[1] <= costs[0]


async def test_of_many_campaigns_a_slice_reads_as_many_as_it_sends(engine: Engine, lane: Lane) -> None:
    await launched(engine, 1, 40, "one")
    with counted(engine) as statements:
        piece = await opened(engine, lane)
    assert len(piece.calls) == lane.pacer.slice_size() == 9
    assert sum("recipients.vars" in statement for statement in statements) == 9  # claims
    for _ in range(4):
        piece = await opened(engine, lane)
    assert (len(piece.calls), len(piece.runs)) == (4, 4)

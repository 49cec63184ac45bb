"""A fault of one lane, account or campaign is logged with its name, and every duty goes on with the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from emulators.settings import Settings
from providers.ourvoice.adapter import OurVoice
from scheduler.actions.approval import NO_GUARD
from scheduler.clock.duties import Duties
from scheduler.clock.launch import launch_due
from scheduler.engines.embedded import Embedded
from scheduler.engines.lane_executor import LaneExecutor
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from storage.database.changes import Changes
from storage.database.engine import Engine, writing
from storage.sending.lanes import ensure_lanes, pause_lane, read_lanes
from storage.tables.audience import campaigns
from storage.tables.runs import attempts, jobs, runs
from tests.acceptance.conftest import InMemory
from tests.support.accounts import account_at
from tests.support.campaigns import job_rows, later, spec, store_campaign

BAD, GOOD = "bad/one", "good/one"


class Broken(OurVoice):
    """An adapter with a bug in everything that asks its provider."""

    def __init__(self, account: Any) -> None:
        super().__init__(account)

    async def _fault(self, *_: Any) -> Any:
        raise KeyError("surprise")

    look_up = sender_problem = window = _fault

    async def poll(self, *_: Any) -> AsyncIterator[Any]:
        raise KeyError("surprise")
        yield []


@pytest.fixture
async def lanes(engine: Engine, tmp_path: Path) -> AsyncIterator[dict[str, Lane]]:
    """Two accounts at Our Voice, the first with an adapter that is broken; a message of each, taken or in doubt."""
    accounts = {name: account_at("ourvoice", tmp_path / "key", settle_after="0s") for name in ("bad", "good")}
    opened = open_lanes(accounts, transport=InMemory(Settings()), now=lambda: later(600))
    opened[BAD].account.adapter = Broken(accounts["bad"])  # type: ignore[arg-type]
    for name in ("bad", "good"):
        await store_campaign(engine, spec(name, provider=name, senders=["one"]), 1)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await ensure_lanes(connection, opened)
        for number in (1, 2):
            tried = {"job_id": number, "run_id": number, "number": 1, "call": "c", "lane": BAD, "epoch": 1}
            tried |= {"intent_at": later(2), "ended_at": later(3), "content": '{"type":"text","text":"Hi"}'}
            await connection.execute(insert(attempts).values(**tried))
    yield opened
    await close_lanes(opened)


@pytest.fixture
async def duties(engine: Engine, lanes: dict[str, Lane], changes: Changes) -> AsyncIterator[Duties]:
    stop = asyncio.Event()
    shifts = Embedded(LaneExecutor(engine, "runner test", stop), lanes, stop)
    yield Duties(
        engine,
        lanes,
        shifts,
        stop,
        lambda: later(600),
        changes,
        guard=NO_GUARD,
        retention={},
        holder="runner test",
        no_other_runner=lambda: False,
    )
    stop.set()
    await shifts.drain()


async def put_jobs(engine: Engine, **values: Any) -> None:
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(attempts=1, **values))


def blamed(caplog: pytest.LogCaptureFixture) -> bool:
    return any(BAD in f"{record.getMessage()} {vars(record)}" for record in caplog.records)


async def test_doubts(engine: Engine, duties: Duties, caplog: pytest.LogCaptureFixture) -> None:
    await put_jobs(engine, state="in_doubt")
    await duties.settle_doubts()
    assert [row.state for row in await job_rows(engine)] == ["in_doubt", "pending"]
    assert blamed(caplog)


async def test_receipts(engine: Engine, duties: Duties, caplog: pytest.LogCaptureFixture) -> None:
    taken = {"state": "accepted", "provider_message_id": "m", "accepted_at": later(3), "poll_at": later(4)}
    await put_jobs(engine, **taken)
    await duties.fetch_receipts()
    assert [row.polls for row in await job_rows(engine)] == [0, 1]
    assert blamed(caplog)


async def test_senders(engine: Engine, duties: Duties, caplog: pytest.LogCaptureFixture) -> None:
    async with writing(engine) as connection:
        for lane in (BAD, GOOD):
            await pause_lane(connection, lane, "the session is down", None)
    await duties.check_senders()
    async with writing(engine) as connection:
        rows = await read_lanes(connection)
    assert [rows[lane].paused(later(600)) for lane in (BAD, GOOD)] == [True, False]
    assert duties.senders_checked
    assert blamed(caplog)


async def test_a_campaign_file_that_cannot_be_read(
    engine: Engine, duties: Duties, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its launch nor the test of its variants keeps the others from theirs."""
    await store_campaign(engine, spec("later", provider="good", senders=["one"]), 1)
    await store_campaign(engine, spec("worse", provider="bad", senders=["one"]), 1)
    async with writing(engine) as connection:
        broken = update(campaigns).where(campaigns.c.name == "worse")
        await connection.execute(broken.values(spec="[]", start_at=later(0)))
        await connection.execute(update(runs).where(runs.c.id == 1).values(spec="[]"))
    await duties.sweep()
    assert len(await job_rows(engine)) == 3
    assert any("worse" in f"{record.getMessage()} {vars(record)}" for record in caplog.records)

"""What a clock may rely on, whichever the engine."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
from sqlalchemy import select, update

from scheduler.clock.launch import launch_due
from storage.database.engine import Connection, ahead_of_changes, reading, writing
from storage.sending.lanes import read_lanes
from storage.tables.lanes import lanes
from storage.tables.runs import attempts, runs
from tests.scheduler.engines.conftest import SENDERS, Bench
from tests.support.campaigns import job_rows, spec, store_campaign


async def sweep_until_idle(bench: Bench, seconds: float = 30.0) -> None:
    """What a clock does, until there is nothing left to do."""
    async with asyncio.timeout(seconds):
        while True:
            await bench.duties.sweep()
            if not await bench.shifts.busy() and not await _open(bench):
                return
            await asyncio.sleep(0.05)


async def _open(bench: Bench) -> list[str]:
    return [row.state for row in await job_rows(bench.engine) if row.state in ("pending", "sending")]


def received(ledger: list[dict[str, Any]]) -> Counter[str]:
    return Counter(message["to"] for message in ledger)


async def test_every_lane_is_worked_and_everybody_gets_it_once(bench: Bench) -> None:
    await store_campaign(bench.engine, spec(senders=list(SENDERS)), 60)
    await sweep_until_idle(bench)
    got = received(await bench.transport.ledger())
    assert (len(got), set(got.values())) == (60, {1})
    async with reading(bench.engine) as connection:
        by_lane = Counter((await connection.scalars(select(attempts.c.lane))).all())
    assert by_lane == {f"ourvoice/{name}": 20 for name in SENDERS}


async def test_nothing_is_written_while_nothing_is_over(bench: Bench) -> None:
    """A runner looks four times a second: with SQLite each writer waits for those who send, and they for it."""
    writers = 0

    async def count(_connection: Connection) -> None:
        nonlocal writers
        writers += 1

    await store_campaign(bench.engine, spec(), 3)
    await launch_due(bench.engine)
    async with writing(bench.engine) as connection:
        await connection.execute(update(runs).values(kind="retry"))  # some may wait for a day
    with ahead_of_changes(bench.engine, count):
        await bench.duties.finish_runs()
        assert writers == 0
        async with writing(bench.engine) as connection:
            await connection.execute(update(runs).values(expires_at=runs.c.launched_at))
        await bench.duties.finish_runs()
    assert writers > 1
    assert {row.state for row in await job_rows(bench.engine)} == {"expired"}
    async with reading(bench.engine) as connection:
        assert await connection.scalar(select(runs.c.state)) == "completed"


async def test_waking_again_and_again_starts_no_second_shift_of_a_lane(bench: Bench) -> None:
    await store_campaign(bench.engine, spec(pace={"delay_between": 50}), 20)
    calls = 0
    most = 0

    async def count(_request: httpx.Request) -> None:
        nonlocal calls, most
        calls += 1
        most = max(most, calls)
        await asyncio.sleep(0.01)
        calls -= 1

    bench.transport.before_send = count
    await sweep_until_idle(bench)
    assert most == 1
    async with reading(bench.engine) as connection:
        epochs = set((await connection.scalars(select(attempts.c.epoch))).all())
    assert len(epochs) == 1  # one shift did it all, though it was woken twenty times a second


async def test_what_becomes_due_at_the_end_of_a_shift_is_not_lost(bench: Bench) -> None:
    for number in range(3):
        await store_campaign(bench.engine, spec(f"wave-{number}"), 5)
        await sweep_until_idle(bench)
    assert sum(received(await bench.transport.ledger()).values()) == 15


async def test_a_shift_that_breaks_pauses_its_lane_and_no_other(bench: Bench) -> None:
    await store_campaign(bench.engine, spec(senders=["shop", "help"]), 10)
    adapter = bench.lanes["ourvoice/shop"]
    good, adapter.pacer.turn = adapter.pacer.turn, _breaks  # type: ignore[method-assign]
    await launch_due(bench.engine)
    async with asyncio.timeout(20):
        while True:
            await bench.duties.sweep()
            async with reading(bench.engine) as connection:
                shop = (await read_lanes(connection))["ourvoice/shop"]
            if shop.paused_reason and len(await bench.transport.ledger()) == 5:
                break
            await asyncio.sleep(0.05)
    assert "RuntimeError" in shop.paused_reason
    adapter.pacer.turn = good  # type: ignore[method-assign]


async def _breaks(_run_id: int) -> None:
    raise RuntimeError("the pacer is broken")


async def test_busy_as_long_as_a_shift_is_under_way(bench: Bench) -> None:
    assert not await bench.shifts.busy()
    await store_campaign(bench.engine, spec(pace={"delay_between": 100}), 5)
    await bench.duties.sweep()
    assert await bench.shifts.busy()
    await sweep_until_idle(bench)


async def test_a_stop_finishes_the_slice_and_releases_the_lane(bench: Bench) -> None:
    await store_campaign(bench.engine, spec(pace={"delay_between": 100}), 100)
    started = asyncio.Event()

    async def note(_request: httpx.Request) -> None:
        started.set()

    bench.transport.before_send = note
    await bench.duties.sweep()
    async with asyncio.timeout(10):
        await started.wait()
    bench.stop.set()
    async with asyncio.timeout(10):
        while await _holders(bench) or await bench.shifts.busy():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert "sending" not in await _open(bench)
    assert 0 < len(await bench.transport.ledger()) < 100


async def _holders(bench: Bench) -> list[str]:
    async with reading(bench.engine) as connection:
        return list(await connection.scalars(select(lanes.c.holder).where(lanes.c.holder.is_not(None))))

"""What a process says of itself: the newest word stands, however slow the database takes an older one."""

from __future__ import annotations

import asyncio

import pytest

import scheduler.engines.presence
from campaigns.time.clock import utc_now
from scheduler.engines.presence import Presence
from storage.database.engine import Connection, Engine, reading
from storage.sending.workers import SILENT, WorkerRow, list_workers, report_worker
from storage.views.metrics_snapshot import anyone_leads


@pytest.mark.parametrize("leads", [True, False])
async def test_an_older_report_does_not_overwrite_a_newer_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, leads: bool
) -> None:
    presence = Presence(engine, "runner", utc_now)
    await presence.announce(leads=not leads)
    under_way = asyncio.Event()

    async def slow_at_first(connection: Connection, row: WorkerRow) -> None:
        if not under_way.is_set():
            under_way.set()
            await asyncio.wait({newer}, timeout=0.3)
        await report_worker(connection, row)

    monkeypatch.setattr(scheduler.engines.presence, "report_worker", slow_at_first)
    older = asyncio.create_task(presence.announce())
    newer = asyncio.create_task(_after(under_way, presence, leads))
    await asyncio.gather(older, newer)
    async with reading(engine) as connection:
        assert [row.leads for row in await list_workers(connection)] == [leads]


async def test_who_leads_and_does_nothing_does_not_lead(engine: Engine) -> None:
    at_work = [True]
    presence = Presence(engine, "runner", utc_now, healthy=lambda: at_work[0])
    seen = []
    for at_work[0] in (True, False, True):
        await presence.announce(leads=True)
        async with reading(engine) as connection:
            seen.append(await anyone_leads(connection, utc_now() - SILENT))
    assert seen == [True, False, True]


async def _after(under_way: asyncio.Event, presence: Presence, leads: bool) -> None:
    await under_way.wait()
    await presence.announce(leads=leads)

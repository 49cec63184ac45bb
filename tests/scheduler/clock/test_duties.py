"""A clock's duties, where one of several providers does not answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from campaigns.time.clock import utc_now
from providers.settings import SenderSettings
from scheduler.actions.approval import NO_GUARD
from scheduler.clock.duties import Duties
from scheduler.engines.embedded import Embedded
from scheduler.engines.lane_executor import LaneExecutor
from scheduler.sending.lanes import close_lanes, open_lanes
from storage.database.changes import Changes
from storage.database.engine import Engine, reading, writing
from storage.sending.lanes import ensure_lanes, pause_lane, read_lanes
from tests.support.accounts import account_at


async def test_a_provider_that_hangs_keeps_no_other_accounts_sender_paused(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = open_lanes({name: account_at(name, tmp_path / "key") for name in ("meta", "bird")})
    async with writing(sqlite_engine) as connection:
        await ensure_lanes(connection, lanes)
        for name in lanes:
            await pause_lane(connection, name, "The session is down.", None)

    async def hangs(_http: object, _sender: SenderSettings) -> None:
        await asyncio.Event().wait()

    async def is_well(_http: object, _sender: SenderSettings) -> None:
        return None

    monkeypatch.setattr(lanes["meta/one"].adapter, "sender_problem", hangs)
    monkeypatch.setattr(lanes["bird/one"].adapter, "sender_problem", is_well)
    stop = asyncio.Event()
    duties = Duties(
        sqlite_engine,
        lanes,
        Embedded(LaneExecutor(sqlite_engine, "test", stop), lanes, stop),
        stop,
        utc_now,
        Changes(sqlite_engine),
        guard=NO_GUARD,
        retention={},
        holder="test",
        no_other_runner=lambda: True,
    )
    checking = asyncio.create_task(duties.check_senders())
    async with asyncio.timeout(10):
        while True:
            async with reading(sqlite_engine) as connection:
                if (await read_lanes(connection))["bird/one"].paused_reason is None:
                    break
            await asyncio.sleep(0.01)
    checking.cancel()
    await asyncio.wait({checking})
    await close_lanes(lanes)

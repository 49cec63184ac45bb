"""Campaigns of equal priority share a lane: a huge one keeps nobody waiting, nor does a list that is
never read to its end."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.intake.read import open_intake
from campaigns.time.pace import Rate
from tests.acceptance.conftest import World
from tests.support.campaigns import spec


async def test_a_small_campaign_is_not_kept_waiting_by_a_huge_one(sqlite_world: World) -> None:
    await sqlite_world.campaign(spec("huge"), 60)
    await sqlite_world.campaign(spec("small", content={"text": "small"}), 20)
    sqlite_world.account = sqlite_world.account.model_copy(update={"rate": Rate.parse("40/s")})
    await sqlite_world.send()
    order = [message["content"] for message in await sqlite_world.ledger()]
    assert len(order) == 80
    last_small = max(place for place, content in enumerate(order) if content == "small")
    assert last_small <= 50  # 20 of its own, and as many of the other's, give or take a slice


async def test_nor_where_a_slice_is_one_message(sqlite_world: World) -> None:
    await sqlite_world.campaign(spec("huge"), 12)
    await sqlite_world.campaign(spec("small", content={"text": "small"}), 4)
    sqlite_world.account = sqlite_world.account.model_copy(update={"rate": Rate.parse("8/s")})
    await sqlite_world.send()
    order = [message["content"] for message in await sqlite_world.ledger()]
    assert [place for place, content in enumerate(order) if content == "small"][-1] <= 9


class DeadMount:
    """A network folder that does not answer until `back`."""

    def __init__(self) -> None:
        self.asked, self.back = threading.Event(), threading.Event()

    def open(self, *arguments: Any, **options: Any) -> Any:
        self.asked.set()
        self.back.wait(60)
        return open_intake(*arguments, **options)


@pytest.fixture
def mount(monkeypatch: pytest.MonkeyPatch) -> DeadMount:
    mount = DeadMount()
    monkeypatch.setattr("scheduler.audience.load.open_intake", mount.open)
    return mount


async def hanging(world: World, folder: Path) -> None:
    """A daily campaign whose list is on the dead mount, due now."""
    path = folder / "people.csv"
    path.write_text("phone,first_name\n+447700900801,Ada\n")
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    audience, schedule = {"csv": path, "refresh": "each_run"}, {"every": "1d", "starts_at": begin}
    await world.campaign(spec("hanging", audience=audience, schedule=schedule), 0, start_at=begin)


async def test_others_are_sent_while_a_list_does_not_answer(
    world: World, mount: DeadMount, tmp_path: Path
) -> None:
    await hanging(world, tmp_path)
    await world.campaign(spec("other"), 40)
    running = asyncio.create_task(world.run())
    try:
        async with asyncio.timeout(20):
            while len(await world.ledger()) < 40:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert mount.asked.is_set()
    finally:
        mount.back.set()
    await running
    assert len(await world.ledger()) == 41


async def test_a_stop_does_not_wait_for_a_list_that_does_not_answer(
    sqlite_world: World, mount: DeadMount, tmp_path: Path
) -> None:
    await hanging(sqlite_world, tmp_path)
    stop = asyncio.Event()
    running = asyncio.create_task(sqlite_world.run(stop=stop))
    assert await asyncio.to_thread(mount.asked.wait, 20)
    stop.set()
    async with asyncio.timeout(10):
        assert (await running).interrupted
    mount.back.set()

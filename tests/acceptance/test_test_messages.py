"""`campaign test` sends by itself: its own messages, nothing else, and it shows what became of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from app.wiring.emulation import emulator_running
from campaigns.states import CampaignState, JobState
from scheduler.actions.testing import start_test
from scheduler.clock.one_run import send_run
from storage.audience.campaigns import require
from storage.database.engine import reading
from storage.runs.side_runs import RunMessage
from tests.acceptance.conftest import SESSION, World
from tests.support.campaigns import spec
from tests.support.project import invoke, write_project

MINE = ("+447700900500", "+447700900501")


async def send_test(world: World, name: str = "spring", **options: timedelta) -> list[RunMessage]:
    run = await start_test(world.engine, name, MINE)
    accounts = {"ourvoice": world.account}
    return await send_run(world.engine, accounts, run.run_id, transport=world.transport, **options)


async def sent_to(world: World) -> list[str]:
    return sorted("+" + message["to"].removeprefix("+") for message in await world.ledger())


async def test_a_test_of_a_draft_is_sent_alone(world: World) -> None:
    await world.campaign(spec(), 3, start_at=None)
    await world.campaign(spec("due"), 5)
    messages = await send_test(world)
    assert {message.state for message in messages} <= {JobState.DELIVERED, JobState.READ}
    assert await sent_to(world) == sorted(MINE)
    async with reading(world.engine) as connection:
        assert (await require(connection, "due")).state is CampaignState.SCHEDULED


async def test_a_campaign_under_way_is_left_to_the_runner(world: World) -> None:
    await world.campaign(spec(pace={"delay_between": 300}), 40)
    stop = asyncio.Event()
    running = asyncio.create_task(world.run(until_idle=False, stop=stop))
    while not await world.ledger():  # noqa: ASYNC110  # the emulator does not call back
        await asyncio.sleep(0.02)
    stop.set()
    await running
    before = len(await world.ledger())
    await send_test(world)
    assert sorted(MINE) == [to for to in await sent_to(world) if to in MINE]
    assert len(await world.ledger()) == before + len(MINE)


async def test_a_runner_at_work_sends_it(world: World) -> None:
    await world.campaign(spec(), 1, start_at=None)
    stop = asyncio.Event()
    running = asyncio.create_task(world.run(until_idle=False, stop=stop))
    messages = await send_test(world)
    stop.set()
    await running
    assert {message.state for message in messages} <= {JobState.DELIVERED, JobState.READ}
    assert await sent_to(world) == sorted(MINE)


async def test_what_was_not_sent_waits_with_its_reason(sqlite_world: World) -> None:
    await sqlite_world.campaign(spec(), 1, start_at=None)
    await sqlite_world.tell("POST", f"/ourvoice/_control/sessions/{SESSION}/status", {"status": "banned"})
    messages = await send_test(sqlite_world, longest=timedelta(seconds=1))
    assert {message.state for message in messages} == {JobState.PENDING}
    assert all(message.detail for message in messages)


async def test_a_test_that_its_budget_pauses_is_not_waited_for(world: World) -> None:
    await world.campaign(spec(budget={"max": "1.00", "currency": "JPY"}), 1, start_at=None)
    messages = await asyncio.wait_for(send_test(world, longest=timedelta(minutes=5)), 30)
    assert {message.state for message in messages} == {JobState.PENDING}
    assert all("unpriced" in (message.detail or "") for message in messages)


def test_the_command_waits_and_shows_the_outcome(tmp_path: Path) -> None:
    with emulator_running() as address:
        folder = write_project(tmp_path, port=int(address.rpartition(":")[2]))
        assert invoke(folder, "campaign", "load", "spring.toml").code == 3
        done = invoke(folder, "campaign", "test", "spring", "--to", MINE[0], "--json")
    assert (done.code, done.json["to"]) == (0, [MINE[0]])
    [message] = done.json["messages"]
    assert message["state"] in ("accepted", "sent", "delivered", "read")


def test_a_missing_key_is_named_before_anything_is_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_project(tmp_path)
    invoke(folder, "campaign", "load", "spring.toml")
    done = invoke(folder, "campaign", "test", "spring", "--to", MINE[0], OURVOICE_API_KEY="")
    assert (done.code, "OURVOICE_API_KEY" in done.err) == (2, True)
    assert invoke(folder, "campaign", "show", "spring", "--json").json["runs"] == []

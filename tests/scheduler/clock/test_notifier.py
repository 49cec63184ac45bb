"""People are notified once of each thing, in order, whatever their server does and however often the runner is killed;
and what fails holds up nothing."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from campaigns.approval import ApprovalLimits
from campaigns.money.costs import Money
from campaigns.states import JobState
from providers.notify import services, webhook
from providers.notify.settings import NotifySettings
from scheduler.actions.approval import Guard
from scheduler.actions.control import pause
from scheduler.clock.launch import launch_due
from scheduler.clock.notifier import Notifier, NotifyPlan
from scheduler.notify import delivery
from scheduler.notify.messages import notification
from storage.database.engine import Engine, reading, writing
from storage.notify.deliveries import begin_attempt, list_deliveries, next_deliveries, send_again
from storage.runs.runs import RunState, complete_runs
from storage.tables.runs import runs
from tests.support.campaigns import phone, spec, store_campaign
from tests.support.notified import Desk, desk_of, hook
from tests.support.receivers import SECRET, WebhookServer, mail_server, webhook_server


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


@pytest.fixture
async def server() -> AsyncIterator[WebhookServer]:
    async with webhook_server() as known:
        yield known


async def killed(desk: Desk, server: WebhookServer) -> None:
    """A turn that is cut off while the server has the request, by a runner that is not there any more."""
    server.began.clear()
    turn, began = asyncio.create_task(desk.notifier.notify()), asyncio.create_task(server.began.wait())
    await asyncio.wait({turn, began}, return_when=asyncio.FIRST_COMPLETED)
    for task in (turn, began):
        task.cancel()
    await asyncio.wait({turn, began})
    desk.restart()


@pytest.mark.parametrize("seed", range(3))
async def test_each_event_arrives_once_and_in_order_whatever_the_server_and_the_runner_do(
    engine: Engine, server: WebhookServer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
    desk = await desk_of(engine, hook(server, "paused", "finished"))
    open_runs = {name: await desk.run_of(name) for name in ("spring", "summer")}
    wanted = defaultdict(list)
    for number in range(12):
        name = chance.choice(sorted(open_runs))
        await desk.pause(open_runs[name], f"reason {number}")
        wanted[name].append(f"reason {number}")
        await desk.resume(name)
        server.mode = chance.choice(["takes", "fails", "hangs", "takes and breaks off", "asks for patience"])
        if chance.random() < 0.5:
            await killed(desk, server)
        else:
            await desk.turn()
        desk.at += timedelta(seconds=chance.choice([1, 30, 300]))
    server.mode = "takes"
    for _ in range(5):
        await desk.turn(after=7200)
    got = defaultdict(list)
    for event in server.taken.values():
        got[event["campaign"]].append(event["what"])
    assert got == wanted
    assert {state for _, state, _, _ in await desk.listed()} == {"delivered"}
    before = len(server.heads)
    await desk.turn(after=7200)
    assert len(server.heads) == before


async def test_two_clocks_at_once_announce_once(engine: Engine, server: WebhookServer) -> None:
    desk = await desk_of(engine, hook(server))
    run_id = await desk.run_of("spring")
    await desk.pause(run_id, "breaker: 26 of 100 messages in a row failed")
    other = Desk(engine, hook(server))
    await asyncio.gather(desk.turn(), other.turn())
    await asyncio.gather(desk.turn(), other.turn())
    assert [head["drumbeat-event"] for head in server.heads] == ["paused"]


async def test_of_two_clocks_that_see_a_delivery_one_makes_the_attempt(
    engine: Engine, server: WebhookServer
) -> None:
    desk = await desk_of(engine, hook(server))
    server.mode = "fails"
    await desk.pause(await desk.run_of("spring"), "why")
    await desk.turn()
    desk.at += timedelta(seconds=10)
    async with reading(engine) as connection:
        (seen,) = await next_deliveries(connection, "team", desk.at, 10)
    begun = []
    for _ in range(2):
        async with writing(engine) as connection:
            begun.append(await begin_attempt(connection, seen, desk.at + delivery.LEASE))
    assert begun == [True, False]
    async with reading(engine) as connection:
        assert await next_deliveries(connection, "team", desk.at, 10) == []


async def test_it_tells_the_campaign_what_happened_and_what_to_do(
    engine: Engine, server: WebhookServer
) -> None:
    desk = await desk_of(engine, hook(server))
    run_id = await desk.run_of("spring", 2)
    await desk.pause(run_id, "the provider refuses +44 7700 900001: blocked")
    await desk.turn()
    (event,) = server.taken.values()
    assert event == {
        "id": event["id"],
        "event": "paused",
        "at": "2026-01-01T00:00:00Z",
        "campaign": "spring",
        "run": run_id,
        "title": "spring is paused",
        "what": "the provider refuses ***01: blocked",
        "command": "drumbeat campaign show spring; then drumbeat campaign resume spring",
        "page": "https://drumbeat.example.com/campaigns/spring",
    }
    await desk.resume("spring")
    await desk.end_jobs(JobState.DELIVERED)
    async with writing(engine) as connection:
        assert await complete_runs(connection, desk.at) == [run_id]
    await desk.turn()
    assert [each["title"] for each in server.taken.values()] == ["spring is paused", "spring is finished"]
    assert list(server.taken.values())[1]["what"] == "2 messages: 2 delivered."


async def test_who_waits_for_approval_is_told_once(engine: Engine, server: WebhookServer) -> None:
    desk = await desk_of(engine, hook(server))
    guard = Guard(ApprovalLimits(amount=Money(Decimal(12_000_000), "XOF")))
    await store_campaign(engine, spec("spring"), 2)
    for _ in range(3):
        assert await launch_due(engine, guard=guard, now=lambda: desk.at) == []
        await desk.turn()
    (event,) = server.taken.values()
    assert (event["event"], event["command"]) == ("needs_approval", "drumbeat campaign approve spring")
    assert event["what"] == (
        "It needs approval: its cost is not known, so it may be more than 12000000.00 XOF."
    )


async def test_a_pause_by_a_person_and_a_test_are_not_announced(
    engine: Engine, server: WebhookServer
) -> None:
    desk = await desk_of(engine, hook(server))
    await desk.run_of("spring")
    await pause(engine, "spring", now=lambda: desk.at)
    await desk.resume("spring")
    async with writing(engine) as connection:
        await connection.execute(update(runs).values(kind="test"))
    await desk.pause(1, "refused")
    await desk.resume("spring")
    async with writing(engine) as connection:
        await connection.execute(update(runs).values(state=RunState.RUNNING))
    await desk.end_jobs(JobState.SENT)
    await desk.end_jobs(JobState.DELIVERED)
    async with writing(engine) as connection:
        assert await complete_runs(connection, desk.at) == [1]
    await desk.turn()
    assert server.heads == []


async def test_a_new_target_is_told_nothing_of_the_past_and_one_that_left_nothing_more(
    engine: Engine, server: WebhookServer
) -> None:
    desk = await desk_of(engine, hook(server, name="team"))
    run_id = await desk.run_of("spring")
    await desk.pause(run_id, "first")
    server.mode = "fails"
    await desk.turn()
    desk.at += timedelta(seconds=60)
    desk.targets = (hook(server, name="boss"),)
    desk.restart()
    server.mode = "takes"
    await desk.turn()
    assert server.taken == {}
    (row,) = await desk.listed()
    assert row[:2] == ("paused", "failed")
    assert "not in drumbeat.toml" in str(row[3])
    await desk.resume("spring")
    await desk.pause(run_id, "second")
    await desk.turn()
    assert [each["what"] for each in server.taken.values()] == ["second"]


async def test_retries_wait_longer_each_time_and_end_and_it_can_be_sent_again(
    engine: Engine, server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ATTEMPTS", 4)
    desk = await desk_of(engine, hook(server))
    await desk.pause(await desk.run_of("spring"), "why")
    server.mode = "fails"
    for after, requests in ((0, 1), (9, 1), (1, 2), (19, 2), (1, 3), (39, 3), (1, 4), (99_999, 4)):
        await desk.turn(after)
        assert len(server.heads) == requests, (after, requests)
    assert await desk.listed() == [("paused", "failed", 4, "It answered 500.")]
    server.mode = "takes"
    async with writing(engine) as connection:
        assert await send_again(connection, [1], desk.at, ["team"]) == 1
        assert await send_again(connection, [1], desk.at, ["boss"]) == 0
    await desk.turn()
    assert await desk.listed() == [("paused", "delivered", 1, None)]
    assert len({head["drumbeat-id"] for head in server.heads}) == 1


async def test_a_server_is_given_the_time_that_it_asks_for(engine: Engine, server: WebhookServer) -> None:
    desk = await desk_of(engine, hook(server))
    await desk.pause(await desk.run_of("spring"), "why")
    server.mode = "asks for patience"
    await desk.turn()
    server.mode = "takes"
    await desk.turn(119)
    assert not server.taken
    await desk.turn(1)
    assert len(server.taken) == 1


async def test_one_that_fails_holds_up_no_other_and_is_logged_once_a_minute(
    engine: Engine, server: WebhookServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", "nonsense://password@nowhere")
    broken = NotifySettings.model_validate({"name": "broken", "apprise": "env:BROKEN"})
    unset = NotifySettings.model_validate({"name": "unset", "apprise": "env:NOT_SET_ANYWHERE"})
    desk = await desk_of(engine, broken, unset, hook(server))
    await desk.pause(await desk.run_of("spring"), "why")
    with caplog.at_level(logging.WARNING):
        await desk.turn()
        await desk.turn(30)
    assert len(server.taken) == 1
    assert [record.__dict__["action"] for record in caplog.records] == ["notify_failed"] * 2
    problems = {problem for _, state, _, problem in await desk.listed() if state == "waiting"}
    assert problems == {services.UNKNOWN, "The secret env:NOT_SET_ANYWHERE is empty or missing."}
    assert "password" not in caplog.text
    assert SECRET not in caplog.text + repr(desk.targets)


async def test_a_stop_waits_for_no_server_that_hangs(
    engine: Engine, server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PATIENCE", 0.1)
    stop = asyncio.Event()
    desk = await desk_of(engine, hook(server))
    await desk.pause(await desk.run_of("spring"), "why")
    notifier = Notifier(engine, NotifyPlan(desk.targets), {}, stop, lambda: desk.at)
    server.mode = "hangs"
    turn = asyncio.create_task(notifier.notify())
    await server.began.wait()
    stop.set()
    await asyncio.wait_for(turn, 2)
    server.mode = "takes"
    await desk.turn(after=delivery.LEASE.total_seconds())
    assert len(server.taken) == 1


async def test_a_stop_lets_an_attempt_under_way_end_so_that_it_is_not_made_again(
    engine: Engine, server: WebhookServer
) -> None:
    stop = asyncio.Event()
    desk = await desk_of(engine, hook(server))
    run_id = await desk.run_of("spring")
    await desk.pause(run_id, "first")
    await desk.resume("spring")
    await desk.pause(run_id, "second")
    server.mode = "hangs"
    turn = asyncio.create_task(Notifier(engine, NotifyPlan(desk.targets), {}, stop, lambda: desk.at).notify())
    await server.began.wait()
    stop.set()
    server.mode = "takes"
    server.released.set()
    await turn
    assert [state for _, state, _, _ in await desk.listed()] == ["delivered", "waiting"]
    await desk.turn()
    assert [event["what"] for event in server.taken.values()] == ["first", "second"]
    assert len(server.heads) == 2


async def test_what_is_old_is_forgotten_unless_it_waits(engine: Engine, server: WebhookServer) -> None:
    desk = await desk_of(engine, hook(server))
    run_id = await desk.run_of("spring")
    for reason in ("first", "second"):
        await desk.pause(run_id, reason)
        await desk.turn()
        await desk.resume("spring")
        server.mode = "fails"
    desk.at += timedelta(days=91)
    desk.restart()
    await desk.turn()
    assert [state for _, state, _, _ in await desk.listed()] == ["waiting"]
    server.mode = "takes"
    desk.restart()
    await desk.turn(after=3600)
    assert [event["what"] for event in server.taken.values()] == ["first", "second"]
    assert await desk.listed() == []


async def test_mail_comes_once_through_apprise(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async with mail_server() as mail:
        monkeypatch.setenv("MAIL", mail.address)
        desk = await desk_of(engine, NotifySettings.model_validate({"name": "team", "apprise": "env:MAIL"}))
        await desk.pause(await desk.run_of("spring"), "breaker: too many failed")
        mail.refuses = True
        await desk.turn()
        assert await desk.listed() == [
            ("paused", "waiting", 1, "The service did not take it. Check its address, which is the secret env:MAIL.")
        ]  # fmt: skip
        mail.refuses = False
        for _ in range(3):
            await desk.turn(after=60)
    (one,) = mail.mails
    assert one["Subject"] == "spring is paused"
    text = one.get_content()
    assert text.startswith("breaker: too many failed\r\nWhat to do: drumbeat campaign show spring")
    assert "Page: https://drumbeat.example.com/campaigns/spring" in text


async def test_what_is_in_doubt_is_announced_and_numbers_only_to_who_wants_them(
    engine: Engine, server: WebhookServer
) -> None:
    plain, full = hook(server, "in_doubt"), hook(server, "in_doubt", name="boss", phones=True)
    desk = await desk_of(engine, plain, full)
    await desk.run_of("spring", 2)
    await desk.end_jobs(JobState.IN_DOUBT)
    await desk.turn(after=299)
    assert server.heads == []
    await desk.turn(after=1)
    await desk.turn(after=1)
    assert len(server.heads) == 2
    bodies = await bodies_by_target(desk)
    assert bodies["boss"].phones == [phone(0), phone(1)]
    assert b"447700" not in bodies["team"].body
    assert bodies["team"].what.startswith("Nobody knows whether 2 messages reached the provider.")


async def bodies_by_target(desk: Desk) -> dict[str, Any]:
    """What is sent to each target of its newest delivery."""
    async with reading(desk.engine) as connection:
        found = await list_deliveries(connection, 10)
        return {
            one.target: notification(
                one,
                await delivery._facts(
                    connection, next(each for each in desk.targets if each.name == one.target), one
                ),
                None,
            )
            for one in found
        }


async def test_a_short_run_announces_its_doubts_before_it_ends(engine: Engine, server: WebhookServer) -> None:
    desk = await desk_of(engine, hook(server, "in_doubt"))
    await desk.run_of("spring")
    await desk.end_jobs(JobState.IN_DOUBT)
    await desk.notifier.finish()
    assert [event["event"] for event in server.taken.values()] == ["in_doubt"]

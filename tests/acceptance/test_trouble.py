"""What goes wrong around the sending itself: a database that fails, lanes that are gone, waits that meet each other."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Text, cast, insert, select, update
from sqlalchemy.exc import OperationalError

from campaigns.message.content import Content, MessageType
from campaigns.outcomes import FailureKind, Refused
from campaigns.time.pace import Rate
from providers.adapter import Call
from scheduler.actions.control import cancel, pause, resume, schedule
from scheduler.clock.launch import launch_due
from scheduler.sending import shift as shifts
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.planned_calls import PlannedCall
from scheduler.sending.shift import Shift
from storage.database.engine import reading, writing
from storage.sending.lanes import ensure_lanes, pause_lane
from storage.tables.audience import campaigns
from storage.tables.runs import attempts, jobs
from tests.acceptance.conftest import World
from tests.support.campaigns import later, spec


def once_each(ledger: list[dict[str, Any]], size: int) -> bool:
    return Counter(Counter(m["to"] for m in ledger).values()) == {1: size}


async def outcomes(world: World) -> Counter[str]:
    async with reading(world.engine) as connection:
        return Counter(await connection.scalars(select(attempts.c.outcome)))


async def test_a_database_that_fails_once_costs_no_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice that cannot be opened must not take the answers of the calls before it with it."""
    real, failed = shifts.open_slice, []

    async def failing(*args: Any, **options: Any) -> Any:
        if args[4] and not failed:
            failed.append(len(args[4].outcomes))
            raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))
        return await real(*args, **options)

    monkeypatch.setattr(shifts, "open_slice", failing)
    await world.campaign(spec(pace={"delay_between": 20}), 20)
    await world.send()
    assert failed
    assert await outcomes(world) == {"accepted": 20}
    assert once_each(await world.ledger(), 20)


async def test_a_message_given_back_to_a_cancelled_campaign_is_cancelled(world: World) -> None:
    await world.tell("POST", "/_faults", {"kind": "429", "times": 1, "method": "POST", "path": "/messages"})
    await world.campaign(spec(pace={"delay_between": 300}), 3)

    async def cancel_meanwhile(_request: httpx.Request) -> None:
        world.transport.before_send = None
        await cancel(world.engine, "spring")

    world.transport.before_send = cancel_meanwhile
    await world.send()
    ends = {(row.state, row.reason, row.held_by) for row in await world.jobs()}
    assert ends == {("cancelled", "run_cancelled", None)}


async def test_a_sender_that_is_no_longer_in_the_settings_is_reported_and_not_waited_for(
    world: World,
) -> None:
    async with writing(world.engine) as connection:
        await ensure_lanes(connection, ["ourvoice/old"])
    await world.campaign(spec(senders=["shop", "old"]), 6)
    summary = await asyncio.wait_for(world.send(), 15)
    assert summary.states["pending"] == 3
    assert any("ourvoice/old" in notice and "drumbeat.toml" in notice for notice in summary.stopped_by)


async def test_the_longest_wait_that_was_asked_for_holds_for_the_lane(world: World, lane: Lane) -> None:
    shift = a_shift(world, lane)
    now = lane.now()
    shift.health.note(1, Refused(FailureKind.NOT_SENT, "no_connection"))
    shift.health.note(1, Refused(FailureKind.THROTTLED, "429", retry_after=600))
    assert shift.store.finished.lane_pause is not None
    until = shift.store.finished.lane_pause[1]
    assert until is not None
    assert until >= now + timedelta(seconds=600)


async def test_one_outage_counts_once_however_many_calls_it_met(world: World, lane: Lane) -> None:
    for _ in range(2):
        shift = a_shift(world, lane)
        for _ in range(100):
            shift.health.note(1, Refused(FailureKind.NOT_SENT, "no_connection"))
    assert shift.store.finished.lane_pause is not None
    until = shift.store.finished.lane_pause[1]
    assert until is not None
    assert until - lane.now() <= timedelta(seconds=5)  # the second delay: 4 s, give or take a quarter


async def test_a_paused_lane_sends_nothing_if_a_shift_is_started(world: World, lane: Lane) -> None:
    await launched(world, 3)
    async with writing(world.engine) as connection:
        await pause_lane(connection, lane.name, "429", lane.now() + timedelta(minutes=5))
    await asyncio.wait_for(a_shift(world, lane).run(), 10)
    assert await world.ledger() == []
    assert {row.state for row in await world.jobs()} == {"pending"}


async def test_what_a_dead_runner_left_on_a_paused_lane_does_not_keep_the_next_from_ending(
    world: World,
) -> None:
    await world.campaign(spec(), 2)
    await launch_due(world.engine)
    async with writing(world.engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
        await pause_lane(connection, "ourvoice/shop", "429", later(10**9))
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="sending", attempts=1))
        await connection.execute(
            insert(attempts).values(
                job_id=1, number=1, call="c", lane="ourvoice/shop", epoch=0, intent_at=later(0), content="{}"
            )
        )
    await asyncio.wait_for(world.run(wait_receipts=timedelta(0)), 20)
    assert {row.state for row in await world.jobs()} <= {"in_doubt", "pending"}


async def test_a_campaign_that_may_seldom_send_does_not_hold_up_another(world: World) -> None:
    await world.campaign(spec("slow", pace={"delay_between": 60_000}), 2)
    await world.campaign(spec("urgent", content={"text": "now"}), 3, start_at=None)
    stop = asyncio.Event()

    async def start_urgent(_request: httpx.Request) -> None:
        world.transport.before_send = None
        asyncio.get_running_loop().call_later(0.5, lambda: started.append(asyncio.ensure_future(begin())))

    async def begin() -> None:
        async with writing(world.engine) as connection:
            await schedule(connection, "urgent", later(0), later(0))

    def when_four_are_gone(snapshot: Any) -> None:
        if snapshot.done == 4 or snapshot.ended:  # the urgent run may end between two looks
            stop.set()

    started: list[Any] = []
    world.transport.before_send = start_urgent
    await asyncio.wait_for(world.run(until_idle=False, stop=stop, progress=when_four_are_gone), 15)
    assert Counter(m["content"] for m in await world.ledger())["now"] == 3


@pytest.mark.long
async def test_a_very_low_account_rate_still_sends(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking whether the sender is well takes a turn of the account's rate: it must not take every one."""
    monkeypatch.setattr(shifts, "SHIFT", timedelta(seconds=0.2))
    sqlite_world.account = sqlite_world.account.model_copy(update={"rate": Rate(1, timedelta(seconds=0.6))})
    await sqlite_world.campaign(spec(), 3)
    await asyncio.wait_for(sqlite_world.send(), 30)
    assert once_each(await sqlite_world.ledger(), 3)


async def test_pause_and_resume_do_not_shorten_the_gap(sqlite_world: World) -> None:
    """While another campaign keeps the lane's shift alive."""
    await sqlite_world.campaign(spec("slow", pace={"delay_between": 1500}, content={"text": "slow"}), 2)
    await sqlite_world.campaign(spec("other", pace={"delay_between": 40}, content={"text": "other"}), 45)
    times: list[float] = []

    async def watch(request: httpx.Request) -> None:
        if b"slow" in request.content:
            times.append(asyncio.get_running_loop().time())
            if len(times) == 1:
                changes.append(asyncio.ensure_future(pause_and_resume()))

    async def pause_and_resume() -> None:
        await asyncio.sleep(0.2)
        await pause(sqlite_world.engine, "slow")
        await asyncio.sleep(0.3)
        await resume(sqlite_world.engine, "slow")

    changes: list[Any] = []
    sqlite_world.transport.before_send = watch
    await sqlite_world.send()
    assert len(times) == 2
    assert times[1] - times[0] >= 1.5 - 0.02


async def test_a_lanes_rate_holds_over_a_restart(world: World) -> None:
    seldom = world.account.senders[0].model_copy(update={"rate": Rate(1, timedelta(seconds=3))})
    world.account = world.account.model_copy(update={"senders": [seldom]})
    await world.campaign(spec(), 2)
    times: list[float] = []
    stop = asyncio.Event()

    async def stop_at_the_first(_request: httpx.Request) -> None:
        times.append(asyncio.get_running_loop().time())
        stop.set()

    world.transport.before_send = stop_at_the_first
    await world.send(stop=stop)
    await world.send()
    assert len(times) == 2
    assert times[1] - times[0] >= 3.0 - 0.02


async def test_a_campaign_that_cannot_be_launched_is_paused_with_the_reason_and_blocks_no_other(
    world: World,
) -> None:
    bad = spec("bad", schedule={"expires_after": "9000000d"})
    await world.campaign(bad, 1)
    await world.campaign(spec("good", content={"text": "good"}), 2)
    await asyncio.wait_for(world.send(), 20)
    assert Counter(m["content"] for m in await world.ledger()) == {"good": 2}
    async with reading(world.engine) as connection:
        row = (await connection.execute(select(campaigns).where(campaigns.c.name == "bad"))).one()
    assert row.state == "paused"
    assert "launched" in row.reason


async def test_a_message_held_back_by_its_lane_costs_no_attempt(world: World) -> None:
    """The lane stops while the rest of a slice waits for its turn: nothing was called for those."""
    await world.tell(
        "POST",
        "/_faults",
        {"kind": "429", "times": 1, "retry_after": 1, "method": "POST", "path": "/messages"},
    )
    await world.campaign(spec(pace={"delay_between": 20}), 12)
    await world.send()
    assert once_each(await world.ledger(), 12)
    rows = await world.jobs()
    assert sum(row.attempts for row in rows) == 13
    assert await outcomes(world) == {"accepted": 12, "throttled": 1}
    async with reading(world.engine) as connection:
        tried = (await connection.execute(select(attempts).order_by(attempts.c.intent_at))).all()
    (refused,) = [attempt for attempt in tried if attempt.outcome == "throttled"]
    waited = [a.intent_at - refused.ended_at for a in tried if a.intent_at > refused.ended_at]
    assert min(waited) >= timedelta(seconds=1)  # the others were due at once: it is the lane that rested


async def test_a_stop_does_not_wait_for_all_receipts(sqlite_world: World) -> None:
    """Every receipt asked for one by one at one request a second would take the account five minutes."""
    await launched(sqlite_world, 300)
    async with writing(sqlite_world.engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
        taken = {"state": "accepted", "accepted_at": later(0), "poll_at": later(0)}
        await connection.execute(
            update(jobs).values(provider_message_id="m" + cast(jobs.c.id, Text), **taken)
        )
    sqlite_world.account = sqlite_world.account.model_copy(update={"rate": Rate.parse("2/s")})
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(1.0, stop.set)
    await asyncio.wait_for(sqlite_world.run(until_idle=False, stop=stop), 25)


async def test_an_adapter_that_breaks_leaves_no_message_as_being_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("surprise")

    monkeypatch.setattr("providers.ourvoice.adapter.OurVoice.read", broken)
    await world.campaign(spec(), 2)
    stop = asyncio.Event()

    def when_in_doubt(snapshot: Any) -> None:
        left = {"pending", "sending"} & snapshot.states.keys()
        if snapshot.states and not left:
            stop.set()

    await asyncio.wait_for(world.run(until_idle=False, stop=stop, progress=when_in_doubt), 30)
    assert await outcomes(world) == {"unknown": 2}
    assert len(await world.ledger()) == 2


async def test_a_clock_put_back_does_not_stop_the_lane(lane: Lane) -> None:
    """The last send seems to lie an hour ahead: no more than the gap is waited for."""
    idle = lane.prime(lane.now() + timedelta(hours=1))
    lane.pacer.admit(1, timedelta(seconds=1), None, idle)
    assert 1.0 <= lane.pacer.ready_in(1) <= 1.3


async def test_a_lane_that_stopped_lets_no_call_leave_that_is_on_its_way(world: World, lane: Lane) -> None:
    """Such as one that waits for its connection while the provider answers another that it wants none now."""
    shift = a_shift(world, lane)
    shift.lease.held_until = float("inf")
    planned = PlannedCall(1, Call(lane.sender, ("+447700900001",), Content(MessageType.TEXT, text="Hi")), ())
    assert await shift.calls.gate(planned).open()
    shift.health.halted = True
    assert not await shift.calls.gate(planned).open()


@pytest.fixture
async def lane(world: World) -> Any:
    """The lane of the account, opened as a runner does."""
    opened = open_lanes({"ourvoice": world.account}, transport=world.transport)
    async with writing(world.engine) as connection:
        await ensure_lanes(connection, opened)
    yield opened["ourvoice/shop"]
    await close_lanes(opened)


def a_shift(world: World, lane: Lane) -> Shift:
    return Shift(world.engine, lane, "test", asyncio.Event(), no_other_runner=True, jitter=random.Random(1))


async def launched(world: World, size: int) -> None:
    await world.campaign(spec(), size)
    await launch_due(world.engine)

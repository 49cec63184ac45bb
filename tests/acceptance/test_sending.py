"""From stored recipients to receipts, through the real adapter and the emulator: what is sent and how it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import func, insert, select

from campaigns.errors import Locked
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.pace import Rate
from scheduler.actions.control import pause, resume
from scheduler.sending.first_refusals import FEW
from storage.database.engine import open_engine, reading, writing
from storage.sending.lanes import take_lane
from storage.tables.audience import campaigns
from storage.tables.contacts import optouts
from storage.tables.lanes import lanes
from storage.tables.runs import attempts, events, jobs, runs
from tests.acceptance.conftest import SESSION, World
from tests.support.campaigns import EPOCH, later, phone, spec, store_people


def plain() -> CampaignSpec:
    return spec(content={"text": "Hello all"})


async def test_everyone_gets_it_once_and_every_step_is_kept(world: World) -> None:
    await world.campaign(spec(), 40)
    summary = await world.run()
    assert sum(summary.states.values()) == 40
    assert set(summary.states) <= {"delivered", "read"}
    received = Counter(message["to"] for message in await world.ledger())
    assert received == {phone(number)[1:]: 1 for number in range(40)}
    async with reading(world.engine) as connection:
        assert await connection.scalar(select(func.count()).select_from(attempts)) == 40
        assert set(await connection.scalars(select(attempts.c.outcome))) == {"accepted"}
        steps = Counter(await connection.scalars(select(events.c.event).where(events.c.job_id == 1)))
        assert await connection.scalar(select(campaigns.c.state)) == "completed"
    assert {"sending", "accepted"} < set(steps)
    assert set(steps.values()) == {1}
    assert {(row.cost_micros, row.currency) for row in await world.jobs()} == {(10_000_000, "XOF")}


async def test_each_recipient_gets_their_own_text(sqlite_world: World) -> None:
    await sqlite_world.campaign(spec(), 3)
    await sqlite_world.send()
    words = {message["to"]: message["content"] for message in await sqlite_world.ledger()}
    assert words == {phone(number)[1:]: f"Hi Ada {number}" for number in range(3)}


async def test_the_intent_is_committed_before_the_call(world: World, database_url: str) -> None:
    await world.campaign(spec(), 10)
    elsewhere = open_engine(database_url)

    async def look(request: httpx.Request) -> None:
        numbers = orjson.loads(request.content)["to_number"]
        async with reading(elsewhere) as connection:
            for number in numbers:
                row = (
                    await connection.execute(
                        select(jobs.c.state, attempts.c.intent_at, attempts.c.outcome)
                        .join(attempts, attempts.c.job_id == jobs.c.id)
                        .where(jobs.c.phone == f"+{number}")
                    )
                ).one()
                seen.append((row.state, row.intent_at is not None, row.outcome))

    seen: list[Any] = []
    world.transport.before_send = look
    await world.send()
    await elsewhere.dispose()
    assert seen == [("sending", True, None)] * 10


async def test_equal_content_goes_in_batches_and_still_once_to_each(sqlite_world: World) -> None:
    await sqlite_world.campaign(plain(), 250)
    await sqlite_world.send()
    ledger = await sqlite_world.ledger()
    assert Counter(Counter(m["to"] for m in ledger).values()) == {1: 250}
    assert sorted(Counter(m["call"] for m in ledger).values()) == [5, 45, 100, 100]  # the first few alone


async def test_one_bad_number_does_not_take_its_batch_with_it(sqlite_world: World) -> None:
    people = [phone(number) for number in range(890, 910)]
    await store_people(sqlite_world.engine, plain(), people, rotate=0, start_at=EPOCH)
    await sqlite_world.run()
    states = {row.phone[-3:]: row.state for row in await sqlite_world.jobs()}
    assert states["908"] == "failed"
    assert {states[n] for n in ("900", "905", "909")} <= {"delivered", "read"}
    assert Counter(Counter(m["to"] for m in await sqlite_world.ledger()).values()) == {1: 19}


async def test_an_opted_out_person_is_skipped_with_the_reason(world: World) -> None:
    await world.campaign(spec(), 3)
    async with writing(world.engine) as connection:
        for scope, number in (("marketing", 0), ("all", 1)):
            await connection.execute(
                insert(optouts).values(
                    phone=phone(number), scope=scope, action="out", source="test", at=EPOCH
                )
            )
    await world.send()
    rows = await world.jobs()
    assert [(row.state, row.reason) for row in rows[:2]] == [("skipped", "opted_out")] * 2
    assert [m["to"] for m in await world.ledger()] == [phone(2)[1:]]


async def test_what_expired_is_not_sent(world: World) -> None:
    await world.campaign(spec(schedule={"ends_at": "2026-01-02T00:00:00Z"}), 2)
    await world.run()
    assert {(row.state, row.reason) for row in await world.jobs()} == {("expired", "expired")}
    assert await world.ledger() == []


async def test_pause_takes_effect_before_the_next_slice(world: World) -> None:
    await world.campaign(spec(pace={"delay_between": 50}), 30)
    sent: list[int] = []

    async def pause_at_the_tenth(_request: httpx.Request) -> None:
        sent.append(1)
        if len(sent) == 10:
            await pause(world.engine, "spring")

    world.transport.before_send = pause_at_the_tenth
    await world.send()
    assert 10 <= len(sent) <= 12  # a slice of 50 ms gaps holds two messages
    counts = Counter(row.state for row in await world.jobs())
    assert counts["pending"] == 30 - len(sent)
    await resume(world.engine, "spring")
    await world.send()
    assert Counter(Counter(m["to"] for m in await world.ledger()).values()) == {1: 30}


async def test_a_session_that_is_down_pauses_the_lane_with_the_reason_and_resumes_by_itself(
    world: World,
) -> None:
    down = {"status": "disconnected", "reason": "Phone is off"}
    await world.tell("POST", f"/ourvoice/_control/sessions/{SESSION}/status", down)
    await world.campaign(spec(), 5)
    summary = await world.run()
    assert summary.states == {"pending": 5}
    assert any("disconnected" in notice and "Phone is off" in notice for notice in summary.stopped_by)
    await world.tell("POST", f"/ourvoice/_control/sessions/{SESSION}/status", {"status": "connected"})
    stop = asyncio.Event()

    def when_done(snapshot: Any) -> None:
        if snapshot.done == 5:
            stop.set()

    await asyncio.wait_for(world.run(until_idle=False, stop=stop, progress=when_done), 30)
    assert len(await world.ledger()) == 5


async def test_a_session_lost_under_way_loses_no_message(world: World) -> None:
    await world.campaign(spec(pace={"delay_between": 20}), 20)
    sent: list[int] = []

    async def ban_at_the_fifth(_request: httpx.Request) -> None:
        sent.append(1)
        if len(sent) == 5:
            await world.tell("POST", f"/ourvoice/_control/sessions/{SESSION}/status", {"status": "banned"})

    world.transport.before_send = ban_at_the_fifth
    summary = await world.send()
    accepted = len(await world.ledger())
    assert summary.states["pending"] == 20 - accepted
    assert any("banned" in notice or "connected" in notice for notice in summary.stopped_by)


async def test_a_refused_key_pauses_with_the_reason(world: World, tmp_path: Any) -> None:
    (tmp_path / "key").write_text("wrong-key")
    await world.campaign(spec(), 5)
    summary = await world.send()
    assert summary.states == {"pending": 5}
    assert summary.stopped_by
    assert "wrong-key" not in str(summary)
    assert await world.ledger() == []


async def test_no_money_pauses_the_campaign_and_loses_nothing(world: World) -> None:
    await world.tell("POST", "/ourvoice/_control/balance", {"balance": 35})
    await world.campaign(spec(), 10)
    summary = await world.send()
    assert summary.states["pending"] == 7
    assert any("balance" in notice.lower() for notice in summary.stopped_by)
    await world.tell("POST", "/ourvoice/_control/balance", {"balance": 1000})
    await resume(world.engine, "spring")
    await world.send()
    assert Counter(Counter(m["to"] for m in await world.ledger()).values()) == {1: 10}


async def test_a_slice_opened_ahead_is_taken_back_when_the_campaign_pauses(world: World) -> None:
    await world.tell("POST", "/ourvoice/_control/balance", {"balance": 605})
    await world.campaign(spec(content={"text": "Hi {{ first_name }}"}), 300)
    summary = await world.send()
    assert summary.states["pending"] == 240
    assert set(summary.states) & {"sending", "in_doubt"} == set()
    async with reading(world.engine) as connection:
        made = await connection.scalar(select(func.count()).select_from(attempts))
        opened = attempts.c.ended_at.is_(None)
        assert await connection.scalar(select(func.count()).where(opened)) == 0
    assert made is not None
    assert 60 < made <= FEW + 200
    assert len(await world.ledger()) == 60


async def test_a_throttled_lane_rests_as_long_as_it_was_asked(world: World) -> None:
    await world.tell(
        "POST",
        "/_faults",
        {"kind": "429", "times": 1, "retry_after": 3, "method": "POST", "path": "/messages"},
    )
    await world.campaign(spec(), 5)
    await world.send()
    async with reading(world.engine) as connection:
        refused = (await connection.execute(select(attempts).where(attempts.c.outcome == "throttled"))).one()
        first_taken = await connection.scalar(
            select(func.min(attempts.c.intent_at, type_=attempts.c.intent_at.type)).where(
                attempts.c.outcome == "accepted", attempts.c.intent_at > refused.intent_at
            )
        )
    assert first_taken - refused.ended_at >= timedelta(seconds=3)
    assert Counter(Counter(m["to"] for m in await world.ledger()).values()) == {1: 5}


async def test_a_server_error_is_looked_up_and_never_sent_twice(world: World) -> None:
    for kind in ("500", "500_after"):
        await world.tell(
            "POST", "/_faults", {"kind": kind, "times": 3, "method": "POST", "path": "/messages"}
        )
    await world.campaign(spec(), 12)
    summary = await world.run()
    assert set(summary.states) <= {"delivered", "read"}
    assert Counter(Counter(m["to"] for m in await world.ledger()).values()) == {1: 12}
    async with reading(world.engine) as connection:
        outcomes = Counter(await connection.scalars(select(attempts.c.outcome)))
    assert outcomes["unknown"] == 6


async def test_a_graceful_stop_leaves_nothing_in_doubt(world: World) -> None:
    await world.campaign(spec(pace={"delay_between": 5}), 150)
    stop = asyncio.Event()
    sent: list[int] = []

    async def stop_at_the_thirtieth(_request: httpx.Request) -> None:
        sent.append(1)
        if len(sent) == 30:
            stop.set()

    world.transport.before_send = stop_at_the_thirtieth
    summary = await world.send(stop=stop)
    assert summary.interrupted
    counts = Counter(row.state for row in await world.jobs())
    assert counts["sending"] == counts["in_doubt"] == 0
    assert counts["pending"] == 150 - len(sent)
    assert len(sent) < 100


async def test_a_second_runner_is_refused(world: World, database_url: str) -> None:
    await world.campaign(spec(pace={"delay_between": 400}), 5)
    other = open_engine(database_url)
    first = asyncio.create_task(world.send())
    async with asyncio.timeout(20):
        while not await world.ledger():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    second = World(other, world.transport, world.account, world.control)
    with pytest.raises(Locked, match="Another runner"):
        await second.run()
    await first
    await other.dispose()


async def test_a_lane_taken_over_sends_nothing_more(world: World) -> None:
    await world.campaign(spec(pace={"delay_between": 20}), 50)
    stop = asyncio.Event()
    sent: list[int] = []
    sent_until_then: list[int] = []

    async def take_over_at_the_fifth(_request: httpx.Request) -> None:
        sent.append(1)
        if len(sent) == 5:
            async with writing(world.engine) as connection:
                epoch = await take_lane(
                    connection,
                    "ourvoice/shop",
                    "another machine",
                    later(0),
                    later(10**9),
                    no_other_runner=True,
                )
            assert epoch is not None
            sent_until_then.append(len(sent))
            asyncio.get_running_loop().call_later(1.0, stop.set)

    world.transport.before_send = take_over_at_the_fifth
    await world.send(stop=stop)
    # Of five messages each: the slice under way, and the one after it if its intents were committed before that.
    assert len(sent) - sent_until_then[0] <= 10
    async with reading(world.engine) as connection:
        assert await connection.scalar(select(lanes.c.holder)) == "another machine"


async def test_the_campaign_of_higher_priority_goes_first(sqlite_world: World) -> None:
    await sqlite_world.campaign(spec("usual", pace={"delay_between": 5}, priority=0), 30)
    await sqlite_world.campaign(
        spec("urgent", pace={"delay_between": 5}, priority=5, content={"text": "now"}), 30
    )
    sqlite_world.account = sqlite_world.account.model_copy(update={"rate": Rate.parse("40/s")})
    await sqlite_world.send()
    first_half = [m["content"] for m in await sqlite_world.ledger()][:30]
    assert Counter(first_half)["now"] >= 25


async def test_what_a_dead_runner_left_is_looked_up_at_the_start(world: World) -> None:
    await world.campaign(spec(), 4)
    stop = asyncio.Event()

    async def die(_request: httpx.Request) -> None:
        stop.set()
        raise asyncio.CancelledError

    world.transport.before_send = die
    await world.run(stop=stop)
    left = Counter(row.state for row in await world.jobs())
    assert left["sending"] + left["in_doubt"] >= 1
    assert left["sending"] + left["in_doubt"] + left["pending"] == 4
    world.transport.before_send = None
    await world.run()
    assert Counter(Counter(m["to"] for m in await world.ledger()).values()) == {1: 4}
    async with reading(world.engine) as connection:
        assert await connection.scalar(select(runs.c.state)) == "completed"


async def test_a_corrected_key_is_noticed_before_the_run_is_idle(world: World, tmp_path: Any) -> None:
    (tmp_path / "key").write_text("wrong-key")
    await world.campaign(spec(), 5)
    assert (await world.run()).stopped_by
    (tmp_path / "key").write_text("test-key")
    summary = await world.run()
    assert set(summary.states) <= {"delivered", "read"}
    assert summary.stopped_by == ()

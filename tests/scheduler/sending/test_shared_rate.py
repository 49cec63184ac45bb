"""Lanes of an account whose rate several processes share send, however long their database takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import event

from campaigns.time.pace import Rate
from scheduler.clock.launch import launch_due
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane, open_lanes
from scheduler.sending.plans import Plans
from scheduler.sending.shared_rate import SharedRate
from scheduler.sending.slicing import open_slice
from scheduler.sending.slot_lead import SlotLead
from storage.database.engine import Engine, reading, writing
from storage.sending.lanes import ensure_lanes, read_lanes, take_lane
from storage.sending.rate_slots import slot_spacing
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import spec, store_people

START: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
LANE: Final = "meta/one"


@dataclass
class Clock:
    """The system's clock and the monotonic one, which only a test moves."""

    seconds: float = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.at(self.seconds)

    def at(self, seconds: float) -> datetime:
        return START + timedelta(seconds=seconds - 1000)

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)

    @contextmanager
    def slow_commits(self, engine: Engine, seconds: float) -> Iterator[None]:
        """Each transaction takes so much longer to commit."""

        def commit(_connection: object) -> None:
            self.seconds += seconds

        event.listen(engine.sync_engine, "commit", commit)
        yield
        event.remove(engine.sync_engine, "commit", commit)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("pacing", "shared_rate", "slicing"):
        monkeypatch.setattr(f"scheduler.sending.{module}.time", clock)
    for module in ("pacing", "shared_rate"):
        monkeypatch.setattr(f"scheduler.sending.{module}.asyncio", clock)
    return clock


@dataclass
class Sender:
    """A lane that has more to send than it may; its calls are only counted."""

    engine: Engine
    clock: Clock
    lane: Lane
    plans: Plans
    finished: FinishedCalls = field(default_factory=FinishedCalls)
    sent: list[float] = field(default_factory=list)
    missed: int = 0

    async def send_slice(self) -> None:
        finished, self.finished = self.finished, FinishedCalls()
        piece = await open_slice(self.engine, self.lane, 1, self.plans, finished, idle=1e9)
        if not piece.claimed:
            await self.clock.sleep(max(0.01, self.lane.pacer.ready_in(1)))
        for call in piece.calls:
            if await self.lane.pacer.turn(call.run_id):
                self.sent.append(self.clock.seconds)
                assert call.intents[0].recorded_at >= self.clock.now()
            else:
                self.missed += 1
                self.finished.withdrawn += call.intents


@pytest.fixture
async def sender(engine: Engine, clock: Clock, tmp_path: Path) -> Sender:
    settings = account_at("meta", tmp_path / "key", price="0.05 USD", pair_gap="0s", rate="20/s")
    lane = open_lanes({"meta": settings}, now=clock.now, shared_on=engine)[LANE]
    wanted = spec("spring", content={"template": TEMPLATE}, provider="meta", senders=["one"])
    people = [f"+4477009{number:05}" for number in range(60)]
    await store_people(engine, wanted, people, rotate=0, start_at=START)
    await launch_due(engine, now=clock.now)
    lane.proven = {1: {("template", None)}}
    async with writing(engine) as connection:
        await ensure_lanes(connection, [LANE])
        until = clock.now() + timedelta(days=1)
        await take_lane(connection, LANE, "test", clock.now(), until, no_other_runner=True)
    return Sender(engine, clock, lane, Plans(lane))


@pytest.mark.parametrize("takes", [0.0, 0.3, 1.5])
async def test_a_lane_sends_however_long_its_transactions_take(sender: Sender, takes: float) -> None:
    with sender.clock.slow_commits(sender.engine, takes):
        for _ in range(8):
            await sender.send_slice()
    assert sender.missed <= 1
    assert len(sender.sent) >= 7
    async with reading(sender.engine) as connection:
        noted = (await read_lanes(connection))[LANE].last_sent_at
    assert noted is not None
    assert noted >= sender.clock.at(sender.sent[-1])


@pytest.mark.parametrize("takes", [0.3, 1.0])
async def test_a_lane_alone_comes_to_half_of_its_accounts_rate_where_transactions_are_slow(
    sender: Sender, takes: float
) -> None:
    """The other half goes by while its next transaction lasts; other lanes have it."""
    with sender.clock.slow_commits(sender.engine, takes):
        while len(sender.sent) < 55:
            await sender.send_slice()
    sent = sender.sent
    assert len(sent) / (sent[-1] - sent[0]) > 0.45 * 20
    assert all(later - first >= 1 for first, later in zip(sent, sent[20:], strict=False))


async def test_what_a_lane_has_left_but_cannot_use_in_time_is_asked_for_again(sender: Sender) -> None:
    assert sender.lane.pacer.slots is not None
    sender.lane.pacer.slots.lead.follow(0.3)
    sender.lane.pacer.slots.give([sender.clock.seconds], again=0)  # of messages that were not sent after all
    with sender.clock.slow_commits(sender.engine, 0.3):
        await sender.send_slice()
    assert (len(sender.sent), sender.missed) == (5, 0)


async def test_other_requests_keep_to_the_rate_however_long_their_transactions_take(
    engine: Engine, clock: Clock
) -> None:
    far, near = (SharedRate(engine, "meta", Rate.parse("2/s"), clock.now) for _ in range(2))
    with clock.slow_commits(engine, 1.0):
        await far.wait()
    times = [clock.seconds]
    for _ in range(5):
        await near.wait()
        times.append(clock.seconds)
    assert all(third - first >= 1 for first, third in zip(times, times[2:], strict=False))


async def test_a_process_near_the_database_gets_its_share_beside_those_far_from_it(
    engine: Engine, clock: Clock
) -> None:
    rate = SharedRate(engine, "meta", Rate.parse("20/s"), clock.now)
    leads, slots = [SlotLead("meta") for _ in range(26)], list[float]()
    for far in leads[1:]:
        far.follow(2.0)
    got, turns = [0] * len(leads), [(clock.seconds + n / 100, n) for n in range(len(leads))]
    while (turn := heappop(turns))[0] < 1006:
        clock.seconds, number = turn
        async with writing(engine) as connection:
            taken = await rate.take(connection, 2, leads[number])
        got[number] += len(taken.moments)
        slots += taken.moments
        heappush(turns, (max([taken.again, *taken.moments]) + 0.01, number))
    assert got[0] >= min(got[1:]) > 0
    used = (len(slots) - 3) * slot_spacing(rate.rate).total_seconds() / (slots[-1] - slots[2])
    assert used > 0.8


async def test_an_account_of_one_process_is_granted_nothing_far_ahead(engine: Engine, clock: Clock) -> None:
    rate, lead = SharedRate(engine, "meta", Rate.parse("1/s"), clock.now), SlotLead("meta")
    for _ in range(6):
        async with writing(engine) as connection:
            taken = await rate.take(connection, 1, lead)
        assert max(taken.moments, default=0) <= clock.seconds + 0.25
        clock.seconds = max([taken.again, *taken.moments])
    assert 1003 < clock.seconds < 1004


def test_the_lead_rises_at_once_and_falls_slowly() -> None:
    lead = SlotLead("meta")
    seen = []
    for took in (0.01, 0.3, 0.01, 0.01, 9.0):
        lead.follow(took)
        seen.append(lead().total_seconds())
    assert seen == pytest.approx([0.05, 0.3, 0.27, 0.243, 2.0])


def test_a_database_that_is_too_slow_for_the_rate_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    lead = SlotLead("meta")
    for took in (3.0, 3.0, 1.0, 3.0, 3.0):
        lead.follow(took)
    assert caplog.messages == []
    for _ in range(5):
        lead.follow(3.0)
    (message,) = caplog.messages
    assert "database is too slow" in message
    assert "account meta" in message

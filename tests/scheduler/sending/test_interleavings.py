"""Random campaigns, people, rules and interleavings of three lanes, through the real storage and decisions on a clock
that jumps: whatever happens in between, no rule is broken. Nothing is sent; what would be sent is the ledger."""

from __future__ import annotations

import asyncio
import random
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from campaigns.message.content import MessageType
from campaigns.money.costs import Money
from campaigns.outcomes import Accepted, FailureKind, Refused, acknowledge
from campaigns.spec.campaign_spec import CampaignSpec
from scheduler.clock.launch import launch_due
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.planned_calls import PlannedCall
from scheduler.sending.plans import Plans
from scheduler.sending.slicing import open_slice
from scheduler.sending.storing import store_finished
from storage.database.engine import Engine, open_engine, writing
from storage.sending.lanes import ensure_lanes, take_lane
from storage.sending.optouts import PreferenceChange, add_preferences
from storage.sending.outcomes import Outcome
from storage.sending.windows import open_window
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import spec, store_people
from tests.support.examples import share

START: Final = datetime(2026, 3, 28, 6, tzinfo=UTC)
"""The day before the clocks of Europe go forward."""
ZONES: Final = {
    "+447700900001": ZoneInfo("Europe/London"),
    "+33639980001": ZoneInfo("Europe/Paris"),
    "+919876543210": ZoneInfo("Asia/Kolkata"),
    "+2290197000001": ZoneInfo("Africa/Porto-Novo"),
}
PEOPLE: Final = tuple(ZONES)
SENDERS: Final = (("meta", ["one", "two"]), ("meta", ["two", "one"]), ("kapso", ["one"]))
LANES: Final = ("meta/one", "meta/two", "kapso/one")
PRICE: Final = Money(Decimal("0.05"), "USD")
TIER: Final = 3
AGAIN_IN_A_DAY: Final = (
    ("meta/one", 0),
    ("meta/one", 0),
    ("meta/one", 30_000),
    ("meta/one", 30_000),
    ("meta/two", 30_000),
)

caps = st.fixed_dictionaries(
    {
        "max": st.integers(1, 3),
        "per": st.sampled_from(["6h", "1d", "3d", "day", "week"]),
        "on_cap": st.sampled_from(["skip", "wait"]),
    }
)
tables = st.fixed_dictionaries(
    {"category": st.sampled_from(["marketing", "utility"]), "priority": st.integers(0, 2)},
    optional={
        "caps": st.lists(caps, max_size=2),
        "hours": st.sampled_from([{"allow": "09:00-17:00"}, {"quiet": "20:00-10:00"}]),
        "budget": st.sampled_from(
            [{"max": "0.10", "currency": "USD"}, {"per_day": "0.05", "currency": "USD"}]
        ),
        "counts_toward_caps": st.booleans(),
        "content": st.sampled_from(
            [
                {"template": TEMPLATE},
                {"text": "Hi", "template": TEMPLATE},
                {"text": "Hi", "closed_window": "wait"},
            ]
        ),
    },
)
steps = st.tuples(
    st.sampled_from(LANES),
    st.sampled_from([0, 1, 10, 60, 600, 3_600, 30_000, 90_000]),
    st.sampled_from(["taken", "taken", "taken", "refused", "not sent"]),
    st.sampled_from([None, None, None, None, "stops", "writes"]),
    st.sampled_from(PEOPLE),
)


@dataclass(frozen=True, slots=True)
class Sent:
    at: datetime
    phone: str
    lane: str
    campaign: int
    free: bool


@dataclass
class Simulation:
    """Three lanes on one clock; each call ends, at the lane's next turn, as its step says."""

    engine: Engine
    specs: list[CampaignSpec]
    lanes: dict[str, Lane] = field(default_factory=dict)
    now: datetime = START
    ended: dict[str, FinishedCalls] = field(default_factory=dict)
    plans: dict[str, Plans] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    refused: set[Sent] = field(default_factory=set)
    stopped: dict[str, int] = field(default_factory=dict)
    """Who stopped, and how many messages had been sent before."""
    opened: dict[tuple[str, str], datetime] = field(default_factory=dict)

    async def begin(self, folder: Path) -> None:
        accounts = {
            name: account_at(name, folder / name, price="0.05 USD", tier=TIER) for name in ("meta", "kapso")
        }
        self.lanes = open_lanes(accounts, now=lambda: self.now)
        for number, wanted in enumerate(self.specs):
            await store_people(self.engine, wanted, PEOPLE, rotate=number, start_at=START)
        await launch_due(self.engine, now=lambda: self.now)
        async with writing(self.engine) as connection:
            await ensure_lanes(connection, self.lanes)
            for name in LANES:
                await take_lane(
                    connection, name, "test", self.now, self.now + timedelta(days=999), no_other_runner=True
                )
                self.ended[name], self.plans[name] = FinishedCalls(), Plans(self.lanes[name])

    async def step(self, lane: str, seconds: int, fate: str, event: str | None, person: str) -> None:
        self.now += timedelta(seconds=seconds)
        await self.happen(event, lane, person)
        ended, self.ended[lane] = self.ended[lane], FinishedCalls()
        piece = await open_slice(self.engine, self.lanes[lane], 1, self.plans[lane], ended, idle=1e9)
        for call in piece.calls:
            self.note(lane, call, fate)

    async def happen(self, event: str | None, lane: str, person: str) -> None:
        async with writing(self.engine) as connection:
            if event == "stops":
                self.stopped.setdefault(person, len(self.sent))
                await add_preferences(
                    connection, "meta", [PreferenceChange(person, "out", "marketing", self.now, "STOP")]
                )
            if event == "writes":
                until = self.now + timedelta(hours=24)
                self.opened[person, lane] = until
                await open_window(connection, person, lane, until, "inbound", self.now)

    def note(self, lane: str, planned: PlannedCall, fate: str) -> None:
        result = {
            "taken": Accepted(f"m{len(self.sent)}"),
            "refused": Refused(FailureKind.RECIPIENT, "131026"),
            "not sent": Refused(FailureKind.NOT_SENT, "connect"),
        }[fate]
        for intent in planned.intents:
            free = planned.call.content.type is not MessageType.TEMPLATE
            one = Sent(self.now, intent.job.phone, lane, intent.campaign_id, free)
            self.sent.append(one)
            if fate != "taken":
                self.refused.add(one)
            ack = acknowledge(result, intent.job.attempts + 1, self.now, random.Random(1))
            self.ended[lane].outcomes.append(Outcome(intent, result, ack, self.now, 200, None, 0))

    async def end(self) -> None:
        for name, ended in self.ended.items():
            with suppress(Exception):
                await store_finished(self.engine, self.lanes[name], 1, ended)
        await close_lanes(self.lanes)

    @property
    def arrived(self) -> list[Sent]:
        return [one for one in self.sent if one not in self.refused]


@share(1, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(  # who is written to again within a day counts from the newer message
    wanted=[{"category": "marketing", "priority": 0}] * 2,
    taken=[(lane, wait, "taken", None, PEOPLE[0]) for lane, wait in AGAIN_IN_A_DAY],
)
@example(  # who has stopped marketing gets none, whichever lane comes first
    wanted=[{"category": "marketing", "priority": 0}] * 3,
    taken=[(lane, 0, "taken", "stops", PEOPLE[0]) for lane in LANES * 2],
)
@pytest.mark.long
@given(wanted=st.lists(tables, min_size=2, max_size=4), taken=st.lists(steps, min_size=5, max_size=40))
def test_no_interleaving_breaks_a_rule(
    sqlite_template: Path, tmp_path: Path, wanted: list[dict[str, Any]], taken: list[Any]
) -> None:
    world = asyncio.run(simulate(sqlite_template, tmp_path, wanted, taken))
    check_caps(world)
    check_hours(world)
    check_money(world)
    check_tier(world)
    for place, one in enumerate(world.sent):
        marketing = world.specs[one.campaign - 1].category == "marketing"
        assert not marketing or place < world.stopped.get(one.phone, place + 1)
        assert not one.free or one.at < world.opened[one.phone, one.lane]
    pairs = [(one.campaign, one.phone) for one in world.arrived]
    assert len(pairs) == len(set(pairs)), "somebody got a campaign twice"


async def simulate(
    sqlite_template: Path, folder: Path, wanted: list[dict[str, Any]], taken: list[Any]
) -> Simulation:
    path = folder / "drumbeat.db"
    for old in folder.glob("drumbeat.db*"):
        old.unlink()
    shutil.copy(sqlite_template, path)
    specs = []
    for number, values in enumerate(wanted):
        provider, senders = SENDERS[number % 3]
        specs.append(
            spec(
                f"c{number}",
                **{"content": {"template": TEMPLATE}, **values},
                provider=provider,
                senders=senders,
                breaker={"percent": 100},
            )
        )
    engine = open_engine(f"sqlite:///{path}")
    world = Simulation(engine, specs)
    await world.begin(folder)
    try:
        for step in taken:
            await world.step(*step)
    finally:
        await world.end()
        await engine.dispose()
    return world


def check_caps(world: Simulation) -> None:
    counting = [one for one in world.arrived if world.specs[one.campaign - 1].counts_toward_caps]
    for one in world.arrived:
        for cap in world.specs[one.campaign - 1].caps:
            earlier = [other for other in counting if other.phone == one.phone and other is not one]
            within = [other for other in earlier if other.at <= one.at and same_period(cap.per, other, one)]
            before = within[: within.index(one)] if one in within else within
            assert len([o for o in before if world.sent.index(o) < world.sent.index(one)]) < cap.max, (
                cap,
                one,
            )


def same_period(per: Any, earlier: Sent, later: Sent) -> bool:
    if isinstance(per, timedelta):
        return later.at - earlier.at < per
    days = [moment.at.astimezone(ZONES[later.phone]).date() for moment in (earlier, later)]
    if per == "day":
        return days[0] == days[1]
    return days[0].isocalendar()[:2] == days[1].isocalendar()[:2]


def check_hours(world: Simulation) -> None:
    for one in world.sent:
        asked = world.specs[one.campaign - 1].hours
        if asked is None:
            continue
        clock = one.at.astimezone(ZONES[one.phone]).time()
        allowed = (time(9), time(17)) if asked.allow else (time(10), time(20))
        assert allowed[0] <= clock < allowed[1], one


def check_money(world: Simulation) -> None:
    for number, asked in enumerate(world.specs, 1):
        if asked.budget is None:
            continue
        paid = [one for one in world.arrived if one.campaign == number]
        if asked.budget.max is not None:
            assert len(paid) * PRICE.amount <= asked.budget.max
        else:
            days = [one.at.date() for one in paid]
            assert all(days.count(day) * PRICE.amount <= Decimal("0.05") for day in days)


def check_tier(world: Simulation) -> None:
    """No 24 hours see more people reached outside a window than the tier allows, over all lanes of an account. What is
    refused reaches nobody and gives its room back."""
    for account in ("meta", "kapso"):
        outside = [
            one
            for one in world.arrived
            if one.lane.startswith(account) and not one.at < world.opened.get((one.phone, one.lane), START)
        ]
        for last in outside:
            day = {one.phone for one in outside if timedelta() <= last.at - one.at < timedelta(hours=24)}
            assert len(day) <= TIER

"""What a message reserves, under caps, in budgets, in its account's tier and in the ramp, is settled or given back on
every way that it can go; and nobody waits for room that there is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from campaigns.errors import DrumbeatError
from campaigns.money.costs import Money
from campaigns.outcomes import Accepted, FailureKind, Refused, Result, acknowledge
from campaigns.states import LEFT, JobState
from providers.events import Report
from scheduler.actions.control import cancel, pause, resolve, resume
from scheduler.clock.launch import launch_due
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.plans import Plans
from scheduler.sending.slicing import open_slice
from scheduler.sending.storing import store_finished
from storage.database.engine import Engine, reading, writing
from storage.receipts.receipts import adopt_message, doubts, give_up, mark_orphans, send_again
from storage.receipts.statuses import apply_webhook_reports
from storage.runs.runs import cancel_jobs, expire_jobs
from storage.sending.intents import Intent
from storage.sending.lanes import ensure_lanes, take_lane
from storage.sending.outcomes import Outcome
from storage.tables.all_tables import metadata
from storage.tables.contacts import touches
from storage.tables.lanes import daily_sends, tier_counts, unique_recipients
from storage.tables.money import budgets, learnt_prices, reservations
from storage.tables.runs import jobs, runs
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, phone, spec, store_people
from tests.support.examples import share

START: Final = datetime(2026, 3, 2, 6, tzinfo=UTC)
LANES: Final = ("meta/one", "meta/two")
NOT_SENT: Final = Refused(FailureKind.NOT_SENT, "connect")
REFUSED: Final = Refused(FailureKind.RECIPIENT, "131026")
UNKNOWN: Final = Refused(FailureKind.UNKNOWN, "timeout")
THROTTLED: Final = Refused(FailureKind.THROTTLED, "429")
TAKEN: Final = Accepted("")


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


@dataclass
class World:
    """An account's lanes on a clock that jumps. Calls are under way until a test says how they end."""

    engine: Engine
    folder: Path
    now: datetime = START
    lanes: dict[str, Lane] = field(default_factory=dict)
    plans: dict[str, Plans] = field(default_factory=dict)
    ended: dict[str, FinishedCalls] = field(default_factory=dict)
    under_way: dict[str, list[Intent]] = field(default_factory=dict)

    async def begin(self, *tables: dict[str, Any], people: int, senders: int = 2, **account: Any) -> None:
        settings = account_at("meta", self.folder / "key", price="0.05 USD", pair_gap="0s", **account)
        self.lanes = open_lanes({"meta": settings}, now=lambda: self.now)
        for number, values in enumerate(tables):
            wanted = spec(
                f"c{number}",
                **{"content": {"template": TEMPLATE}, "breaker": {"percent": 100}, **values},
                provider="meta",
                senders=["one", "two"][:senders],
            )
            await store_people(
                self.engine, wanted, [phone(each) for each in range(people)], rotate=0, start_at=START
            )
        await launch_due(self.engine, now=lambda: self.now)
        for lane in self.lanes.values():  # messages like these were taken before: no few of them go first
            lane.proven = {run: {("template", None)} for run in range(1, len(tables) + 1)}
        async with writing(self.engine) as connection:
            await ensure_lanes(connection, self.lanes)
            for name in LANES:
                end = self.now + timedelta(days=999)
                await take_lane(connection, name, "test", self.now, end, no_other_runner=True)
                self.ended[name], self.plans[name] = FinishedCalls(), Plans(self.lanes[name])
                self.under_way[name] = []

    async def open(self, lane: str = LANES[0]) -> int:
        """Open a slice of the lane; how many calls it makes."""
        ended, self.ended[lane] = self.ended[lane], FinishedCalls()
        piece = await open_slice(self.engine, self.lanes[lane], 1, self.plans[lane], ended, idle=1e9)
        made = [intent for call in piece.calls for intent in call.intents]
        self.under_way[lane] += made
        return len(made)

    def answer(self, result: Result, lane: str = LANES[0], most: int = 1_000) -> int:
        """So many calls under way, the oldest first, end like this; how many did."""
        done, self.under_way[lane] = self.under_way[lane][:most], self.under_way[lane][most:]
        for intent in done:
            mine = Accepted(f"m{intent.job.id}", cost=result.cost) if isinstance(result, Accepted) else result
            ack = acknowledge(mine, intent.job.attempts + 1, self.now, random.Random(1))
            self.ended[lane].outcomes.append(Outcome(intent, mine, ack, self.now, 200, None, 0))
        return len(done)

    async def store(self, lane: str = LANES[0]) -> None:
        ended, self.ended[lane] = self.ended[lane], FinishedCalls()
        await store_finished(self.engine, self.lanes[lane], 1, ended)

    async def drain(self, result: Result = TAKEN, rounds: int = 8) -> int:
        """Send all that may go within the hour; how many messages the provider took."""
        took = 0
        for _ in range(rounds):
            for lane in LANES:
                await self.open(lane)
                took += self.answer(result, lane)
                await self.store(lane)
            self.now += timedelta(minutes=2)
        return took

    async def crash(self, lane: str) -> None:
        """The lane's process dies: what it has not stored is lost."""
        self.ended[lane], self.under_way[lane] = FinishedCalls(), []
        async with writing(self.engine) as connection:
            await mark_orphans(connection, lane, self.now)

    async def report(self, job_id: int, state: JobState, cost: Money | None = None) -> None:
        told = Report(f"m{job_id}", state.value, state, self.now, cost=cost, code="131026")
        async with writing(self.engine) as connection:
            await apply_webhook_reports(connection, "meta", [told], self.now)

    async def doubt(self, lane: str, answer: str) -> None:
        """What the provider says of the lane's oldest message in doubt."""
        async with writing(self.engine) as connection:
            for one in await doubts(connection, lane, 1):
                if answer == "found":
                    await adopt_message(connection, one, f"m{one.job_id}", self.now)
                elif answer == "absent":
                    await send_again(connection, one, self.now)
                else:
                    await give_up(connection, one, self.now)

    async def expire(self) -> None:
        async with writing(self.engine) as connection:
            await connection.execute(update(runs).values(expires_at=self.now))
            await expire_jobs(connection, self.now)

    async def used(self) -> Decimal:
        """What all budgets have reserved and spent."""
        async with reading(self.engine) as connection:
            micros = await connection.scalar(
                select(func.sum(budgets.c.reserved_micros + budgets.c.spent_micros))
            )
        return Decimal(micros or 0) / 1_000_000

    async def held(self) -> Counter[str | None]:
        """The rules that hold pending jobs later than within a second."""
        rows = await job_rows(self.engine)
        soon = self.now + timedelta(seconds=1)
        return Counter(row.held_by for row in rows if row.state == "pending" and row.due_at > soon)

    async def end(self) -> None:
        await close_lanes(self.lanes)


@pytest.fixture
async def world(engine: Engine, tmp_path: Path) -> AsyncIterator[World]:
    made = World(engine, tmp_path)
    yield made
    await made.end()


CAP: Final = {"caps": [{"max": 1, "per": "7d", "on_cap": "wait"}]}
GAP: Final = {"pace": {"delay_between": 0, "contact_gap": "7d"}}
DAY: Final = {"budget": {"per_day": "0.15", "currency": "USD"}}


@pytest.mark.parametrize("rule", [CAP, GAP])
async def test_who_waits_for_a_call_under_way_looks_again_when_it_is_refused(
    world: World, rule: dict[str, Any]
) -> None:
    await world.begin({"priority": 1}, rule, people=1)
    assert [await world.open(), await world.open()] == [1, 0]
    assert not await world.held()
    world.answer(REFUSED)
    await world.store()
    world.now += timedelta(seconds=1)
    assert await world.open() == 1


@pytest.mark.parametrize("rule", [CAP, GAP])
@pytest.mark.parametrize("answer", ["absent", "given up", "resend", "give-up"])
async def test_who_waits_for_a_doubt_is_woken_when_it_ends(
    world: World, rule: dict[str, Any], answer: Any
) -> None:
    await world.begin({"priority": 1}, rule, people=1)
    await world.open()
    await world.crash(LANES[0])
    await world.open()
    assert (await world.held()).total() == 1
    if answer in ("absent", "given up"):
        await world.doubt(LANES[0], answer)
    else:
        await resolve(world.engine, "c0", answer, now=lambda: world.now)
    assert not await world.held()
    assert await world.drain() == 1


@pytest.mark.parametrize("rule", [CAP, GAP])
async def test_who_waits_for_a_message_that_fails_later_is_woken(world: World, rule: dict[str, Any]) -> None:
    await world.begin({"priority": 1}, rule, people=1)
    await world.open()
    world.answer(TAKEN)
    await world.open()
    assert (await world.held()).total() == 1
    await world.report(1, JobState.FAILED)
    assert await world.open() == 1


@pytest.mark.parametrize("refusal", [REFUSED, NOT_SENT, THROTTLED])
@pytest.mark.parametrize(
    ("rule", "account"),
    [(DAY, {}), ({"pace": {"delay_between": 0, "ramp": [3]}}, {}), ({}, {"tier": 3})],
)
async def test_what_is_refused_leaves_its_room_to_others(
    world: World, rule: dict[str, Any], account: dict[str, Any], refusal: Result
) -> None:
    await world.begin(rule, people=8, senders=1, **account)
    assert await world.open() == 3
    world.answer(refusal)
    assert (await world.held()).total() == 5
    assert await world.drain() == 3
    held = 8 - 3 - (3 if refusal is REFUSED else 0)
    assert (await world.held()).total() == held


async def test_a_call_that_is_never_made_leaves_its_room(world: World) -> None:
    await world.begin({**DAY, "pace": {"delay_between": 0, "ramp": [9]}}, people=3, tier=9)
    await world.open()
    world.ended[LANES[0]].withdrawn, world.under_way[LANES[0]] = world.under_way[LANES[0]], []
    await world.store()
    await check(world)
    assert await world.used() == 0


async def test_what_comes_cheaper_leaves_its_room_to_others(world: World) -> None:
    await world.begin(DAY, people=9)
    assert await world.drain(Accepted("", cost=usd("0.02"))) == 6
    assert await world.used() == Decimal("0.12")


async def test_room_that_is_freed_in_a_pause_is_there_when_it_ends(world: World) -> None:
    await world.begin(DAY, people=9)
    assert await world.drain() == 3
    await pause(world.engine, "c0", now=lambda: world.now)
    await world.report(1, JobState.FAILED)
    assert await world.drain(rounds=2) == 0
    await resume(world.engine, "c0", now=lambda: world.now)
    assert await world.drain() == 1


@pytest.mark.parametrize("at_acceptance", [None, usd("0.05")])
async def test_a_refund_comes_back_to_the_budget(world: World, at_acceptance: Money | None) -> None:
    await world.begin(DAY, people=9)
    assert await world.drain(Accepted("", cost=at_acceptance)) == 3
    await world.report(1, JobState.FAILED, usd("0"))
    await check(world)
    assert await world.used() == Decimal("0.10")
    assert await world.drain() == 1
    assert (await world.held()).total() == 5


async def test_a_failed_message_costs_what_the_provider_names(world: World) -> None:
    await world.begin(DAY, people=3)
    await world.drain(Accepted("", cost=usd("0.05")))
    await world.report(1, JobState.FAILED)
    await world.report(2, JobState.FAILED, usd("0.01"))
    await world.report(3, JobState.DELIVERED, usd("0.04"))
    assert await world.used() == Decimal("0.10"), "as the jobs themselves say"
    await check(world)


async def test_a_price_named_before_a_failure_is_not_owed_in_whatever_order_they_come(world: World) -> None:
    await world.begin(DAY, people=3)
    await world.drain(Accepted(""))
    await world.report(1, JobState.SENT, usd("0.05"))
    await world.report(1, JobState.FAILED, usd("0"))
    await world.report(2, JobState.FAILED, usd("0"))
    await world.report(2, JobState.SENT, usd("0.05"))
    await world.report(3, JobState.DELIVERED, usd("0.04"))
    assert await world.used() == Decimal("0.04")
    await check(world)


async def test_a_provider_that_charges_more_overshoots_by_at_most_the_calls_under_way(world: World) -> None:
    """Three calls at 0.05 each are under way when the first one's price is known to be 0.20."""
    await world.begin({"budget": {"per_day": "1.00", "currency": "USD"}}, people=40, senders=1)
    world.lanes[LANES[0]].pacer.slice_size = lambda *_: 3  # type: ignore[method-assign]
    await world.open()
    taken = 0
    for _ in range(8):
        taken += world.answer(Accepted("", cost=usd("0.20")), most=1)
        await world.open()
    taken += world.answer(Accepted("", cost=usd("0.20")))
    await world.store()
    assert await world.used() == Decimal("0.20") * taken
    assert Decimal("0.80") <= await world.used() <= Decimal("1.00") + 3 * Decimal("0.15")
    async with reading(world.engine) as connection:
        assert (await connection.execute(select(*learnt_prices.c))).all() == [(1, "USD", 50_000, 200_000)]


async def test_room_for_many_is_left_to_many(sqlite_engine: Engine, tmp_path: Path) -> None:
    """More than are woken at once: those that find room wake more."""
    world = World(sqlite_engine, tmp_path)
    await world.begin({"budget": {"per_day": "13.00", "currency": "USD"}}, people=600, senders=1)
    while (await world.held()).total() < 600 - 260:
        await world.open()
    assert world.answer(REFUSED) == 260
    assert await world.drain() == 260
    await world.end()


WAYS: Final = ("found", "absent", "given up")
FATES: Final[dict[str, Result]] = {
    "taken": TAKEN,
    "paid": Accepted("", cost=usd("0.05")),
    "cheaper": Accepted("", cost=usd("0.01")),
    "free": Accepted("", cost=usd("0")),
    "refused": REFUSED,
    "not sent": NOT_SENT,
    "throttled": THROTTLED,
    "unknown": UNKNOWN,
}
REPORTS: Final = (
    (JobState.FAILED, None),
    (JobState.FAILED, usd("0")),
    (JobState.SENT, usd("0.02")),
    (JobState.DELIVERED, None),
    (JobState.READ, usd("0.04")),
)
lanes_ = st.sampled_from(LANES)
steps = st.one_of(
    st.tuples(st.just("open"), lanes_),
    st.tuples(st.just("answer"), lanes_, st.sampled_from(sorted(FATES))),
    st.tuples(st.just("answer"), lanes_, st.sampled_from(sorted(FATES))),
    st.tuples(st.just("withdraw"), lanes_),
    st.tuples(st.just("crash"), lanes_),
    st.tuples(st.just("doubt"), lanes_, st.sampled_from(WAYS)),
    st.tuples(st.just("resolve"), st.sampled_from(["resend", "give-up"])),
    st.tuples(st.just("report"), st.integers(0, 9), st.sampled_from(REPORTS)),
    st.tuples(st.just("wait"), st.sampled_from([1, 60, 600, 26 * 3600])),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("expire")),
)
SECOND_TRY: Final = [("open", LANES[0]), ("crash", LANES[0]), ("doubt", LANES[0], "absent")]


@share(0.08, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=8, max_size=25))
@example([("open", LANES[0]), ("crash", LANES[0]), *[("doubt", LANES[0], way) for way in WAYS]])
@example([*SECOND_TRY, ("cancel",)])
@example([*SECOND_TRY, ("expire",)])
@example([*SECOND_TRY, ("open", LANES[0]), ("answer", LANES[0], "throttled"), ("wait", 26 * 3600)])
@example([("open", LANES[0]), ("crash", LANES[0]), ("resolve", "give-up")])
@example([("open", LANES[0]), ("answer", LANES[0], "paid"), ("open", LANES[0]), ("report", 0, REPORTS[1])])
@example([("open", LANES[0]), ("cancel",), ("answer", LANES[0], "not sent"), ("open", LANES[0])])
async def test_what_is_reserved_is_settled_or_given_back(
    engine: Engine, tmp_path: Path, taken: list[Any]
) -> None:
    async with writing(engine) as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(delete(table))
    world = World(engine, tmp_path)
    limited = {**DAY, **CAP, "pace": {"delay_between": 0, "ramp": [2, 3, 4]}}
    await world.begin({"priority": 1, **limited}, limited, people=5, tier=3)
    try:
        for step in taken:
            await take(world, *step)
        for lane in LANES:
            world.answer(TAKEN, lane)
            await world.store(lane)
        await check(world)
        await world.drain(rounds=4)
        await check(world)
        assert await sleepers(world) == 0, "somebody waits for room that there is"
    finally:
        await world.end()


async def take(world: World, what: str, *how: Any) -> None:
    match what:
        case "open":
            await world.open(*how)
        case "answer":
            lane, fate = how
            world.answer(FATES[fate], lane, 1)
        case "withdraw":
            [lane] = how
            world.ended[lane].withdrawn += world.under_way[lane][-1:]
            del world.under_way[lane][-1:]
        case "crash":
            await world.crash(*how)
        case "doubt":
            await world.doubt(*how)
        case "resolve":
            for name in ("c0", "c1"):
                await resolve(world.engine, name, *how, now=lambda: world.now)
        case "report":
            number, (state, cost) = how
            accepted = [row.id for row in await job_rows(world.engine) if row.provider_message_id]
            if accepted:
                await world.report(accepted[number % len(accepted)], state, cost)
        case "wait":
            world.now += timedelta(seconds=how[0])
        case "cancel":
            await end_first(world)
        case "expire":
            await world.expire()


async def end_first(world: World) -> None:
    """Cancel the first campaign, if it can be, and what has come back to it since."""
    try:
        await cancel(world.engine, "c0", now=lambda: world.now)
    except DrumbeatError:
        async with writing(world.engine) as connection:
            await cancel_jobs(connection, world.now)


async def check(world: World) -> None:
    """All that is reserved, compared with what the jobs' states ask for."""
    rows = await job_rows(world.engine)
    left = [row for row in rows if row.state in {state.value for state in LEFT}]
    failed = [row for row in rows if row.state == "failed" and row.provider_message_id]
    reserved = await read_all(world.engine)
    assert {t.job_id: t.void for t in reserved.touches} == dict.fromkeys([r.id for r in left], False) | (
        dict.fromkeys([r.id for r in failed], True)
    )
    priced = {row.id: row.price_micros if row.cost_micros is None else row.cost_micros for row in left}
    priced |= {row.id: row.cost_micros or 0 for row in failed}
    paid: Counter[str] = Counter()
    for one in reserved.paid:
        for key in orjson.loads(one.paid_from):
            paid[key] += priced.pop(one.job_id)
    assert not priced or not reserved.budgets
    assert {key: used for key, used in reserved.budgets.items() if used} == {
        k: v for k, v in paid.items() if v
    }
    ramped = Counter((t.lane, t.campaign_id, t.ramp_day) for t in reserved.touches if t.ramp_day)
    assert reserved.ramps == ramped
    if reserved.counts is not None:
        assert reserved.people.keys() == {t.phone for t in reserved.touches if t.outside}
        since, reached = reserved.counts
        assert reached == sum(at > since for at in reserved.people.values())


@dataclass(frozen=True)
class Reserved:
    touches: list[Any]
    paid: list[Any]
    budgets: dict[str, int]
    ramps: dict[Any, int]
    people: dict[str, datetime]
    counts: Any


async def read_all(engine: Engine) -> Reserved:
    async with reading(engine) as connection:
        used = select(budgets.c.key, budgets.c.reserved_micros + budgets.c.spent_micros)
        days = select(*daily_sends.c).where(daily_sends.c.sent != 0)
        return Reserved(
            list(await connection.execute(select(touches))),
            list(await connection.execute(select(reservations))),
            dict((await connection.execute(used)).all()),
            {(r.lane, r.campaign_id, r.day): r.sent for r in await connection.execute(days)},
            dict((await connection.execute(select(unique_recipients.c.phone, unique_recipients.c.at))).all()),
            (await connection.execute(select(tier_counts.c.since, tier_counts.c.reached))).first(),
        )


async def sleepers(world: World) -> int:
    """How many of those that wait for room would be sent were they asked now."""
    rooms = ("budget", "tier", "ramp", "frequency_cap", "min_gap")
    async with writing(world.engine) as connection:
        waiting = update(jobs).where(jobs.c.held_by.in_(rooms), jobs.c.due_at > world.now)
        await connection.execute(waiting.values(due_at=world.now))
    return sum([await world.open(lane) for lane in LANES])

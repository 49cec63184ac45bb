"""What a clock asks while it has nothing to do, and that it does what comes as soon as it comes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Update, event, select, update

from campaigns.spec.campaign_spec import CampaignSpec
from scheduler.actions.approval import NO_GUARD
from scheduler.clock import duties
from scheduler.clock.duties import Duties
from scheduler.clock.launch import launch_due
from scheduler.clock.watch import Watch
from scheduler.sending.lanes import close_lanes, open_lanes
from storage.database.changes import Changes, noticing_changes
from storage.database.engine import Engine, open_engine, reading, writing
from storage.database.schema import upgrade
from storage.sending.lanes import DueLane, ensure_lanes
from storage.tables.audience import campaigns
from storage.tables.lanes import lanes
from storage.tables.runs import jobs, runs
from tests.support.campaigns import account, later, spec, store_campaign
from tests.support.databases import own_server

DAY = 86_400.0
SOON = later(DAY)
VARIANTS = [{"name": name, "share": 50, "content": {"text": name}} for name in ("a", "b")]
ON_TRIAL = spec(variants=VARIANTS, winner={"by": "replied", "after": "24h", "test_percent": 20, "minimum": 1})
WAITING = update(jobs).values(due_at=later(9 * DAY), held_by="hours")


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    made: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            made.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield made
    event.remove(engine.sync_engine, "before_cursor_execute", note)


class Woken:
    """An engine that only notes which lanes are woken."""

    def __init__(self) -> None:
        self.lanes: list[str] = []

    async def wake(self, due: Sequence[DueLane]) -> None:
        self.lanes += [lane.name for lane in due]

    async def free_dead_lanes(self) -> None: ...

    async def busy(self) -> bool:
        return False

    async def drain(self) -> None: ...


class World:
    """A clock with its one sender, as time passes."""

    def __init__(self, engine: Engine, changes: Changes, folder: Path) -> None:
        self.engine = engine
        self.now = later(0)
        self.woken = Woken()
        ours = account("http://127.0.0.1:9", folder / "key", "a3f1b2c4-1234-4abc-9def-000011112222")
        self.lanes = open_lanes({"ourvoice": ours}, now=lambda: self.now)
        self.watch = Watch(engine, self.lanes, lambda: self.now, changes)
        self.duties = Duties(
            engine,
            self.lanes,
            self.woken,
            asyncio.Event(),
            lambda: self.now,
            changes,
            guard=NO_GUARD,
            retention={},
            holder="runner test",
            no_other_runner=lambda: True,
        )

    async def change(self, *changed: Update) -> None:
        async with writing(self.engine) as connection:
            for statement in changed:
                await connection.execute(statement)

    async def one(self, column: Any) -> Any:
        async with reading(self.engine) as connection:
            return await connection.scalar(select(column))

    async def asked(self) -> list[int]:
        """How many statements each duty takes, and the look at the progress."""
        counts = []
        all_duties = (
            self.duties.sweep,
            self.watch.look,
            self.duties.fetch_receipts,
            self.duties.settle_doubts,
        )
        for duty in all_duties:
            with statements(self.engine) as made:
                await duty()
            counts.append(len(made))
        return counts

    async def rests(self) -> bool:
        """PostgreSQL cannot show it beside other tests: it cannot tell what is committed to other databases."""
        counts = await self.asked()
        return self.engine.dialect.name != "sqlite" or max(counts) == 1

    async def launched(self, wanted: CampaignSpec, *changed: Update) -> None:
        """A campaign with a run of three messages; then what is changed of it."""
        await store_campaign(self.engine, wanted, 3)
        await launch_due(self.engine, now=lambda: self.now)
        await self.change(*changed)


@asynccontextmanager
async def world_of(engine: Engine, folder: Path) -> AsyncIterator[World]:
    async with noticing_changes(engine) as changes:
        world = World(engine, changes, folder)
        async with writing(engine) as connection:
            await ensure_lanes(connection, world.lanes)
        yield world
        await close_lanes(world.lanes)


@pytest.fixture
async def world(engine: Engine, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(engine, tmp_path) as world:
        yield world


@pytest.fixture(autouse=True)
def looks_for_arrivals_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a look takes long, and the next one would wait for twenty times as long."""
    monkeypatch.setattr(duties, "LOOK_SHARE", math.inf)


async def settle(world: World) -> None:
    """It needs a sweep to see that there is nothing, and may end something with it."""
    for _ in range(3):
        await world.asked()


async def wait_and_end(world: World, count: int) -> None:
    """So many campaigns wait, are over and are to come."""
    for number in range(count):
        await store_campaign(world.engine, spec(f"waits{number}"), 2)
        await store_campaign(world.engine, spec(f"over{number}"), 2)
        await store_campaign(world.engine, spec(f"comes{number}"), 2, start_at=SOON)
    await launch_due(world.engine, now=lambda: world.now)
    over = select(campaigns.c.id).where(campaigns.c.name.startswith("over"))
    of_over = jobs.c.run_id.in_(select(runs.c.id).where(runs.c.campaign_id.in_(over)))
    await world.change(WAITING, update(jobs).where(of_over).values(state="delivered", held_by=None))
    await settle(world)


@pytest.mark.parametrize("count", [0, 1, 20])
async def test_while_there_is_nothing_to_do_each_duty_asks_once_however_many_campaigns_there_are(
    sqlite_engine: Engine, tmp_path: Path, count: int
) -> None:
    async with world_of(sqlite_engine, tmp_path) as world:
        await wait_and_end(world, count)
        assert await world.asked() == [1, 1, 1, 1]


async def test_so_it_is_on_a_postgresql_server_on_which_nobody_else_works(tmp_path: Path) -> None:
    with own_server() as server:
        engine = open_engine(server.url)
        await upgrade(engine)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            world = await stack.enter_async_context(world_of(engine, tmp_path))
            await wait_and_end(world, 3)
            assert await world.asked() == [1, 1, 1, 1]
            await world.change(update(jobs).where(jobs.c.held_by == "hours").values(due_at=SOON))
            await settle(world)
            assert await world.asked() == [1, 1, 1, 1]
            world.now = SOON
            await world.duties.sweep()
            assert world.woken.lanes == ["ourvoice/shop"]


async def comes(world: World) -> None:
    await store_campaign(world.engine, spec(), 1, start_at=SOON)


async def comes_in_its_recipients_own_time(world: World) -> None:
    """Where the day begins first, its time comes fourteen hours before it comes in UTC."""
    wanted = spec(schedule={"timezone": "UTC", "recipient_local_time": True})
    await store_campaign(world.engine, wanted, 1, start_at=SOON + timedelta(hours=14))


async def has_a_message_due(world: World) -> None:
    await world.launched(spec(), update(jobs).values(due_at=SOON, held_by="hours"))


async def waits_for_its_lane(world: World) -> None:
    await world.launched(spec(), update(lanes).values(paused_reason="It was refused.", paused_until=SOON))


async def waits_for_a_dead_worker(world: World) -> None:
    await world.launched(spec(), update(lanes).values(holder="worker other", lease_until=SOON))


async def expires(world: World) -> None:
    await world.launched(spec(), WAITING, update(runs).values(expires_at=SOON))


async def names_its_winner(world: World) -> None:
    await world.launched(ON_TRIAL, WAITING)


async def is_woken(world: World) -> bool:
    return bool(world.woken.lanes)


async def is_launched(world: World) -> bool:
    return await world.one(runs.c.id) is not None


async def is_launched_and_woken(world: World) -> bool:
    return await is_launched(world) and await is_woken(world)


async def has_expired(world: World) -> bool:
    return bool(await world.one(jobs.c.state) == "expired")


async def has_ended_its_test(world: World) -> bool:
    return await world.one(runs.c.winner_reason) is not None


Step = Callable[[World], Awaitable[Any]]


@pytest.mark.parametrize(
    ("prepare", "is_done"),
    [
        (comes, is_launched_and_woken),
        (comes_in_its_recipients_own_time, is_launched),
        (has_a_message_due, is_woken),
        (waits_for_its_lane, is_woken),
        (waits_for_a_dead_worker, is_woken),
        (expires, has_expired),
        (names_its_winner, has_ended_its_test),
    ],
)
async def test_what_only_time_brings_is_done_when_it_comes(
    world: World, prepare: Step, is_done: Step
) -> None:
    await prepare(world)
    await settle(world)
    assert not await is_done(world)
    assert await world.rests()
    world.now = SOON - timedelta(seconds=1)
    await settle(world)
    assert not await is_done(world)
    assert await world.rests()
    world.now = SOON
    await world.duties.sweep()
    assert await is_done(world)


async def test_what_another_process_commits_is_seen_by_the_next_sweep(
    world: World, database_url: str
) -> None:
    other = open_engine(database_url)

    async def commit(changed: Update) -> None:
        async with writing(other) as connection:
            await connection.execute(changed)
        await world.duties.sweep()

    paused = update(runs).values(state="paused", reason="A person paused it.")
    await world.launched(spec(), paused)
    await settle(world)
    assert await world.rests()
    assert (await world.watch.look()).notices == ("spring is paused: A person paused it.",)
    await commit(update(runs).values(state="running", reason=None))
    assert world.woken.lanes == ["ourvoice/shop"]
    assert (await world.watch.look()).notices == ()
    await commit(WAITING)
    await settle(world)
    assert await world.rests()
    await commit(update(runs).values(state="cancelled"))
    assert await world.one(jobs.c.state) == "cancelled"
    await settle(world)
    assert await world.rests()
    await store_campaign(other, spec("second"), 1, start_at=world.now)
    await world.duties.sweep()
    assert len((await world.watch.look()).states) == 2
    await other.dispose()


async def test_a_receipt_is_asked_for_when_it_is_due_and_a_doubt_as_soon_as_there_is_one(
    world: World,
) -> None:
    taken = update(jobs).values(
        state="accepted", provider_message_id="m" + jobs.c.phone, accepted_at=world.now
    )
    await world.launched(spec(), taken.values(poll_at=SOON))
    await settle(world)
    assert await world.rests()
    world.now = SOON
    with statements(world.engine) as made:
        await world.duties.fetch_receipts()
    assert len(made) > 2
    await world.change(update(jobs).values(state="in_doubt", poll_at=None))
    assert (await world.asked())[3] > 1
    assert (await world.asked())[3] > 1


async def test_the_progress_tells_at_once_that_a_paused_campaigns_time_has_come_and_a_lanes_pause_is_over(
    world: World,
) -> None:
    await store_campaign(world.engine, spec(), 1, start_at=SOON)
    until = {"paused_reason": "It was refused.", "paused_until": SOON}
    await world.change(update(campaigns).values(state="paused", reason="No."), update(lanes).values(**until))
    await settle(world)
    assert await world.rests()
    assert (await world.watch.look()).notices == ("ourvoice/shop is paused: It was refused.",)
    world.now = SOON
    assert (await world.watch.look()).notices == ("spring is paused: No.",)

"""On PostgreSQL, a slice and what providers tell lock the same rows, and never wait for each other in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

import pytest
from sqlalchemy import update

from campaigns.money.costs import Money
from campaigns.states import JobState
from scheduler.clock.launch import launch_due
from scheduler.sending.lanes import Account
from storage.database.engine import Connection, lock_names, open_engine, writing
from storage.runs.pausing import pause_run
from storage.sending.budgets import Reservation, budget_lock, reserve, used_of
from storage.sending.contact_history import NewHistoryRow, add_to_history, release_history
from storage.sending.intents import Deferral, claim_due, defer_or_skip
from storage.sending.lanes import ensure_lanes
from storage.tables.lanes import lanes
from storage.tables.runs import jobs
from tests.support.campaigns import job_rows, later, phone, spec, store_campaign
from tests.support.databases import until_it_waits
from tests.support.sent import answered, sending
from tests.web.conftest import Hooks, hooks_on

LANE = "hooked/shop"
BUDGETS = ["1:run:1", "2:run:2"]
PRICE = Money(Decimal("0.05"), "USD")


@pytest.fixture
async def hooks(postgres_url: str, accounts: dict[str, Account]) -> AsyncIterator[Hooks]:
    engine = open_engine(postgres_url)
    async with hooks_on(engine, accounts) as made:
        yield made
    await engine.dispose()


async def sent(hooks: Hooks) -> None:
    """Two messages that providers will tell of, the first paid from a later campaign's budget than the second."""
    await sending(hooks.engine, 2)
    await answered(hooks.engine, [1, 2])
    async with writing(hooks.engine) as connection:
        await ensure_lanes(connection, [LANE])
        await reserve(connection, [Reservation(1, ("2:run:2",), PRICE), Reservation(2, ("1:run:1",), PRICE)])
        touches = [NewHistoryRow(job, phone(job), 1, "marketing", (), counts=True) for job in (1, 2)]
        await add_to_history(connection, LANE, later(1), touches)


async def hold_a_lane(connection: Connection) -> None:
    await connection.execute(update(lanes).values(epoch=lanes.c.epoch))


async def hold_a_run(connection: Connection) -> None:
    await pause_run(connection, 1, "refused", later(10))


async def hold_a_history_row(connection: Connection) -> None:
    await release_history(connection, [1])


@pytest.mark.parametrize(
    ("code", "hold"), [("banned", hold_a_lane), ("gone", hold_a_run), ("other", hold_a_history_row)]
)
async def test_a_slice_that_has_its_rows_gets_its_budgets(
    hooks: Hooks, code: str, hold: Callable[[Connection], Awaitable[None]]
) -> None:
    await sent(hooks)
    await hooks.tell({"id": "m1", "status": "failed", "at": 5, "code": code})
    async with writing(hooks.engine) as connection:
        await hold(connection)
        told = asyncio.create_task(hooks.process())
        await until_it_waits(hooks.engine)
        await lock_names(connection, [budget_lock(2)])
    await told
    async with writing(hooks.engine) as connection:
        assert await used_of(connection, BUDGETS) == {"1:run:1": 50_000, "2:run:2": 0}


@pytest.mark.parametrize(("rule", "lock"), [("frequency_cap", phone(0)), ("budget", budget_lock(2))])
async def test_who_begins_to_wait_while_room_is_freed_is_woken(hooks: Hooks, rule: str, lock: str) -> None:
    """A slice has seen the room taken, and has not stored yet that somebody waits for it."""
    await sending(hooks.engine, 1)
    await answered(hooks.engine, [1])
    await store_campaign(hooks.engine, spec("second"), 1)
    await launch_due(hooks.engine, now=lambda: later(1))
    async with writing(hooks.engine) as connection:
        await ensure_lanes(connection, [LANE])
        await connection.execute(update(jobs).where(jobs.c.id == 2).values(lane=LANE))
        await reserve(connection, [Reservation(1, ("2:day:2026-01-01",), PRICE)])
        taken = NewHistoryRow(1, phone(0), 1, "marketing", (), counts=True)
        await add_to_history(connection, LANE, later(1), [taken])
    await hooks.tell({"id": "m1", "status": "failed", "at": 5, "code": "other"})
    async with writing(hooks.engine) as connection:
        [job] = await claim_due(connection, 2, LANE, later(6), 9)
        await lock_names(connection, [lock])
        told = asyncio.create_task(hooks.process())
        await until_it_waits(hooks.engine)
        aside = Deferral(job.id, JobState.PENDING, due_at=later(600_000), held_by=rule)
        await defer_or_skip(connection, [aside], later(6))
    await told
    assert (await job_rows(hooks.engine))[1].due_at == later(1_000)


async def test_budgets_are_locked_all_at_once(hooks: Hooks) -> None:
    """One message arrives though it had failed, another fails: a slice has got as far as the first budget of both."""
    await sent(hooks)
    await hooks.tell({"id": "m1", "status": "failed", "at": 5, "code": "other"})
    await hooks.process()
    await hooks.tell({"id": "m1", "status": "delivered", "at": 6}, {"id": "m2", "status": "failed", "at": 6})
    async with writing(hooks.engine) as connection:
        await lock_names(connection, [budget_lock(1)])
        told = asyncio.create_task(hooks.process())
        await until_it_waits(hooks.engine)
        await lock_names(connection, [budget_lock(2)])
    await told
    async with writing(hooks.engine) as connection:
        assert await used_of(connection, BUDGETS) == {"1:run:1": 0, "2:run:2": 50_000}

"""Money and quotas through the whole engine: a budget is never overshot, a tier and a ramp hold what is above them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from campaigns.errors import InvalidInput
from campaigns.money.costs import Money
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState
from emulators.settings import Settings
from scheduler.actions.budget import BudgetChange, change_budget
from scheduler.actions.control import resume
from scheduler.clock.progress import RunSummary
from scheduler.clock.runner import run
from scheduler.sending.breaker import ADVICE
from storage.database.engine import Engine, reading
from storage.runs.campaign_events import list_campaign_events
from storage.tables.audience import campaigns
from storage.tables.money import budgets
from tests.acceptance.conftest import InMemory, World
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import EPOCH, job_rows, phone, spec, store_campaign, store_people

LANES = ["one", "two"]


def priced(**tables: Any) -> CampaignSpec:
    return spec("priced", provider="meta", senders=LANES, content={"template": TEMPLATE}, **tables)


async def go(engine: Engine, folder: Path, transport: InMemory, **account: Any) -> RunSummary:
    accounts = {"meta": account_at("meta", folder / "key", price="0.05 USD", **account)}
    return await run(engine, accounts, until_idle=True, wait_receipts=timedelta(0), transport=transport)


async def spent(engine: Engine) -> dict[str, Decimal]:
    async with reading(engine) as connection:
        used = select(budgets.c.key, budgets.c.reserved_micros + budgets.c.spent_micros)
        return {key: Decimal(micros) / 1_000_000 for key, micros in await connection.execute(used)}


async def test_a_run_stops_at_its_budget_over_all_its_lanes(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(budget={"max": "1.27", "currency": "USD"}), 60)
    transport = InMemory(Settings())
    summary = await go(engine, tmp_path, transport)
    assert len(await transport.ledger()) == 25
    assert await spent(engine) == {"1:run:1": Decimal("1.25")}
    assert "budget_reached" in " ".join(summary.stopped_by)
    async with reading(engine) as connection:
        assert await connection.scalar(select(campaigns.c.state)) == CampaignState.PAUSED
    assert Counter(row.state for row in await job_rows(engine)) == {"accepted": 25, "pending": 35}


async def test_a_raised_budget_goes_on_with_the_run(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(budget={"max": "0.50", "currency": "USD"}), 20)
    transport = InMemory(Settings())
    await go(engine, tmp_path, transport)
    change = await change_budget(engine, "priced", "0.80")
    assert (change.before, change.after, change.used) == (Decimal("0.50"), Decimal("0.80"), Decimal("0.50"))
    assert (change.resumed, change.paused) == (True, None)
    await go(engine, tmp_path, transport)
    assert len(await transport.ledger()) == 16
    async with reading(engine) as connection:
        [event] = await list_campaign_events(connection, 1, 10)
        assert (event.event, event.detail) == ("budget", "per run: 0.50 to 0.80 USD")
        stored = CampaignSpec.from_json(str(await connection.scalar(select(campaigns.c.spec))))
        assert stored.budget is not None
        assert stored.budget.max == Decimal("0.80"), "later runs have it too"


async def test_a_budget_below_what_is_spent_does_not_resume(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(budget={"max": "0.50", "currency": "USD"}), 20)
    transport = InMemory(Settings())
    await go(engine, tmp_path, transport)
    for amount in ("0.20", "0.50"):
        change = await change_budget(engine, "priced", amount)
        assert (change.resumed, change.used) == (False, Decimal("0.50"))
        assert "budget_reached" in str(change.paused)
    await go(engine, tmp_path, transport)
    assert len(await transport.ledger()) == 10


async def test_a_raised_day_budget_wakes_who_waits_for_tomorrow(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(budget={"per_day": "0.15", "currency": "USD"}), 9)
    transport = InMemory(Settings())
    await go(engine, tmp_path, transport)
    await change_budget(engine, "priced", "0.25", "day")
    await go(engine, tmp_path, transport)
    assert len(await transport.ledger()) == 5


async def test_a_budget_lowered_while_it_sends_holds_from_the_moment_it_is_stored(
    engine: Engine, tmp_path: Path
) -> None:
    await store_campaign(
        engine, priced(budget={"max": "50", "currency": "USD"}, pace={"delay_between": 5}), 150
    )
    transport = InMemory(Settings())
    changing: asyncio.Task[BudgetChange] | None = None
    begun = 0

    async def lower(request: httpx.Request) -> None:
        """From the 40th on, each call is under way until the change is stored."""
        nonlocal begun, changing
        if request.url.path.endswith("/messages"):
            begun += 1
            if begun == 40:
                changing = asyncio.create_task(change_budget(engine, "priced", "0.01"))
            if changing is not None:
                await asyncio.wait([changing])

    transport.before_send = lower
    summary = await go(engine, tmp_path, transport)
    assert changing is not None
    change = await changing
    assert Decimal(2) <= change.used == (await spent(engine))["1:run:1"]
    assert len(await transport.ledger()) == change.used / Decimal("0.05")
    assert "budget_reached" in " ".join(summary.stopped_by)


@pytest.mark.parametrize(
    ("budget", "amount", "per", "problem"),
    [
        (None, "40", "run", "has no budget"),
        ({"per_day": "5", "currency": "USD"}, "40", "run", "no budget for each run"),
        ({"max": "5", "currency": "USD"}, "many", "run", "budget.max"),
        ({"max": "5", "currency": "USD"}, "-1", "run", "budget.max"),
    ],
)
async def test_a_budget_that_cannot_be_changed(
    sqlite_engine: Engine, budget: Any, amount: str, per: Any, problem: str
) -> None:
    await store_campaign(sqlite_engine, priced(budget=budget), 1)
    with pytest.raises(InvalidInput, match=problem):
        await change_budget(sqlite_engine, "priced", amount, per)


async def test_what_is_refused_costs_nothing(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(budget={"max": "0.20", "currency": "USD"}), 8)
    transport = InMemory(Settings())
    await transport.tell("POST", "/meta/_control/refuse", {"code": 131026, "times": 4})
    await go(engine, tmp_path, transport)
    assert Counter(row.state for row in await job_rows(engine)) == {"failed": 4, "accepted": 4}
    assert await spent(engine) == {"1:run:1": Decimal("0.20")}


async def test_a_days_budget_holds_the_rest_until_tomorrow(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(budget={"per_day": "0.15", "currency": "USD"}), 9)
    transport = InMemory(Settings())
    await go(engine, tmp_path, transport)
    rows = await job_rows(engine)
    assert Counter((row.state, row.held_by) for row in rows) == {
        ("accepted", None): 3,
        ("pending", "budget"): 6,
    }
    held = {row.due_at for row in rows if row.held_by}
    assert len(held) == 1
    assert (held.pop().hour, len(await transport.ledger())) == (0, 3)


async def test_money_of_refused_messages_goes_to_others_on_the_same_day(
    engine: Engine, tmp_path: Path
) -> None:
    await store_campaign(engine, priced(budget={"per_day": "0.75", "currency": "USD"}), 40)
    transport = InMemory(Settings())
    await transport.tell("POST", "/meta/_control/refuse", {"code": 131026, "times": 15})
    await go(engine, tmp_path, transport)
    assert len(await transport.ledger()) == 15
    assert Counter(row.state for row in await job_rows(engine)) == {
        "failed": 15,
        "accepted": 15,
        "pending": 10,
    }


async def test_a_day_of_the_ramp_is_not_used_up_by_a_call_that_does_not_leave(
    engine: Engine, tmp_path: Path
) -> None:
    await store_campaign(engine, priced(pace={"delay_between": 0, "ramp": [5, 10]}), 20)
    transport = InMemory(Settings())
    refusals = 1

    async def refuse_once(request: httpx.Request) -> None:
        nonlocal refusals
        if request.url.path.endswith("/messages") and refusals:
            refusals -= 1
            raise httpx.ConnectError("refused", request=request)

    transport.before_send = refuse_once
    await go(engine, tmp_path, transport)
    assert (refusals, len(await transport.ledger())) == (0, 10)


async def test_without_a_price_nothing_is_sent_on_a_budget(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(budget={"max": "10", "currency": "EUR"}), 3)
    transport = InMemory(Settings())
    summary = await go(engine, tmp_path, transport)
    assert await transport.ledger() == []
    (stopped,) = summary.stopped_by
    assert "unpriced: no price" in stopped
    assert "import a rate card" in stopped, "what to do"


async def test_the_providers_report_settles_the_reservation(world: World) -> None:
    """Each message is expected to cost 20 and costs 10: what that saves is there for the last ones."""
    world.account = world.account.model_copy(update={"price": Money(Decimal(20), "XOF")})
    await world.campaign(spec(budget={"max": "100", "currency": "XOF"}, pace={"delay_between": 150}), 10)
    await world.run()
    assert await spent(world.engine) == {"1:run:1": Decimal(90)}
    assert len(await world.ledger()) == 9


async def test_a_tier_is_shared_by_the_accounts_lanes(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(), 40)
    transport = InMemory(Settings())
    await go(engine, tmp_path, transport, tier=15)
    assert len(await transport.ledger()) == 15
    assert Counter(row.held_by for row in await job_rows(engine)) == {None: 15, "tier": 25}


async def test_a_ramp_holds_the_first_days_back(engine: Engine, tmp_path: Path) -> None:
    await store_campaign(engine, priced(pace={"delay_between": 0, "ramp": [5, 10]}), 40)
    transport = InMemory(Settings())
    await go(engine, tmp_path, transport)
    assert len(await transport.ledger()) == 10, "5 on each of two lanes"
    assert Counter(row.held_by for row in await job_rows(engine)) == {None: 10, "ramp": 30}


@pytest.mark.parametrize("percent", [25, 90])
async def test_the_breaker_stops_a_run_that_fails(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, percent: int
) -> None:
    """However late the runner's sweep."""
    monkeypatch.setattr("scheduler.clock.runner.SWEEP", 60.0)
    breaker = {"percent": percent, "of_last": 20}
    await store_campaign(engine, priced(pace={"delay_between": 40}, breaker=breaker), 60)
    transport = InMemory(Settings())
    await transport.tell("POST", "/meta/_control/refuse", {"code": 131026, "times": 12})
    summary = await go(engine, tmp_path, transport)
    states = Counter(row.state for row in await job_rows(engine))
    assert states["failed"] == 12 or percent == 25
    assert bool(states["pending"]) is (percent == 25)
    if percent == 25:
        assert "131026" in " ".join(summary.stopped_by)
        await resume(engine, "priced")
        await go(engine, tmp_path, transport)
        assert not Counter(row.state for row in await job_rows(engine))["pending"]


async def test_the_breaker_sees_failures_that_are_asked_for_later(sqlite_world: World) -> None:
    """The run has gone on meanwhile: none of them is among its newest ten messages."""
    fail_later = [f"+4477{number:04}0901" for number in range(3)]
    never_reported = "+447700900903"
    people = [*fail_later, *(phone(number) for number in range(12)), never_reported]
    watched = spec(breaker={"percent": 25, "of_last": 10})
    await store_people(sqlite_world.engine, watched, people, rotate=0, start_at=EPOCH)
    summary = await sqlite_world.run()
    reason = f"breaker: 3 of 10 messages in a row failed, most with Number is not on WhatsApp{ADVICE}"
    assert summary.stopped_by == (f"spring is paused: {reason}",)

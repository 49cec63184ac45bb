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

from campaigns.money.costs import Money
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState
from emulators.settings import Settings
from scheduler.actions.control import resume
from scheduler.clock.progress import RunSummary
from scheduler.clock.runner import run
from storage.database.engine import Engine, reading
from storage.tables import budgets, campaigns
from tests.acceptance.conftest import InMemory, World
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, spec, store_campaign

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
    assert "unpriced" in " ".join(summary.stopped_by)


async def test_the_providers_word_settles_what_was_reserved(world: World) -> None:
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
async def test_the_breaker_stops_a_run_that_fails(engine: Engine, tmp_path: Path, percent: int) -> None:
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
        await asyncio.sleep(0)
        await resume(engine, "priced")
        await go(engine, tmp_path, transport)
        assert not Counter(row.state for row in await job_rows(engine))["pending"]

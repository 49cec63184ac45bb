"""What the first page, the list of campaigns and the senders page ask: right, by indexes, and the same number of
statements for one campaign as for many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from app.views.campaigns.campaign_list import campaign_page, list_campaigns
from app.views.campaigns.today import today
from app.views.operators.senders import senders
from app.views.operators.spending import Unpriced, monthly_spending
from app.wiring.settings import Settings
from campaigns.money.costs import Money
from campaigns.states import CampaignState
from providers.ourvoice.settings import OurVoiceAccount
from scheduler.clock.launch import launch_due
from storage.database.engine import Connection, Engine, reading, writing
from storage.sending.lanes import ensure_lanes
from storage.tables.audience import campaigns
from storage.tables.money import budgets
from storage.tables.retention import purged_jobs
from storage.tables.runs import attempts, jobs, runs
from storage.views import live
from storage.views.costs import costs_so_far
from storage.views.live import calls_per_run, recent_pace
from tests.storage.database.test_plans import statements, whole_reads
from tests.storage.views.test_reports import COSTS, given_campaign, given_jobs
from tests.support.campaigns import later, spec, store_campaign

LANE = "ourvoice/shop"
ACCOUNT = OurVoiceAccount.model_validate(
    {
        "adapter": "ourvoice",
        "api_key": "env:NOTHING",
        "senders": [{"name": "shop", "session_id": "a3f1b2c4-1234-4abc-9def-000011112222"}],
    }
)
SETTINGS = Settings("sqlite://", {"ourvoice": ACCOUNT})
MAY: dict[str, Any] = {"short": {"ix_jobs_open"}, "newest": {"attempts"}}
"""The index of the few messages that are under way may be read whole, and the newest calls up to a limit."""
Page = Callable[[Connection], Awaitable[Any]]
PAGES: dict[str, Page] = {
    "today": lambda connection: today(connection, SETTINGS, later(31)),
    "campaigns": campaign_page,
    "senders": lambda connection: senders(connection, SETTINGS, later(31)),
    "spending": lambda connection: monthly_spending(connection, later(31), UTC),
}


async def under_way(engine: Engine, names: Sequence[str], size: int = 5) -> None:
    """Campaigns, every second one paused, each with a budget that was drawn on and calls of the last seconds."""
    budget = {"max": "5.00", "per_day": "1.00", "currency": "EUR"}
    for name in names:
        await store_campaign(engine, spec(name, budget=budget), size)
    await launch_due(engine, now=lambda: later(1))
    call = {"number": 1, "call": "c", "lane": LANE, "epoch": 1}
    async with writing(engine) as connection:
        await ensure_lanes(connection, [LANE])
        paused = {"state": CampaignState.PAUSED, "reason": "by a person"}
        await connection.execute(update(campaigns).where(campaigns.c.id % 2 == 0).values(**paused))
        new = select(runs.c.id).where(runs.c.id.not_in(select(attempts.c.run_id)))
        third = (await connection.execute(select(jobs.c.id, jobs.c.run_id).where(
            jobs.c.run_id.in_(new), jobs.c.id % 3 == 0))).all()  # fmt: skip
        taken = {"state": "sent", "provider_message_id": "m", "cost_micros": 20_000, "currency": "EUR"}
        await connection.execute(update(jobs).where(jobs.c.id % 3 == 0).values(**taken))
        at = [later(10 + job % 21) for job, _ in third]
        rows = [{**call, "job_id": job, "run_id": run} for job, run in third]
        made = [{**row, "intent_at": moment} for row, moment in zip(rows, at, strict=True)]
        await connection.execute(insert(attempts), made)
        drawn = {"currency": "EUR", "reserved_micros": 250_000, "spent_micros": 500_000}
        keys = [f"{run}:{which}" for run in {run for _, run in third} for which in DRAWN]
        await connection.execute(insert(budgets), [{"key": key, **drawn} for key in keys])
        await connection.exec_driver_sql("ANALYZE")


DRAWN = ("run:1", "day:2026-01-01", "day:2026-01-02")
"""Of the campaign, whose only run has its number."""


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_reads_no_table_whole(engine: Engine, name: str) -> None:
    await under_way(engine, ["spring", "summer", "autumn"], 300)
    with statements(engine) as asked:
        async with reading(engine) as connection:
            await PAGES[name](connection)
    assert asked
    async with writing(engine) as connection:
        for statement, parameters in asked:
            assert not await whole_reads(connection, statement, parameters, **MAY), statement


async def test_many_campaigns_take_no_more_statements_than_few(engine: Engine) -> None:
    async def asked_by_each() -> dict[str, int]:
        numbers = {}
        for name, page in PAGES.items():
            with statements(engine) as asked:
                async with reading(engine) as connection:
                    await page(connection)
            numbers[name] = len(asked)
        return numbers

    await under_way(engine, ["one", "two"])
    few = await asked_by_each()
    await under_way(engine, [f"more{number}" for number in range(12)])
    assert await asked_by_each() == few


async def test_the_pace_of_many_is_that_of_each(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    await under_way(engine, ["spring", "summer"], 100)
    short = {"each": timedelta(seconds=5), "many": 3}
    async with reading(engine) as connection:
        together = await calls_per_run(connection, [1, 2, 9], later(31), **short)
        for run in (1, 2, 9):
            pace = await recent_pace(connection, [run], later(31), **short)
            assert together[run] == sum(pace.counts)
        assert together[1] > 0
        monkeypatch.setattr(live, "CALLS", 5)
        assert (await calls_per_run(connection, [1, 2], later(31), **short))[1] > 0, "each has its own newest"


async def test_the_list_has_what_each_cost_and_its_budget(engine: Engine) -> None:
    """What is charged and what is expected of the rest, by currency, purged messages too; and what has no price."""
    async with writing(engine) as connection:
        await given_jobs(connection, await given_campaign(connection, people=len(COSTS)), *COSTS)
        gone = {"run_id": 1, "counts": True, "state": "failed", "reason": "", "code": "", "region": "GB"}
        charged = {"taken": True, "settled": True, "currency": "EUR", "priced": False, "price_currency": ""}
        sums = {"jobs": 3, "cost_micros": 1_500_000, "price_micros": 0}
        await connection.execute(insert(purged_jobs).values(**gone, **charged, **sums))
    await store_campaign(engine, spec("summer", budget={"per_day": "2.50", "currency": "EUR"}), 1)
    async with reading(engine) as connection:
        costs = await costs_so_far(connection, [1, 2])
        spring, summer = await list_campaigns(connection)
        page = await campaign_page(connection)
    assert list(costs) == [1]
    assert costs[1].amounts == [Money(Decimal("1.5"), "EUR"), Money(Decimal("0.055"), "USD")]
    assert (costs[1].unpriced, spring.cost, spring.budgets) == (1, costs[1], ())
    assert [each["amount"] for each in spring.json["cost"]] == [Decimal("1.5"), Decimal("0.055")]
    assert (summer.json["cost"], summer.json["unpriced"]) == ([], 0)
    assert summer.json["budgets"] == [
        {"per": "day", "currency": "EUR", "used": Decimal(0), "limit": Decimal("2.50")}
    ]
    of_page = {each["name"]: (each["cost"], each["unpriced"], each["budgets"]) for each in page.json}
    assert of_page == {
        one.line.name: tuple(one.json[key] for key in ("cost", "unpriced", "budgets"))
        for one in (spring, summer)
    }
    shown = {each.name: (page.cost_of(each), page.budgets_of(each)) for each in page.campaigns}
    assert shown == {
        "spring": (["1.50 EUR", "0.055 USD", "1 unpriced"], []),
        "summer": ([], ["0.00 of 2.50 EUR per day"]),
    }


async def test_what_was_spent_is_of_the_month_in_which_its_run_started_here(engine: Engine) -> None:
    """COSTS are 0.035 USD charged, 0.02 expected and one message without a price."""
    two, december = len(COSTS), datetime(2026, 12, 9, 9, tzinfo=UTC)
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=two)
        launched = {
            await given_jobs(connection, campaign, *COSTS, nominal_at=at): at
            for at in (datetime(2026, 12, 2, 9, tzinfo=UTC), datetime(2026, 11, 30, 23, 30, tzinfo=UTC),
                       datetime(2026, 10, 31, 22, 30, tzinfo=UTC))
        }  # fmt: skip
        assert len(launched) == 3
    async with reading(engine) as connection:
        utc = await monthly_spending(connection, december, UTC)
        paris = await monthly_spending(connection, december, ZoneInfo("Europe/Paris"))
    each, unsettled = Decimal("0.055"), Decimal("0.02")
    (total,) = utc.totals
    assert (total.currency, total.this_month, total.last_month) == ("USD", each, each)
    assert total.unsettled == 2 * unsettled
    (total,) = paris.totals
    assert (total.this_month, total.last_month) == (2 * each, Decimal(0)), (
        "that of October is too old in both"
    )
    for lines in (utc.campaigns, utc.categories, utc.countries):
        assert (sum(one.this_month for one in lines), sum(one.last_month for one in lines)) == (each, each)
    assert [one.group for one in utc.campaigns] == ["spring"]
    assert [one.group for one in utc.countries] == ["FR"], "nothing is charged or open in GB"
    assert [(one.group, one.this_month + one.last_month) for one in utc.days] == [
        ("2026-12-02", each),
        ("2026-11-30", each),
    ]
    assert [one.group for one in paris.days] == ["2026-12-02", "2026-12-01"]
    assert utc.unpriced == [Unpriced("spring", 1, 1)]

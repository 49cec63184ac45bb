"""States that people are notified of: once while they last, and again when they come back later."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from campaigns.notify_events import NotifyEvent
from campaigns.states import JobState, RunState
from scheduler.clock.launch import launch_due
from scheduler.notify.conditions import find_conditions
from scheduler.sending.lanes import Lane, open_lanes
from storage.database.engine import Engine, reading, writing
from storage.notify.deliveries import store_targets
from storage.notify.events import Occurrence, store_found
from storage.sending.lanes import ensure_lanes, pause_lane, resume_lane
from storage.tables.audience import imports
from storage.tables.lanes import lanes
from storage.tables.money import budgets
from storage.tables.notify import notify_events
from storage.tables.receipts import webhooks
from storage.tables.runs import jobs, runs
from storage.views import conditions
from tests.support.accounts import account_at
from tests.support.campaigns import later, spec, store_campaign

EVERYTHING = tuple(NotifyEvent)


class Desk:
    def __init__(self, engine: Engine, opened: dict[str, Lane]) -> None:
        self.engine, self.lanes, self.at = engine, opened, later(0)

    async def find(
        self, after: float = 0, *, wanted: Collection[NotifyEvent] = EVERYTHING, rejects_above: int = 0
    ) -> list[Occurrence]:
        self.at += timedelta(seconds=after)
        async with reading(self.engine) as connection:
            return await find_conditions(connection, wanted, self.lanes, rejects_above, self.at)

    async def announced(self, after: float = 0) -> list[tuple[str, str]]:
        """(about, detail) of every event so far, once what holds now is stored."""
        found = await self.find(after)
        async with writing(self.engine) as connection:
            await store_found(connection, found, self.at)
            events = select(notify_events.c.about, notify_events.c.detail).order_by(notify_events.c.id)
            return [(about, detail) for about, detail in await connection.execute(events)]

    async def change(self, *statements: Any) -> None:
        async with writing(self.engine) as connection:
            for statement in statements:
                await connection.execute(statement)


@pytest.fixture
async def desk(engine: Engine, tmp_path: Path) -> Desk:
    key = tmp_path / "key"
    shop = account_at("meta", key, app_secret=f"file:{key}", verify_token=f"file:{key}")
    opened = dict(open_lanes({"shop": shop, "phone": account_at("ourvoice", key)}))
    async with writing(engine) as connection:
        await ensure_lanes(connection, opened)
        await store_targets(connection, ["team"], later(0))
    return Desk(engine, opened)


async def launched(desk: Desk, name: str = "spring", **tables: Any) -> int:
    wanted = spec(name, provider="shop", senders=["one"], **tables)
    campaign_id = await store_campaign(desk.engine, wanted, 2)
    assert await launch_due(desk.engine, now=lambda: desk.at) == [name]
    return campaign_id


async def test_a_sender_is_down_until_it_is_well_and_one_that_comes_and_goes_is_one_event(desk: Desk) -> None:
    async def down(reason: str | None, until: float | None = None) -> None:
        async with writing(desk.engine) as connection:
            if reason is None:
                await resume_lane(connection, "shop/one")
            else:
                ends = None if until is None else later(until)
                await pause_lane(connection, "shop/one", reason, ends)

    await down("too many calls", until=500)
    assert await desk.announced() == []
    await down("the number +44 7700 900123 is banned")
    first = [("lane:shop/one", "the number ***23 is banned")]
    assert [await desk.announced(5), await desk.announced(5)] == [first, first]
    for _ in range(3):
        await down(None)
        assert await desk.announced(300) == first
        await down("banned")
        assert await desk.announced(299) == first
    await down(None)
    await desk.announced(5)
    await down("banned")
    assert await desk.announced(601) == [*first, ("lane:shop/one", "banned")]


async def test_a_lane_that_is_not_configured_is_nobodys_sender(desk: Desk) -> None:
    async with writing(desk.engine) as connection:
        await ensure_lanes(connection, ["old/one"])
        await pause_lane(connection, "old/one", "gone", None)
    assert await desk.find() == []


async def test_a_budget_is_announced_though_the_run_ended_before_the_look(desk: Desk) -> None:
    number = await launched(desk, budget={"max": "10.00", "currency": "USD"})
    used = {"key": f"{number}:run:1", "currency": "USD", "reserved_micros": 0, "spent_micros": 9_000_000}
    over = update(runs).values(state=RunState.COMPLETED, ended_at=desk.at)
    await desk.change(insert(budgets).values(**used), over)
    [found] = await desk.find(after=60, wanted=[NotifyEvent.BUDGET])
    assert found.detail == "9.00 of 10.00 USD for each run is spent or reserved."
    assert await desk.find(after=600, wanted=[NotifyEvent.BUDGET]) == []


async def test_a_budget_is_announced_once_at_80_percent_and_again_for_another_limit(desk: Desk) -> None:
    number = await launched(desk, budget={"max": "10.00", "currency": "USD"})
    used = {"key": f"{number}:run:1", "currency": "USD", "reserved_micros": 1_000_000}
    await desk.change(insert(budgets).values(**used, spent_micros=6_999_999))
    assert await desk.announced() == []
    await desk.change(update(budgets).values(spent_micros=7_000_000))
    first = (f"budget:{number}:run:1:10000000", "8.00 of 10.00 USD for each run is spent or reserved.")
    assert await desk.announced() == [first]
    await desk.change(update(budgets).values(spent_micros=0))
    assert await desk.announced(3600) == [first]
    await desk.change(update(budgets).values(spent_micros=9_000_000))
    assert await desk.announced(3600) == [first]
    raised = spec(provider="shop", senders=["one"], budget={"max": "12.00", "currency": "USD"})
    await desk.change(update(runs).values(spec=raised.to_json()))
    assert await desk.announced() == [
        first,
        (f"budget:{number}:run:1:12000000", "10.00 of 12.00 USD for each run is spent or reserved."),
    ]


async def test_of_days_and_months_only_the_one_that_is_not_over_counts(desk: Desk) -> None:
    number = await launched(desk, budget={"per_day": "1.00", "per_month": "1.00", "currency": "USD"})
    full = {"currency": "USD", "reserved_micros": 0, "spent_micros": 900_000}
    for which in ("day:2025-12-30", "month:2025-11"):
        await desk.change(insert(budgets).values(key=f"{number}:{which}", **full))
    assert await desk.find() == []
    for which in ("day:2026-01-01", "month:2026-01"):
        await desk.change(insert(budgets).values(key=f"{number}:{which}", **full))
    found = [one.about for one in await desk.find()]
    assert sorted(found) == [
        f"budget:{number}:day:2026-01-01:1000000",
        f"budget:{number}:month:2026-01:1000000",
    ]


async def test_rejects_above_the_number(desk: Desk) -> None:
    await store_campaign(desk.engine, spec("spring"), 1)
    await desk.change(update(imports).values(rejected=3, rows=4))
    (one,) = await desk.find(rejects_above=2)
    assert (one.about, one.detail, one.amount) == ("import:1", "3 rows of 4 cannot be used.", 3)
    assert await desk.find(rejects_above=3) == []
    await desk.change(update(imports).values(created_at=later(-1)))
    assert await desk.find() == [], "it was loaded before anybody was to be notified"


async def test_webhooks_are_silent_when_messages_were_accepted_and_none_comes(desk: Desk) -> None:
    await launched(desk)
    sent = update(jobs).values(state=JobState.ACCEPTED, accepted_at=later(0))
    await desk.change(sent, update(lanes).values(last_sent_at=later(0)))
    assert await desk.find(899) == []
    (one,) = await desk.find(1)
    assert (one.event, one.about) == (NotifyEvent.WEBHOOKS_SILENT, "account:shop")
    assert one.detail == "None has ever come."
    came = {"url": "", "headers": "{}", "body": b"", "account": "shop"}
    await desk.change(insert(webhooks).values(**came, received_at=later(1)))
    assert await desk.find() == []
    await desk.change(update(jobs).where(jobs.c.id == 1).values(accepted_at=later(2)))
    (one,) = await desk.find(2)
    assert one.detail == "The last one came at 2026-01-01 00:00 UTC."
    await desk.change(update(jobs).values(state=JobState.DELIVERED))
    assert await desk.find() == []


async def test_another_accounts_many_webhooks_raise_no_false_alarm(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "NEWEST", 2)
    await launched(desk)
    sent = update(jobs).values(state=JobState.ACCEPTED, accepted_at=later(0))
    await desk.change(sent, update(lanes).values(last_sent_at=later(0)))
    came = {"url": "", "headers": "{}", "body": b""}
    rows = [{**came, "account": name, "received_at": later(5)} for name in ("shop", "other", "other")]
    await desk.change(insert(webhooks).values(rows))
    assert await desk.find(1000) == []


async def test_an_account_without_webhooks_here_is_never_silent(desk: Desk, tmp_path: Path) -> None:
    desk.lanes = dict(open_lanes({"shop": account_at("bird", tmp_path / "key")}))
    await launched(desk)
    sent = update(jobs).values(state=JobState.ACCEPTED, accepted_at=later(0))
    await desk.change(sent, update(lanes).values(last_sent_at=later(0)))
    assert await desk.find(1000) == []


async def test_only_what_somebody_wants_is_looked_for(desk: Desk) -> None:
    async with writing(desk.engine) as connection:
        await pause_lane(connection, "shop/one", "banned", None)
    assert await desk.find(wanted=[NotifyEvent.FINISHED]) == []
    assert len(await desk.find(wanted=[NotifyEvent.SENDER_DOWN])) == 1

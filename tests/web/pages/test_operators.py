"""Senders, processes, webhooks, costs and templates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.views.operators.balances import Left
from app.wiring.rights import Role
from app.wiring.settings import Settings
from campaigns.money.prices import RateCard
from providers.adapter import Session
from providers.ourvoice.settings import OurVoiceAccount
from storage.audience.rates import store_card
from storage.database.engine import reading, writing
from storage.receipts.inbox import NewNotice, add_notices
from storage.sending.lanes import ensure_lanes, pause_lane
from storage.sending.workers import WorkerRow, report_worker
from storage.tables.receipts import webhook_refusals, webhooks
from tests.storage.views.test_reports import given_campaign, given_jobs
from tests.support.pages import Browser, log_in_as
from web.pages.senders import routes

NOW = datetime.now(UTC)
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
ACCOUNT = OurVoiceAccount.model_validate(
    {
        "adapter": "ourvoice",
        "api_key": "env:NOTHING",
        "rates": "meta",
        "senders": [{"name": "shop", "session_id": "a3f1b2c4-1234-4abc-9def-000011112222", "rate": "10/s"}],
    }
)
SETTINGS = Settings("sqlite://", {"ourvoice": ACCOUNT}, public_url="https://hooks.example.com")
PAGES = ("/senders", "/senders/workers", "/senders/webhooks", "/costs", "/templates")


async def fill(engine: AsyncEngine) -> None:
    """Something of everything, with a stranger's text wherever there is one."""
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
        await pause_lane(connection, "ourvoice/shop", HOSTILE, None)
        now = datetime.now(UTC)
        row = WorkerRow("host-1", "runner", "box", 12, None, True, now, now)
        await report_worker(connection, row)
        await add_notices(connection, "ourvoice", [NewNotice("account", HOSTILE, HOSTILE, NOW)])
        await connection.execute(
            insert(webhooks),
            [
                {
                    "account": "ourvoice",
                    "received_at": NOW,
                    "url": "x",
                    "headers": "{}",
                    "body": b"{",
                    "processed_at": NOW,
                    "problem": problem,
                }
                for problem in (None, HOSTILE)
            ],
        )
        await connection.execute(insert(webhook_refusals).values(account="ourvoice", count=3, last_at=NOW))
        card = RateCard(0, "meta", NOW.date(), "USD", HOSTILE, {("France", "marketing", "any"): 12_000})
        await store_card(connection, card, NOW)
        charged = {
            "state": "delivered",
            "provider_message_id": "m",
            "cost_micros": 1_500_000,
            "currency": "EUR",
        }
        await given_jobs(connection, await given_campaign(connection, people=1), charged, nominal_at=NOW)


@pytest.mark.parametrize("page", PAGES)
async def test_a_viewer_sees_it_with_a_strangers_text_as_text(engine: AsyncEngine, page: str) -> None:
    await fill(engine)
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.VIEWER)
        answer = await browser.get(page)
        assert answer.status_code == 200, answer.text
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text


async def test_what_operators_look_for_is_there(engine: AsyncEngine) -> None:
    await fill(engine)
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.SENDER)
        senders = (await browser.get("/senders")).text
        assert "paused" in senders
        assert "10/s" in senders
        assert "leads" in (await browser.get("/senders/workers")).text
        arrived = (await browser.get("/senders/webhooks")).text
        assert "https://hooks.example.com/webhooks/ourvoice" not in arrived, "it sends none"
        of_costs = (await browser.get("/costs")).text
        assert f"from {NOW.date()}" in of_costs
        assert NOW.strftime("%B %Y") in of_costs
        assert '<a href="/campaigns/spring/report">spring</a>' in of_costs
        assert "1.50 EUR" in of_costs
        assert "0.012" in (await browser.get("/costs/rates/meta")).text
        assert (await browser.get("/costs/rates/nothing")).status_code == 404


async def test_a_webhook_is_read_again_when_a_sender_asks(engine: AsyncEngine) -> None:
    await fill(engine)
    async with reading(engine) as connection:
        number = await connection.scalar(select(webhooks.c.id).where(webhooks.c.problem.is_not(None)))
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.VIEWER, "victor")
        assert "Read it again" not in (await browser.get("/senders/webhooks")).text
        assert (await browser.post(f"/senders/webhooks/{number}/again")).status_code == 403
        await log_in_as(browser, engine, Role.SENDER)
        assert "Read it again" in (await browser.get("/senders/webhooks")).text
        assert (await browser.post(f"/senders/webhooks/{number}/again")).status_code == 303
        for other in (number, "x", "9" * 30, "9" * 5000):
            assert (await browser.post(f"/senders/webhooks/{other}/again")).status_code == 404
    async with reading(engine) as connection:
        new = await connection.scalars(select(webhooks.c.id).where(webhooks.c.processed_at.is_(None)))
        assert list(new) == [number]


async def test_a_balance_is_asked_for_once_for_all_who_look(
    sqlite_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def left_on(_: Settings, account: str) -> Left:
        asked.append(account)
        return Left(account, problem="It does not answer.", ok=False)

    monkeypatch.setattr(routes, "left_on", left_on)
    async with Browser(sqlite_engine, SETTINGS) as browser:
        await log_in_as(browser, sqlite_engine, Role.VIEWER)
        for _ in range(3):
            assert "It does not answer." in (await browser.get("/senders/ourvoice/balance")).text
    assert asked == ["ourvoice"]


async def test_an_account_that_does_not_exist_is_a_sentence(engine: AsyncEngine) -> None:
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.ADMIN)
        for page in ("/senders/nothing/balance", "/senders/nothing/sessions"):
            answer = await browser.get(page)
            assert answer.status_code == 404
            assert "nothing" in answer.text
        assert (await browser.post("/templates/nothing/sync")).status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.SENDER])
async def test_only_an_admin_sees_the_code_that_connects_a_phone(
    sqlite_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    async def code(*_: object) -> str:
        return "data:image/png;base64,AAAA"

    async def session(*_: object) -> Session:
        return Session("a3f1", "pending", None)

    monkeypatch.setattr(routes, "show_session", session)
    monkeypatch.setattr(routes, "session_qr_code", code)
    async with Browser(sqlite_engine, SETTINGS) as admin, Browser(sqlite_engine, SETTINGS) as other:
        await log_in_as(admin, sqlite_engine, Role.ADMIN)
        await log_in_as(other, sqlite_engine, role)
        address = "/senders/ourvoice/sessions/a3f1"
        assert "base64,AAAA" in (await admin.get(address)).text
        refused = await other.get(address)
    assert refused.status_code == 403
    assert "base64" not in refused.text

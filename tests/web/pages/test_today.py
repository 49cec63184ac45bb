"""The first page and the list of campaigns: what needs somebody, how fast it goes, what is spent, who made what."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import insert, update

from app.wiring.rights import Role
from app.wiring.settings import Settings
from campaigns.states import JobState
from providers.meta.settings import MetaAccount
from storage.access.audit import add_act, add_outcome
from storage.database.engine import Engine, writing
from storage.sending.lanes import ensure_lanes, pause_lane
from storage.tables.lanes import lanes
from storage.tables.limits import sender_limits
from storage.tables.money import budgets
from storage.tables.runs import attempts, jobs
from tests.support.pages import Browser, log_in_as
from tests.web.pages.test_campaign import HOSTILE, SETTINGS, given

NUMBERS = count(1)


async def seen(engine: Engine, address: str = "/", settings: Settings = SETTINGS) -> str:
    async with Browser(engine, settings) as browser:
        await log_in_as(browser, engine, Role.EDITOR, f"user{next(NUMBERS)}")
        return (await browser.get(address)).text


def card(page: str, heading: str) -> str:
    """The text of the card with this heading."""
    found = re.search(rf"<h2>{heading}</h2>.*?</section>", page, re.S)
    assert found, heading
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


async def test_what_runs_has_its_pace_and_how_long_it_takes_yet(engine: Engine) -> None:
    await given(engine)
    at = datetime.now(UTC) - timedelta(seconds=8)
    call = {"run_id": 1, "call": "c", "lane": "ourvoice/shop", "epoch": 1, "detail": HOSTILE, "intent_at": at}
    async with writing(engine) as connection:
        await connection.execute(
            insert(attempts), [{**call, "job_id": 10, "number": n} for n in range(1, 31)]
        )
    page = await seen(engine)
    running = card(page, "Running")
    # 30 calls, and of those of `given` none, in the 15 s that are over; one message waits for its turn alone.
    assert "spring 7 of 10 1 in doubt 2 a second 1 s" in running
    assert 'aria-label="1 read, 1 on its way' in page
    assert "2 a second" not in card(page, "Senders"), "its rate is of the last 10 s"
    assert "<script>alert" not in page


async def test_budgets_and_senders_are_seen(engine: Engine) -> None:
    await given(engine, spec={"budget": {"max": "5.00", "per_day": "1.00", "currency": "USD"}})
    used = {"currency": "USD", "reserved_micros": 250_000, "spent_micros": 4_000_000}
    async with writing(engine) as connection:
        await connection.execute(insert(budgets).values(key="1:run:1", **used))
        limit = {"lane": "ourvoice/shop", "account": "ourvoice", "quality": "YELLOW"}
        await connection.execute(insert(sender_limits).values(**limit))
    page = await seen(engine)
    assert "spring each run 4.25 of 5.00 USD" in card(page, "Budgets")
    assert "ourvoice/shop can send quality YELLOW" in card(page, "Senders")
    async with writing(engine) as connection:
        await pause_lane(connection, "ourvoice/shop", HOSTILE, None)
    page = await seen(engine)
    assert "ourvoice/shop paused" in card(page, "Senders")
    assert "ourvoice/shop is paused: &lt;script&gt;" in page
    assert "<script>alert" not in page


async def test_an_account_whose_webhooks_stay_away_needs_somebody(engine: Engine) -> None:
    account = MetaAccount.model_validate(
        {
            "adapter": "meta",
            "api_key": "env:NOTHING",
            "app_secret": "env:NOTHING_EITHER",
            "senders": [{"name": "shop", "phone_number_id": "106540352242922"}],
        }
    )
    settings = Settings("sqlite://", {"meta": account})
    await given(engine)
    sent: dict[str, Any] = {"last_sent_at": datetime.now(UTC) - timedelta(minutes=20)}
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["meta/shop"])
        await connection.execute(update(lanes).where(lanes.c.name == "meta/shop").values(**sent))
        taken = {"state": JobState.ACCEPTED, "lane": "meta/shop", "accepted_at": sent["last_sent_at"]}
        await connection.execute(update(jobs).where(jobs.c.id == 8).values(**taken))
    assert "meta sends no webhooks" in card(await seen(engine, settings=settings), "Needs you")
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 8).values(state=JobState.DELIVERED))
    assert "meta sends no webhooks" not in await seen(engine, settings=settings)


async def test_the_list_names_the_cost_and_who_loaded_it_and_offers_a_clone(engine: Engine) -> None:
    await given(engine)
    async with writing(engine) as connection:
        for actor, outcome in (("ada", "done"), ("bob", "done"), ("eve", "refused")):
            now = datetime.now(UTC)
            act = await add_act(
                connection, now, (actor, "sender", "browser"), "campaign.load", "spring", {}, None
            )
            await add_outcome(connection, act, now, outcome, None, None)
    page = await seen(engine, "/campaigns")
    assert re.search(r'data-label="Loaded by">bob<', page), "the last who did"
    assert 'data-label="Cost so far">20.00 XOF</td>' in page
    assert 'href="/campaigns/new?clone=spring"' in page
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.VIEWER)
        assert "clone=" not in (await browser.get("/campaigns")).text

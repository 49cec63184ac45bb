"""The review step: from rows to messages, and a button that sends once, what was shown, by whom may send."""

from __future__ import annotations

import asyncio
import html
import pickle
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.drafts import drafts
from app.actions.drafts import sending as draft_sending
from app.actions.drafts.drafts import StaleDraft, create_draft, open_draft, save_section
from app.actions.drafts.sending import Sent, review_key, send_draft
from app.actions.loading import load_campaign
from app.views.drafts import review as draft_review
from app.views.drafts.review import Checked, Refused, _checked, review_draft
from app.wiring.rights import Role
from app.wiring.settings import Settings
from campaigns.approval import ApprovalLimits
from campaigns.errors import InvalidInput, Locked
from campaigns.money.costs import Money
from campaigns.states import CampaignState
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import reading
from storage.tables.audience import campaigns, recipients
from storage.tables.runs import jobs
from tests.support.accounts import KEYS, account_at
from tests.support.forms import fields_of
from tests.support.pages import Browser, log_in_as
from web.pages import site
from web.pages.review import routes

PAGE = "/campaigns/drafts/spring/review"
TEXT = """\
name = "spring"
provider = "ourvoice"
senders = ["one"]
[audience]
csv = "people.csv"
max_reject_percent = 80
[content]
text = "Hi {{ first_name }}"
"""
ROWS = "phone,first_name\n+447700900010,Ada\n+447700900011,Grace\nnobody,Bad\n+447700900012,\n+447700900010,Twice\n"
"""Two good rows of five."""


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    accounts = {name: account_at(name, tmp_path / f"{name}.key") for name in KEYS}
    accounts["ourvoice"] = account_at("ourvoice", tmp_path / "k", price="0.0425 EUR")
    return Settings(database_url, accounts, path=tmp_path / "drumbeat.toml")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, the page waits for the review."""
    monkeypatch.setattr(routes, "PATIENCE", 60.0)
    monkeypatch.setattr(site, "PATIENCE", 60.0)


@pytest.fixture
async def sender(engine: AsyncEngine, settings: Settings) -> AsyncIterator[Browser]:
    async with Browser(engine, settings) as browser:
        await log_in_as(browser, engine, Role.SENDER)
        yield browser


async def draft_with(settings: Settings, text: str = TEXT, rows: str = ROWS) -> None:
    draft = await create_draft(settings, "spring", text)
    (draft.folder / "people.csv").write_text(rows)


def plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


async def key_of(settings: Settings) -> str:
    return review_key(await open_draft(settings, "spring"))


async def stored(engine: AsyncEngine) -> tuple[int, int, int]:
    """Campaigns, recipients, jobs."""
    async with reading(engine) as connection:
        found = [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (campaigns, recipients, jobs)
        ]
    return found[0], found[1], found[2]


async def test_the_rows_become_messages_and_each_loss_is_named(sender: Browser, settings: Settings) -> None:
    await draft_with(settings)
    page = await sender.get(PAGE)
    text = plain(page.text)
    assert "Rows in the list 5" in text
    for loss in (
        "Phone not a number phone_not_a_number − 1",
        "Blank variable blank_variable − 1",
        "Duplicate duplicate − 1",
    ):
        assert loss in text
    assert re.search(r"People see the rejected rows 2", text)
    assert "Messages 2" in text
    assert "Send 2 messages now, at most €0.09" in text
    assert "By the price of the account in the settings." in text
    assert "Whether the people agreed to marketing is not asked for" in text


async def test_sending_loads_and_starts_it_once(
    sender: Browser, engine: AsyncEngine, settings: Settings
) -> None:
    await draft_with(settings)
    fields = {"key": fields_of((await sender.get(PAGE)).text)["key"]}
    answers = [await sender.post(PAGE, fields) for _ in range(3)]
    assert {(each.status_code, each.headers["location"]) for each in answers} == {(303, "/campaigns/spring")}
    async with reading(engine) as connection:
        assert (await require(connection, "spring")).state is CampaignState.SCHEDULED
    await launch_due(engine)
    assert await stored(engine) == (1, 2, 2)
    again = await sender.post(PAGE, fields)
    assert again.headers["location"] == "/campaigns/spring"
    assert await stored(engine) == (1, 2, 2)
    shown = plain((await sender.get(PAGE)).text)
    assert "is running. It is not sent a second time." in shown
    assert "Send 2 messages" not in shown


async def test_two_clicks_at_once_send_it_once(engine: AsyncEngine, settings: Settings) -> None:
    await draft_with(settings)
    key = await key_of(settings)
    both = await asyncio.gather(*(send_draft(engine, settings, "spring", key) for _ in range(3)))
    assert {each.campaign for each in both} == {"spring"}
    await launch_due(engine)
    assert await stored(engine) == (1, 2, 2)


async def test_what_was_changed_after_the_review_is_not_sent(
    sender: Browser, engine: AsyncEngine, settings: Settings
) -> None:
    await draft_with(settings)
    fields = {"key": fields_of((await sender.get(PAGE)).text)["key"]}
    await save_section(settings, "spring", {"content.text": "Otherwise"}, None)
    answer = await sender.post(PAGE, fields)
    assert answer.headers["location"] == PAGE
    assert await stored(engine) == (0, 0, 0)
    key = await key_of(settings)
    draft = await open_draft(settings, "spring")
    (draft.folder / "people.csv").write_text(f"{ROWS}+447700900013,Joan\n")
    with pytest.raises(StaleDraft):
        await send_draft(engine, settings, "spring", key)
    assert await stored(engine) == (0, 0, 0)


async def test_what_was_reviewed_cannot_be_changed_while_it_is_loaded(
    engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await draft_with(settings)
    key = await key_of(settings)
    reviewed = (await open_draft(settings, "spring")).text
    monkeypatch.setattr(drafts, "PATIENCE", 0.05)

    async def load_late(*given: Any, **options: Any) -> Any:
        with pytest.raises(Locked):
            await save_section(settings, "spring", {"content.text": "Otherwise"}, None)
        with pytest.raises(Locked):
            await send_draft(engine, settings, "spring", key)
        return await load_campaign(*given, **options)

    monkeypatch.setattr(draft_sending, "load_campaign", load_late)
    await send_draft(engine, settings, "spring", key)
    assert (await open_draft(settings, "spring")).text == reviewed
    await save_section(settings, "spring", {"content.text": "Otherwise"}, None)


async def test_it_can_be_loaded_without_being_started(
    sender: Browser, engine: AsyncEngine, settings: Settings
) -> None:
    await draft_with(settings)
    answer = await sender.post(PAGE, {"key": await key_of(settings), "load": "1"})
    assert answer.status_code == 303
    async with reading(engine) as connection:
        campaign = await require(connection, "spring")
    assert (campaign.state, campaign.start_at) == (CampaignState.DRAFT, None)
    text = plain((await sender.get(PAGE)).text)
    assert "It is loaded already, and has not started: its message, rules and list are replaced" in text
    await sender.post(PAGE, {"key": await key_of(settings)})
    async with reading(engine) as connection:
        assert (await require(connection, "spring")).state is CampaignState.SCHEDULED
    assert (await stored(engine))[1] == 2


def test_what_was_launched_at_once_is_not_said_to_wait_for_somebody() -> None:
    waits = "Nothing is sent before you start it."
    assert waits in routes._what_happened(Sent("spring", CampaignState.DRAFT, None, 15))
    assert waits not in routes._what_happened(Sent("spring", CampaignState.RUNNING, None, 15))


async def test_one_with_a_time_is_scheduled_and_never_only_loaded(
    sender: Browser, engine: AsyncEngine, settings: Settings
) -> None:
    await draft_with(settings, TEXT + '[schedule]\nat = "2096-12-24T09:00"\ntimezone = "Europe/Berlin"\n')
    text = plain((await sender.get(PAGE)).text)
    assert "Schedule 2 messages for 24 Dec 2096, 09:00 CET , at most €0.09" in text
    assert "send nothing yet" not in text
    with pytest.raises(InvalidInput, match="has a time"):
        await send_draft(engine, settings, "spring", await key_of(settings), start=False)
    await sender.post(PAGE, {"key": await key_of(settings)})
    async with reading(engine) as connection:
        campaign = await require(connection, "spring")
    assert campaign.state is CampaignState.SCHEDULED
    assert campaign.start_at is not None
    assert campaign.start_at.year == 2096


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (ApprovalLimits(recipients=1), "2 recipients, more than 1"),
        (ApprovalLimits(amount=Money(Decimal("0.05"), "EUR")), "it may cost 0.085 EUR"),
    ],
)
async def test_one_that_needs_an_approval_asks_for_it(
    engine: AsyncEngine, settings: Settings, limits: ApprovalLimits, why: str
) -> None:
    strict = replace(settings, approval=limits)
    await draft_with(strict)
    async with Browser(engine, strict) as browser:
        await log_in_as(browser, engine, Role.SENDER)
        text = plain((await browser.get(PAGE)).text)
        assert f"It needs an approval: {why}" in text
        assert "Ask for approval of 2 messages, at most €0.09" in text
        await browser.post(PAGE, {"key": await key_of(strict)})
        notice = (await browser.get(PAGE)).text
        assert "not started. It needs approval" in html.unescape(notice)
    async with reading(engine) as connection:
        assert (await require(connection, "spring")).state is CampaignState.DRAFT


async def test_without_the_right_to_send_there_is_no_button(engine: AsyncEngine, settings: Settings) -> None:
    await draft_with(settings)
    async with Browser(engine, settings) as browser:
        await log_in_as(browser, engine, Role.EDITOR)
        page = await browser.get(PAGE)
        assert "Somebody who may send" in page.text
        assert 'name="key"' not in page.text
        answer = await browser.post(PAGE, {"key": await key_of(settings)})
        assert answer.status_code == 403
    assert await stored(engine) == (0, 0, 0)


async def test_an_unfinished_draft_says_what_is_missing(sender: Browser, settings: Settings) -> None:
    await create_draft(settings, "spring", 'name = "spring"\n')
    text = plain((await sender.get(PAGE)).text)
    assert "List : Upload a list." in text
    assert "Message : Write the message." in text


async def test_a_list_with_too_many_bad_rows_is_refused_with_its_reasons(
    sender: Browser, settings: Settings
) -> None:
    await draft_with(settings, TEXT.replace("= 80", "= 10"))
    text = plain((await sender.get(PAGE)).text)
    assert "It cannot be sent like this" in text
    assert "Phone not a number phone_not_a_number − 1" in text


async def test_what_a_provider_cannot_send_is_refused(sender: Browser, settings: Settings) -> None:
    await draft_with(
        settings,
        TEXT.replace('text = "Hi', 'footer = "x"\nbuttons = [{ type = "reply", text = "Yes" }]\ntext = "Hi'),
    )
    page = await sender.get(PAGE)
    assert "ourvoice cannot send content.footer" in plain(page.text)
    assert "campaign.toml" not in page.text


async def test_a_list_that_was_used_before_is_recognized(
    sender: Browser, engine: AsyncEngine, settings: Settings
) -> None:
    await draft_with(settings)
    await sender.post(PAGE, {"key": await key_of(settings)})
    draft = await create_draft(settings, "summer", TEXT.replace("spring", "summer"))
    (draft.folder / "people.csv").write_text(ROWS)
    text = plain((await sender.get("/campaigns/drafts/summer/review")).text)
    assert "This list was used before: spring , scheduled, 5 rows" in text


async def test_a_long_list_is_reviewed_in_a_process_of_its_own(
    sqlite_engine: AsyncEngine, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = account_at("ourvoice", tmp_path / "key")
    settings = Settings(sqlite_url, {"ourvoice": account}, path=tmp_path / "drumbeat.toml")
    await draft_with(settings)
    draft = await open_draft(settings, "spring")
    found = await asyncio.to_thread(_checked, settings, draft, "key")
    assert isinstance(found, tuple)
    handed_over: Checked = pickle.loads(pickle.dumps(found))
    assert handed_over[0].loaded.report == found[0].loaded.report
    (draft.folder / "people.csv").write_text("phone,first_name\n\n")
    monkeypatch.setattr(draft_review, "SHORT", 0)
    refused = await review_draft(sqlite_engine, settings, draft)
    assert isinstance(refused, Refused)
    assert "no recipients" in refused.problem


async def test_a_review_that_takes_long_asks_again(
    sender: Browser, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PATIENCE", 0.0)
    await draft_with(settings)
    page = await sender.get(PAGE)
    assert "Counting" in page.text
    assert page.headers["refresh"] == "2"
    monkeypatch.setattr(routes, "PATIENCE", 60.0)
    assert "refresh" not in (await sender.get(PAGE)).headers


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
async def test_no_text_becomes_html(sender: Browser, settings: Settings, attack: str) -> None:
    quoted = attack.replace('"', '\\"')
    await draft_with(settings, TEXT.replace('text = "Hi', f'text = "{quoted} {{{{ nothing }}}} Hi'))
    page = await sender.get(PAGE)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img" not in page.text

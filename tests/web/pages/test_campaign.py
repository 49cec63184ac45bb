"""One campaign's pages: what they show, what they refuse, and what their buttons do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.wiring.rights import Role
from app.wiring.settings import Settings
from campaigns.approval import ApprovalLimits
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, JobState
from providers.ourvoice.settings import OurVoiceAccount
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading, writing
from storage.runs.control import move_campaign
from storage.sending.lanes import ensure_lanes, pause_lane
from storage.tables.audience import campaigns
from storage.tables.runs import attempts, jobs, runs
from tests.storage.views.test_reports import SPEC, given_campaign, given_jobs, taken
from tests.support.pages import Browser, log_in_as

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
NOW = datetime.now(UTC)
ACCOUNT = OurVoiceAccount.model_validate(
    {
        "adapter": "ourvoice",
        "api_key": "env:NOTHING",
        "senders": [{"name": "shop", "session_id": "a3f1b2c4-1234-4abc-9def-000011112222", "rate": "10/s"}],
    }
)
SETTINGS = Settings("sqlite://", {"ourvoice": ACCOUNT})
S = JobState
ROWS: tuple[dict[str, Any], ...] = (
    {"state": S.PENDING, "due_at": NOW - timedelta(hours=1)},
    {"state": S.PENDING, "held_by": "hours", "due_at": NOW + timedelta(hours=2)},
    {"state": S.PENDING, "held_by": "frequency_cap", "due_at": NOW + timedelta(hours=9)},
    {"state": S.SKIPPED, "reason": "opted_out"},
    {"state": S.FAILED, "reason": "provider_failed", "code": "131026", "attempts": 1},
    {"state": S.FAILED, "reason": "refused", "code": HOSTILE, "attempts": 1},
    {"state": S.IN_DOUBT, "reason": "no_trusted_answer", "code": "late", "attempts": 1},
    taken(S.SENT),
    taken(S.READ),
    {"state": S.FAILED, "reason": "retries_exhausted", "attempts": 8},
)
HERE = "/campaigns/spring"


async def given(engine: Engine, *, spec: dict[str, Any] | None = None) -> None:
    """A campaign that is sending, with something of everything and a stranger's text wherever there may be one."""
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=len(ROWS), bad=2)
        if spec:
            changed = CampaignSpec.model_validate({**SPEC.model_dump(exclude_none=True), **spec})
            await connection.execute(update(campaigns).values(spec=changed.to_json()))
            campaign = await require(connection, "spring")
        await given_jobs(connection, campaign, *ROWS)
        call = {"run_id": 1, "number": 1, "call": "c", "lane": "ourvoice/shop", "epoch": 1}
        at = datetime.now(UTC) - timedelta(seconds=30)
        await connection.execute(
            insert(attempts),
            [{**call, "job_id": job, "intent_at": at, "detail": HOSTILE} for job in (5, 6, 7, 8, 9)],
        )
        running = CampaignState.RUNNING
        await move_campaign(connection, "spring", [CampaignState.DRAFT], running, datetime.now(UTC))
        await ensure_lanes(connection, ["ourvoice/shop"])


def figures(page: str) -> list[int]:
    """The numbers of the bar's legend."""
    legend = re.search(r'<table class="legend">.*?</table>', page, re.S)
    assert legend
    return [int(number) for number in re.findall(r'<data value="(\d+)">', legend[0])]


async def test_the_page_shows_what_happens_and_adds_up(engine: Engine) -> None:
    await given(engine)
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.VIEWER)
        page = (await browser.get(HERE)).text
        live = (await browser.get(f"{HERE}/live")).text
    assert sum(figures(live)) == len(ROWS) + 2, "the bar sums to the rows"
    assert "Sending: 7 of 10 messages done" in page
    assert re.search(r"Updated <time[^>]*>\d\d:\d\d:\d\d", live)
    for rule in ("pacing", "hours", "frequency_cap"):
        assert f"{HERE}/people?state=pending&amp;rule={rule}" in live, rule
    assert f"{HERE}/people?state=failed&amp;code=131026" in live
    assert "of 2 a second allowed" in live, "the pause between two messages is the tightest limit"
    assert "Pause…" not in page, "a viewer may not"
    for text in (page, live):
        assert "<script>alert" not in text
        assert "<img src=x" not in text


async def test_a_pause_is_marked_and_a_paused_sender_is_named(engine: Engine) -> None:
    await given(engine)
    minute_ago = datetime.now(UTC) - timedelta(minutes=1)
    async with writing(engine) as connection:
        await move_campaign(
            connection, "spring", [CampaignState.RUNNING], CampaignState.PAUSED, minute_ago, reason=HOSTILE
        )
        await pause_lane(connection, "ourvoice/shop", HOSTILE, None)
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.SENDER)
        page = (await browser.get(HERE)).text
    assert "paused: &lt;script&gt;" in page
    assert "Sender ourvoice/shop is paused" in page
    assert "Resume…" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("act", ["pause", "resume", "cancel", "approve", "retry", "budget"])
async def test_each_act_asks_with_its_number_and_a_viewer_cannot_do_it(
    sqlite_engine: Engine, act: str
) -> None:
    engine = sqlite_engine
    await given(engine, spec={"budget": {"max": "5.00", "currency": "USD"}})
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.VIEWER, "victor")
        asked = await browser.get(f"{HERE}/{act}")
        assert asked.status_code == 200, asked.text
        assert "<button" not in asked.text
        assert (
            await browser.post(f"{HERE}/{act}", {"choice": "resend", "amount": "9", "variant": "a"})
        ).status_code == 403
        await log_in_as(browser, engine, Role.SENDER)
        asked = await browser.get(f"{HERE}/{act}")
        assert "<button" in asked.text
        assert re.search(r"<button[^>]*>[^<]*\d|Change the budget", asked.text), "the number is on the button"
        assert "<script>alert" not in asked.text


async def test_buttons_do_what_they_say(engine: Engine) -> None:
    await given(engine, spec={"budget": {"max": "5.00", "currency": "USD"}})
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.SENDER)
        assert "Sending:" in (await browser.get(HERE)).text
        paused = await browser.post(f"{HERE}/pause", {"reason": "lunch"})
        assert (paused.status_code, paused.headers["location"]) == (303, HERE)
        shown = (await browser.get(HERE)).text
        assert "Paused (lunch)" in shown, "not what was cached before"
        live = (await browser.get(f"{HERE}/live")).text
        assert f'href="{HERE}/resume">Resume…' in live[: live.index("</template>")], (
            "the head's buttons follow"
        )
        again = await browser.post(f"{HERE}/pause", {"reason": "x" * 3000})
        assert again.status_code == 422
        assert "drumbeat campaign" not in again.text, "what to do in the browser is no command"
        assert f"reason: {'x' * 157}...</small>" in (await browser.get("/audit")).text
        assert (await browser.post(f"{HERE}/resume")).status_code == 303
        assert (await browser.post(f"{HERE}/doubts/resolve", {"action": "maybe"})).status_code == 422
        assert (await browser.post(f"{HERE}/doubts/resolve", {"action": "give-up"})).status_code == 303
        wrong = await browser.post(f"{HERE}/budget", {"amount": "much", "per": "run"})
        assert wrong.status_code == 422
        assert (await browser.post(f"{HERE}/budget", {"amount": "9", "per": "run"})).status_code == 303
        assert (await browser.post(f"{HERE}/retry")).status_code == 303
        assert (await browser.post(f"{HERE}/cancel")).status_code == 303
        gone = await browser.get(HERE)
        assert "Cancelled:" in gone.text
        assert "Pause…" not in gone.text
    async with reading(engine) as connection:
        states = set(await connection.scalars(select(jobs.c.state).where(jobs.c.id.in_([1, 2, 3, 7]))))
        kinds = list(await connection.scalars(select(runs.c.kind).order_by(runs.c.id)))
    assert states == {"cancelled"}
    assert kinds == ["scheduled", "retry"]


async def test_an_approval_is_asked_for_and_given(engine: Engine) -> None:
    async with writing(engine) as connection:
        await given_campaign(connection, people=3)
    settings = replace(SETTINGS, approval=ApprovalLimits(recipients=2))
    async with Browser(engine, settings) as browser:
        await log_in_as(browser, engine, Role.SENDER)
        assert "It needs approval" in (await browser.get(HERE)).text
        assert "Approve sending to 3 recipients" in (await browser.get(f"{HERE}/approve")).text
        assert (await browser.post(f"{HERE}/approve")).status_code == 303
        assert "It needs approval" not in (await browser.get(HERE)).text


async def test_the_report_is_a_page_and_files_with_the_same_numbers(engine: Engine) -> None:
    await given(engine)
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.VIEWER)
        page = (await browser.get(f"{HERE}/report")).text
        found = {ending: await browser.get(f"{HERE}/report.{ending}") for ending in ("html", "csv", "xlsx")}
        told = json.loads((await browser.get(f"{HERE}/report.json")).text)
        assert (await browser.get(f"{HERE}/report.pdf")).status_code == 404
    assert told["delivery"]["rows"] == len(ROWS) + 2
    for text in (page, found["html"].text):
        assert '<data value="12">12</data>' in text
        assert "<script>alert" not in text
    assert all("attachment" in answer.headers["content-disposition"] for answer in found.values())
    assert found["xlsx"].content[:2] == b"PK"
    assert '"funnel","rows","","12"' in found["csv"].text


async def test_an_unknown_campaign_or_act_is_a_sentence(engine: Engine) -> None:
    await given(engine)
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.SENDER)
        for address in ("/campaigns/sprig", f"{HERE}/explode", "/campaigns/sprig/pause", "/campaigns/x/live"):
            assert (await browser.get(address)).status_code == 404, address
        assert (await browser.get(f"{HERE}/variants")).status_code == 422, "it has none"
        assert (await browser.post(f"{HERE}/explode")).status_code == 404

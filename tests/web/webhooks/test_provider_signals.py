"""What webhooks tell that concerns more than one message: failures that stop a run or a number, stopped templates,
people who want no more, and people who write and so wake what waited for them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from campaigns.message.provider_templates import ProviderTemplate, TemplateParts
from campaigns.money.costs import Money
from campaigns.money.prices import Prices
from campaigns.phones.user_ids import name_of
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, JobState, RunState
from providers.events import Billed, Event, Inbound, Preference, Report
from scheduler.clock.launch import launch_due
from scheduler.receipts.webhook_events import EventSorter
from scheduler.sending.breaker import ADVICE
from scheduler.sending.lane_health import with_advice
from storage.audience.templates import find_list, find_templates, store_templates
from storage.database.engine import Engine, reading, writing
from storage.receipts.user_ids import learn_numbers
from storage.runs.control import move_campaign, move_runs
from storage.sending.lanes import pause_lane, sender_recovered
from storage.sending.optouts import add_preferences, optout_scopes
from storage.tables.audience import campaigns
from storage.tables.contacts import inbound, optouts
from storage.tables.lanes import lanes
from storage.tables.runs import jobs, runs
from tests.support.accounts import TEMPLATE
from tests.support.campaigns import job_rows, later, phone, spec, store_campaign
from tests.support.sent import answered, sending
from tests.web.conftest import Hooks
from tests.web.signing import signing_account

LANE = "hooked/shop"


async def column(hooks: Hooks, wanted: Any) -> list[Any]:
    async with reading(hooks.engine) as connection:
        return list(await connection.scalars(select(wanted).order_by(wanted.table.c.id)))


async def fail(hooks: Hooks, code: str) -> None:
    await sending(hooks.engine, 2)
    await answered(hooks.engine, [1, 2])
    await hooks.tell({"id": "m1", "status": "failed", "at": 5, "code": code, "reason": "It says why."})
    await hooks.process()


async def test_a_failure_that_concerns_the_account_pauses_the_campaign(hooks: Hooks) -> None:
    await fail(hooks, "gone")
    assert await column(hooks, runs.c.state) == [RunState.PAUSED]
    assert await column(hooks, campaigns.c.reason) == [with_advice("gone: It says why.")]


async def test_so_does_one_that_came_before_the_answer(hooks: Hooks) -> None:
    token = await sending(hooks.engine, 1)
    early = {"id": "m1", "status": "failed", "at": 5, "code": "gone", "reason": "It says why.", "ref": token}
    await hooks.tell(early)
    await hooks.process()
    await answered(hooks.engine, [1])
    assert [row.state for row in await job_rows(hooks.engine)] == ["accepted"]
    await hooks.process()
    assert [row.state for row in await job_rows(hooks.engine)] == ["failed"]
    assert await column(hooks, campaigns.c.reason) == [with_advice("gone: It says why.")]


async def test_a_repeated_notice_after_a_person_resumed_it_pauses_nothing(hooks: Hooks) -> None:
    await fail(hooks, "gone")
    async with writing(hooks.engine) as connection:
        await move_runs(connection, "spring", [RunState.PAUSED], RunState.RUNNING)
        paused = [CampaignState.PAUSED]
        await move_campaign(connection, "spring", paused, CampaignState.RUNNING, later(2_000))
    await hooks.tell({"id": "m1", "status": "failed", "at": 5, "code": "gone", "reason": "It says why."})
    await hooks.process(3_000)
    assert await column(hooks, runs.c.state) == [RunState.RUNNING]


@pytest.mark.parametrize("way", ["at once", "before the answers", "in a large webhook"])
async def test_failures_that_are_reported_long_after_trip_the_breaker(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The run has gone on meanwhile: none of them is among its newest hundred messages."""
    if way == "in a large webhook":
        monkeypatch.setattr("scheduler.receipts.inbox.LARGE", 100)
    await sending(hooks.engine, 140)
    if way != "before the answers":
        await answered(hooks.engine, range(1, 141))
    await hooks.tell(*({"id": f"m{number}", "status": "failed", "at": 5} for number in range(1, 26)))
    await hooks.process()
    if way == "before the answers":
        await answered(hooks.engine, range(1, 141))
        await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.RUNNING]
    await hooks.tell({"id": "m26", "status": "failed", "at": 5, "code": "131026", "reason": "Not there."})
    await hooks.process(2_000)
    assert await column(hooks, runs.c.reason) == [
        f"breaker: 26 of 100 messages in a row failed, most with failed{ADVICE}"
    ]


async def test_a_failure_that_concerns_the_number_pauses_its_lane(hooks: Hooks) -> None:
    async with writing(hooks.engine) as connection:
        await connection.execute(lanes.insert().values(name=LANE))
    await fail(hooks, "banned")
    async with reading(hooks.engine) as connection:
        reason = await connection.scalar(select(lanes.c.paused_reason).where(lanes.c.name == LANE))
    assert reason == with_advice("banned: It says why.")
    assert await column(hooks, runs.c.state) == [RunState.RUNNING]


async def test_who_left_and_is_listed_by_user_id_is_opted_out_by_number_too(hooks: Hooks) -> None:
    await sending(hooks.engine, 1)
    async with writing(hooks.engine) as connection:
        await learn_numbers(connection, "hooked", {"GB.Ada": phone(5)}, later(1))
        await connection.execute(update(jobs).values(phone=name_of("hooked", "GB.Ada")))
    await answered(hooks.engine, [1])
    await hooks.tell({"id": "m1", "status": "failed", "at": 5, "code": "left", "reason": "It says why."})
    await hooks.process()
    async with reading(hooks.engine) as connection:
        assert await optout_scopes(connection, [phone(5)]) == {phone(5): {"marketing"}}


async def test_who_has_left_at_the_provider_is_opted_out(hooks: Hooks) -> None:
    await fail(hooks, "left")
    async with reading(hooks.engine) as connection:
        kept = (await connection.execute(select(optouts.c.phone, optouts.c.scope, optouts.c.action))).all()
    assert kept == [(phone(0), "marketing", "out")]


async def test_an_unknown_code_stops_nothing(hooks: Hooks) -> None:
    await fail(hooks, "131026")
    assert await column(hooks, runs.c.state) == [RunState.RUNNING]
    assert await column(hooks, optouts.c.id) == []


def templated() -> CampaignSpec:
    return spec("with-template", provider="hooked", content={"template": TEMPLATE})


async def test_a_stopped_template_pauses_what_sends_it_until_it_is_back(hooks: Hooks) -> None:
    await store_campaign(hooks.engine, templated(), 2)
    await store_campaign(hooks.engine, spec("other", provider="hooked"), 2)
    await launch_due(hooks.engine, now=lambda: later(1))
    news = {"notice": "event: PAUSED", "subject": TEMPLATE["name"], "at": 5, "effect": "template_stopped"}
    await hooks.tell(news)
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.PAUSED, RunState.RUNNING]
    await hooks.tell({**news, "notice": "event: APPROVED", "at": 6, "effect": "template_back"})
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.RUNNING, RunState.RUNNING]
    assert await column(hooks, campaigns.c.state) == [CampaignState.RUNNING, CampaignState.RUNNING]
    await hooks.tell(news)  # an old webhook, repeated
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.RUNNING, RunState.RUNNING]


async def test_what_a_person_paused_stays_so_when_the_template_is_back(hooks: Hooks) -> None:
    await store_campaign(hooks.engine, templated(), 2)
    await launch_due(hooks.engine, now=lambda: later(1))
    async with writing(hooks.engine) as connection:
        await move_runs(connection, "with-template", [RunState.RUNNING], RunState.PAUSED, reason="by hand")
    await hooks.tell({"notice": "back", "subject": TEMPLATE["name"], "effect": "template_back"})
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.PAUSED]


@pytest.mark.parametrize(("language", "stops"), [("en", True), ("EN", True), ("en-US", False), (None, True)])
async def test_a_template_is_stopped_in_the_reported_language(
    hooks: Hooks, language: str | None, stops: bool
) -> None:
    await store_campaign(hooks.engine, templated(), 2)
    await launch_due(hooks.engine, now=lambda: later(1))
    news = {"notice": "event: PAUSED", "subject": TEMPLATE["name"], "at": 5, "language": language}
    await hooks.tell({**news, "effect": "template_stopped"})
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.PAUSED if stops else RunState.RUNNING]
    await hooks.tell(
        {**news, "language": "fr", "notice": "event: APPROVED", "at": 6, "effect": "template_back"}
    )
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.PAUSED if stops else RunState.RUNNING]
    await hooks.tell({**news, "notice": "event: APPROVED", "at": 7, "effect": "template_back"})
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.RUNNING]


async def test_one_language_with_a_hyphen_is_the_one_with_an_underscore(hooks: Hooks) -> None:
    american = spec("american", provider="hooked", content={"template": {**TEMPLATE, "language": "en_US"}})
    await store_campaign(hooks.engine, american, 2)
    await launch_due(hooks.engine, now=lambda: later(1))
    news = {"notice": "event: PAUSED", "subject": TEMPLATE["name"], "at": 5, "language": "en-US"}
    await hooks.tell({**news, "effect": "template_stopped"})
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.PAUSED]


CHANGE = {
    "notice": "now MARKETING",
    "subject": TEMPLATE["name"],
    "language": "en",
    "effect": "category_changed",
}


async def test_a_run_of_another_category_than_the_template_now_has_pauses_with_the_reason(
    hooks: Hooks,
) -> None:
    for name, category in (("utility", "utility"), ("marketing", "marketing"), ("auto", "auto")):
        content = {"template": {**TEMPLATE, "language": "en"}}
        await store_campaign(
            hooks.engine, spec(name, provider="hooked", category=category, content=content), 1
        )
    await launch_due(hooks.engine, now=lambda: later(1))
    await hooks.tell({**CHANGE, "value": "marketing", "at": 5})
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.PAUSED, RunState.RUNNING, RunState.RUNNING]
    [reason, *_] = await column(hooks, runs.c.reason)
    assert reason.startswith(f"category_changed: {TEMPLATE['name']} en (it is marketing now")
    assert 'category = "marketing"' in reason
    await hooks.tell({**CHANGE, "value": "utility", "at": 6})
    await hooks.process()
    assert await column(hooks, runs.c.state) == [RunState.RUNNING, RunState.PAUSED, RunState.RUNNING]


async def test_the_stored_template_has_the_category_that_an_event_shows(hooks: Hooks) -> None:
    listed = [
        ProviderTemplate("sale", language, "APPROVED", "utility", TemplateParts())
        for language in ("en_US", "fr")
    ]
    async with writing(hooks.engine) as connection:
        await store_templates(connection, "hooked", listed, later(0))
    change = {**CHANGE, "subject": "sale", "language": "en-US", "value": "marketing", "at": 5}
    await hooks.tell(change)
    await hooks.process()
    async with reading(hooks.engine) as connection:
        found = await find_templates(connection, "hooked")
        assert (await find_list(connection, "hooked")).expired_at is not None
    assert [(each.language, each.category, each.previous_category) for each in found] == [
        ("en_US", "marketing", "utility"),
        ("fr", "utility", None),
    ]


async def lane_reasons(hooks: Hooks) -> list[str | None]:
    async with reading(hooks.engine) as connection:
        return list(await connection.scalars(select(lanes.c.paused_reason)))


async def test_a_reinstated_account_goes_on_and_what_else_was_paused_stays_so(hooks: Hooks) -> None:
    async with writing(hooks.engine) as connection:
        await connection.execute(lanes.insert().values(name=LANE))
    news = {"subject": "DISABLED_UPDATE", "notice": "ban_info: DISABLE", "at": 5, "effect": "account_stopped"}
    await hooks.tell(news)
    await hooks.process()
    [reason] = await lane_reasons(hooks)
    assert reason is not None
    assert "DISABLED_UPDATE (ban_info: DISABLE)" in reason
    async with writing(hooks.engine) as connection:
        await sender_recovered(connection, LANE)  # its number looks well to the provider
    assert await lane_reasons(hooks) == [reason]
    back = {**news, "notice": "ban_info: REINSTATE", "at": 6, "effect": "account_back"}
    await hooks.tell(back)
    await hooks.process()
    assert await lane_reasons(hooks) == [None]
    async with writing(hooks.engine) as connection:
        await pause_lane(connection, LANE, "refused again and again", None, stays=True)
    await hooks.tell({**back, "at": 7})
    await hooks.process()
    assert await lane_reasons(hooks) == ["refused again and again"]


async def test_an_event_ends_only_what_it_is_the_end_of(hooks: Hooks) -> None:
    async with writing(hooks.engine) as connection:
        await connection.execute(lanes.insert().values(name=LANE))
    stop = {"subject": "DISABLED_UPDATE", "notice": "DISABLE", "at": 5, "effect": "account_stopped"}
    await hooks.tell(stop)
    added = {"subject": "PARTNER_ADDED", "notice": "", "at": 6, "effect": "account_back"}
    await hooks.tell({**added, "undoes": "PARTNER_REMOVED"})
    await hooks.process()
    assert await lane_reasons(hooks) == ["account_stopped: DISABLED_UPDATE (DISABLE)"]
    await hooks.tell({**added, "at": 7, "undoes": "DISABLED_UPDATE"})
    await hooks.process()
    assert await lane_reasons(hooks) == [None]


@pytest.mark.parametrize(
    ("effect", "states"),
    [
        ("templates_restricted", [RunState.PAUSED, RunState.RUNNING]),
        ("free_form_restricted", [RunState.RUNNING, RunState.PAUSED]),
    ],
)
async def test_a_restriction_pauses_the_runs_that_it_is_about(
    hooks: Hooks, effect: str, states: list[RunState]
) -> None:
    await store_campaign(hooks.engine, templated(), 2)
    await store_campaign(hooks.engine, spec("text", provider="hooked"), 2)
    await launch_due(hooks.engine, now=lambda: later(1))
    await hooks.tell({"notice": "until 2026-01-02", "subject": "ACCOUNT_RESTRICTION", "effect": effect})
    await hooks.process()
    assert await column(hooks, runs.c.state) == states
    assert [
        reason for reason in await column(hooks, runs.c.reason) if reason and "until 2026-01-02" in reason
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("STOP", [("marketing", "out")]),
        ("Stop!", [("marketing", "out")]),
        ("please stop by at noon", []),
        ("start", [("all", "in"), ("marketing", "in")]),
    ],
)
async def test_a_preference_at_the_provider_is_stored_with_its_evidence(
    hooks: Hooks, text: str, words: list[tuple[str, str]]
) -> None:
    for _ in range(2):
        await hooks.tell({"from": phone(1), "at": 5, "id": "in1", "text": text})
        await hooks.process()
    async with reading(hooks.engine) as connection:
        kept = select(optouts.c.scope, optouts.c.action).order_by(optouts.c.scope)
        assert (await connection.execute(kept)).all() == words
        assert (await connection.execute(select(inbound.c.phone, inbound.c.text))).all() == [(phone(1), text)]


@pytest.mark.parametrize("held_by", ["window", "window_unknown"])
async def test_who_writes_wakes_what_waited_for_it(hooks: Hooks, held_by: str) -> None:
    await store_campaign(hooks.engine, spec(provider="hooked"), 2)
    await launch_due(hooks.engine, now=lambda: later(1))
    async with writing(hooks.engine) as connection:
        await connection.execute(update(jobs).values(held_by=held_by, due_at=later(9_999_999)))
    await hooks.tell({"from": phone(1), "at": 5, "id": "in1"})
    await hooks.process(1_000)
    assert [row.due_at for row in await job_rows(hooks.engine)] == [later(9_999_999), later(1_000)]


START, STOP = Inbound(phone(1), later(305), text="START"), Inbound(phone(1), later(400), text="STOP")
ALLOWED = Preference(phone(1), "in", "marketing", later(305), "allowed")


@pytest.mark.parametrize(
    "arrivals",
    [
        [(ALLOWED, 5), (STOP, 100)],
        [(START, 5), (STOP, 100), (START, 103)],
        [(STOP, 100), (replace(START, at=later(9_999_999)), 103)],
        [(replace(START, at=later(9_999_999)), 5), (STOP, 100)],
    ],
    ids=["allowed then STOP", "START is sent again", "START of another year", "STOP after that"],
)
async def test_the_last_preference_holds_though_the_providers_clock_is_ahead(
    sqlite_engine: Engine, arrivals: list[tuple[Event, float]]
) -> None:
    """Five minutes ahead: what it names is later than when it arrives here."""
    sorter = EventSorter(signing_account(), Prices([]))
    for event, received in arrivals:
        parsed = sorter.sort([event], later(received))
        async with writing(sqlite_engine) as connection:
            await add_preferences(connection, "webhook:hooked", parsed.preferences)
    async with reading(sqlite_engine) as connection:
        assert "marketing" in (await optout_scopes(connection, [phone(1)]))[phone(1)]


def test_a_billed_message_costs_what_its_category_costs_now() -> None:
    """Meta names what it charges for and not how much; what it does not bill costs nothing."""
    listener = EventSorter(signing_account(), Prices([], Money(Decimal("0.05"), "USD")))
    free = Money(Decimal(0), "XXX")
    reports = [
        Report("m1", "sent", JobState.SENT, later(5), billed=Billed("marketing", phone(1))),
        Report("m2", "sent", JobState.SENT, later(5), cost=free, billed=Billed("service", phone(1))),
        Report("m3", "sent", JobState.SENT, later(5)),
    ]
    costs = [report.cost for report in listener.sort(reports, later(6)).reports]
    assert costs == [Money(Decimal("0.05"), "USD"), free, None]

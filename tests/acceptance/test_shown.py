"""What people are shown of a campaign, against what the engine does: in turn asked, run, and compared."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.views.campaigns.campaign_list import list_campaigns
from app.views.campaigns.live_campaign import live_campaign
from app.views.campaigns.overview import campaign_overview
from app.views.campaigns.status import status
from app.views.campaigns.today import today
from app.views.campaigns.upcoming_runs import upcoming_runs
from app.views.operators.costs import costs
from app.views.people.people import Asked as AskedPeople
from app.views.people.people import people_page
from app.views.people.person_story import Story, person_story
from app.views.reports.comparison import compare_campaigns
from app.views.reports.reports import delivery_report
from app.views.reports.summary import read_summary
from app.wiring.settings import Settings
from campaigns.message.provider_templates import ProviderTemplate, TemplateParts
from campaigns.money.costs import Money
from campaigns.money.prices import RateCard
from campaigns.time.period import Period
from emulators.settings import Settings as EmulatorSettings
from scheduler.actions.budget import change_budget
from scheduler.actions.control import cancel, pause, resume
from scheduler.actions.retrying import retry_failed
from scheduler.clock.launch import launch_due
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from storage.audience.campaigns import require
from storage.audience.rates import store_card
from storage.audience.templates import store_templates
from storage.database.engine import Engine, reading, writing
from storage.runs.runs import complete_runs
from storage.sending.lanes import pause_lane
from storage.sending.windows import Opening, extend_windows, open_window
from storage.tables.audience import campaigns, recipients
from storage.tables.money import budgets, learnt_prices
from storage.tables.runs import jobs, runs
from tests.acceptance.conftest import InMemory
from tests.acceptance.test_why import ALLOW, MORNING, NIGHT, Desk
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import phone
from tests.support.campaigns import spec as spec_of

LOCAL = {"recipient_local_time": True, "timezone": "UTC"}
WAITS_FOR_REPLY = {"text": "Hi", "closed_window": "wait"}


@pytest.fixture
async def desk(engine: Engine, tmp_path: Path) -> Desk:
    return Desk(engine, account_at("meta", tmp_path / "key", pair_gap="0s"), InMemory(EmulatorSettings()))


@pytest.fixture
async def sqlite_desk(sqlite_engine: Engine, tmp_path: Path) -> Desk:
    """For what does not depend on the database."""
    account = account_at("meta", tmp_path / "key", pair_gap="0s")
    return Desk(sqlite_engine, account, InMemory(EmulatorSettings()))


async def foresee(desk: Desk) -> Estimate:
    async with reading(desk.engine) as connection:
        campaign = await require(connection, "spring")
        return await estimate(connection, campaign, desk.accounts["meta"], now=lambda: desk.now)


async def verdict(desk: Desk, run_id: int | None = None) -> str:
    settings = Settings("", desk.accounts)
    async with reading(desk.engine) as connection:
        return (await read_summary(connection, settings, "spring", desk.now, run_id)).verdict


async def run_id_of(desk: Desk) -> int:
    async with reading(desk.engine) as connection:
        return int(await connection.scalar(select(runs.c.id)) or 0)


async def test_who_waits_for_a_reply_is_no_loss_while_the_run_lasts(desk: Desk) -> None:
    """Their stored time is the last at which they may go: the run's end."""
    await desk.store(content=WAITS_FOR_REPLY, schedule={"expires_after": "3d"})
    before = await foresee(desk)
    await desk.send()
    during = await foresee(desk)
    assert (before.waits, before.skips) == ({"window": 3}, {})
    assert (during.waits, during.skips) == ({"window": 3}, {})


async def test_an_estimate_names_the_rule_that_holds_a_run_that_has_begun(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    await desk.store(**ALLOW)
    before = await foresee(desk)
    await desk.send()
    during = await foresee(desk)
    assert (before.held, during.held) == ({"hours": 3}, {"hours": 3})
    assert before.binding
    assert during.binding
    assert before.binding.name == during.binding.name == "held_by_hours"
    assert during.ends_at == before.ends_at == MORNING


async def test_a_run_that_is_being_sent_is_not_finished(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    await desk.store()
    await launch_due(desk.engine, now=lambda: desk.now)
    run_id = await run_id_of(desk)
    assert await verdict(desk, run_id) == await verdict(desk)
    async with writing(desk.engine) as connection:
        one = update(jobs).where(jobs.c.phone == phone(0))
        await connection.execute(one.values(state="sent", provider_message_id="wamid.1"))
    shown = await verdict(desk, run_id)
    assert shown == "Sending: 1 of 3 messages done (33.3%), 0 delivered, 2 to go."


async def test_messages_without_a_price_are_not_free(sqlite_desk: Desk) -> None:
    """A comparison shows how many there are, and no cost for each delivered one."""
    desk = sqlite_desk
    for name in ("spring", "summer"):
        await desk.store(name)
    await desk.send()
    async with writing(desk.engine) as connection:
        await connection.execute(update(jobs).values(state="delivered"))
    async with reading(desk.engine) as connection:
        report = await compare_campaigns(connection, ["spring", "summer"])
    [cost] = report.json["campaigns"][0]["costs"]
    assert (cost["unpriced"], cost["per_delivered"]) == (3, None)
    assert ["unpriced (currency unknown)", 3, 3] in [list(row) for row in report.csv.rows]


async def expected(desk: Desk, number: int = 0) -> tuple[str, str | None, Any]:
    """What `why` expects: the end, its reason, and the time of sending."""
    shown = await desk.why(number)
    foreseen = shown["expected"]
    return foreseen["decision"], foreseen.get("reason"), shown["estimated_send_at"]


async def test_whose_time_of_day_has_passed_is_skipped_at_the_launch_and_why_knows(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    desk.now = MORNING + timedelta(hours=3)
    await desk.store(schedule=LOCAL, start_at=MORNING)
    assert await expected(desk) == ("skipped", "too_late", None)
    await desk.send()
    assert ((await desk.why())["state"], (await desk.why())["reason"]) == ("skipped", "too_late")


async def test_in_own_time_a_message_expires_after_the_last_of_the_list_not_of_the_earth(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk
    later = {"allow": "12:00-18:00"}
    await desk.store(schedule={**LOCAL, "expires_after": "1h"}, start_at=MORNING, hours=later)
    assert (await expected(desk))[0] == "expired"
    for desk.now in (MORNING, MORNING + timedelta(hours=3)):
        await desk.send()
    assert (await desk.why())["state"] == "expired"


async def test_in_own_time_a_late_launch_moves_nobody(sqlite_desk: Desk) -> None:
    """The run's time of day is that of the plan, not of when somebody asks."""
    desk = sqlite_desk
    desk.now = MORNING + timedelta(minutes=30)
    await desk.store(schedule={**LOCAL, "timezone": "Europe/Paris"}, start_at=MORNING - timedelta(hours=1))
    assert (await expected(desk))[2] == desk.now  # 09:00 in London was 30 minutes ago
    await desk.send()
    assert (await desk.why())["state"] == "accepted"


async def test_a_run_that_is_missed_is_not_estimated(sqlite_desk: Desk) -> None:
    """No runner was there for two hours; a run may start one hour late."""
    desk = sqlite_desk
    await desk.store(schedule={"every": "1d", "starts_at": NIGHT, "max_runs": 3})
    desk.now = NIGHT + timedelta(hours=2)
    tomorrow = NIGHT + timedelta(days=1)
    assert ((await expected(desk))[2], (await foresee(desk)).at) == (tomorrow, tomorrow)
    assert await shown_next(desk) == [tomorrow] * 4
    await desk.send()
    assert (await desk.why())["estimated_send_at"] == tomorrow


async def shown_next(desk: Desk) -> list[datetime | None]:
    """When the next run is, in the words of each view."""
    settings = Settings("", desk.accounts)
    async with reading(desk.engine) as connection:
        shown = await campaign_overview(connection, settings, "spring", desk.now)
        [line] = (await status(connection, settings, desk.now)).campaigns
        [coming, *_] = (await upcoming_runs(connection, "spring", 2, now=lambda: desk.now)).runs
    return [shown.next_run, line.json["next_run"], coming, (await desk.why())["next_run"]]


async def test_a_run_that_waits_in_the_queue_is_the_next(sqlite_desk: Desk) -> None:
    """Since the run before it is still sending, it is not missed however late it is."""
    desk = sqlite_desk
    await desk.store(schedule={"every": "1d", "starts_at": NIGHT, "overlap": "queue"}, **ALLOW)
    await desk.send()
    tomorrow = NIGHT + timedelta(days=1)
    desk.now = tomorrow + timedelta(hours=2)
    assert await shown_next(desk) == [tomorrow] * 4


async def test_a_campaign_whose_runs_were_all_missed_explains_everybody(desk: Desk) -> None:
    await desk.store(schedule={"every": "1d", "starts_at": NIGHT, "ends_at": NIGHT + timedelta(hours=3)})
    desk.now = NIGHT + timedelta(hours=4)
    await desk.send()
    why = await desk.why()
    assert (why["state"], why["reason"], why["held_by"]) == ("expired", "no_run", None)
    assert why["meaning"].startswith("The campaign is over, and no run of it was for this person")
    async with reading(desk.engine) as connection:
        summary = await read_summary(connection, Settings("", desk.accounts), "spring", desk.now)
        people = await people_page(connection, "spring", AskedPeople(code="no_run"), desk.now)
    assert summary.verdict == "Finished: 0 of 3 rows delivered (0.0%), 3 expired."
    assert summary.delivery.states == {"expired": 3}
    [reason] = summary.reasons
    assert (reason.code, reason.count, reason.act, reason.means) == ("no_run", 3, None, why["meaning"])
    assert [(one["state"], one["reason"]) for one in summary.people or ()] == [("expired", "no_run")] * 3
    assert [(one.row.state, one.meaning) for one in people.people] == [("expired", why["meaning"])] * 3


async def test_who_is_new_in_the_list_of_a_campaign_under_way_waits_for_its_next_run(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk
    await desk.store(schedule={"every": "1d", "starts_at": NIGHT, "max_runs": 2})
    await desk.send()
    async with writing(desk.engine) as connection:
        row = (await connection.execute(select(recipients).limit(1))).mappings().one()
        new = {**row, "id": row["id"] + 1000, "phone": phone(50), "line": 60}
        await connection.execute(insert(recipients).values(**new))
    tomorrow, new_why = NIGHT + timedelta(days=1), await desk.why(50)
    assert (new_why["held_by"], new_why["held_until"]) == ("campaign_scheduled", tomorrow)
    assert new_why["estimated_send_at"] == tomorrow
    desk.now = tomorrow
    await desk.send()
    assert (await desk.why(50))["state"] == "accepted"


async def test_who_is_in_the_list_no_more_has_no_next_run(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    await desk.store(schedule={"every": "1d", "starts_at": NIGHT, "max_runs": 2})
    await desk.send()
    assert (await desk.why())["next_run"] == NIGHT + timedelta(days=1)
    async with writing(desk.engine) as connection:
        gone = update(recipients).where(recipients.c.phone == phone(0))
        await connection.execute(gone.values(edition=99))
    assert (await desk.why())["next_run"] is None


async def test_the_list_of_people_names_the_sender_that_is_paused(desk: Desk) -> None:
    await desk.store()
    await launch_due(desk.engine, now=lambda: desk.now)
    for until in (desk.now + timedelta(hours=1), None):
        async with writing(desk.engine) as connection:
            await pause_lane(connection, "meta/one", "the number is banned", until)
        async with reading(desk.engine) as connection:
            page = await people_page(connection, "spring", AskedPeople(), desk.now)
            of_rule = await people_page(connection, "spring", AskedPeople(rule="lane_paused"), desk.now)
            [hold] = (await live_campaign(connection, Settings("", desk.accounts), "spring", desk.now)).holds
        why = await desk.why()
        assert {(one.meaning, one.until) for one in page.people} == {(why["meaning"], why["held_until"])}
        assert (hold.rule, hold.messages) == ("lane_paused", of_rule.count) == ("lane_paused", 3)


async def story(desk: Desk, number: int) -> Story:
    settings = Settings("", desk.accounts)
    async with reading(desk.engine) as connection:
        return await person_story(connection, settings, "spring", phone(number), now=lambda: desk.now)


async def test_the_message_as_it_would_be_is_the_one_that_goes(sqlite_desk: Desk) -> None:
    """In the form and the variant: one has an open window, and each variant is somebody's."""
    desk = sqlite_desk
    variants = [
        {"name": name, "share": 50, "content": {"text": f"{name} for you", "template": TEMPLATE}}
        for name in ("a", "b")
    ]
    await desk.store(size=6, variants=variants)
    async with writing(desk.engine) as connection:
        until = NIGHT + timedelta(days=1)
        await open_window(connection, phone(0), "meta/one", until, "inbound", NIGHT)
        await open_window(connection, phone(1), "meta/one", until, "inbound", NIGHT)
    before = [await story(desk, number) for number in range(6)]
    await launch_due(desk.engine, now=lambda: desk.now)
    launched = [await story(desk, number) for number in range(6)]
    await desk.send()
    after = [await story(desk, number) for number in range(6)]
    sent = [(one.content.type, one.content.text) for one in after if one.content]
    assert {type for type, _ in sent} == {"template"}  # the emulator knows of no window and refuses the text
    foreseen = [
        [(one.content.type, one.content.text) for one in shown if one.content] for shown in (before, launched)
    ]
    assert foreseen[0] == foreseen[1]
    split = spec_of(variants=variants).split
    assert split is not None
    assert foreseen[0][:2] == [("text", f"{split.variant_of(phone(number))} for you") for number in (0, 1)]
    assert foreseen[0][2:] == sent[2:]


async def test_who_waits_for_the_winner_is_shown_no_variant(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    variants = [{"name": name, "share": 50, "content": {"template": TEMPLATE}} for name in ("a", "b")]
    winner = {"by": "read", "after": "4h", "test_percent": 1}
    await desk.store(size=1, variants=variants, winner=winner)
    assert (await story(desk, 0)).content is None


async def test_since_when_a_campaign_is_paused_does_not_move_with_its_budget(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    await desk.store(size=3, budget={"currency": "USD", "max": "5"})
    await launch_due(desk.engine, now=lambda: desk.now)
    await pause(desk.engine, "spring", now=lambda: desk.now)
    await change_budget(desk.engine, "spring", "6", now=lambda: desk.now + timedelta(hours=1))
    assert (await desk.why())["held_since"] == desk.now


async def test_what_is_used_of_a_days_budget_is_of_today(sqlite_desk: Desk) -> None:
    """By the campaign's clock."""
    desk = sqlite_desk
    desk.accounts["meta"] = desk.accounts["meta"].model_copy(update={"price": Money(Decimal(2), "USD")})
    schedule = {"every": "1d", "starts_at": NIGHT, "timezone": "Asia/Tokyo", "max_runs": 3}
    await desk.store(schedule=schedule, budget={"currency": "USD", "per_day": "10", "per_month": "90"})
    await desk.send()
    tomorrow_there = NIGHT.replace(hour=15)
    async with reading(desk.engine) as connection:
        for now, used in ((NIGHT, (6, 6)), (tomorrow_there, (0, 6))):
            [listed] = await list_campaigns(connection, now=lambda now=now: now)
            assert tuple(line.used for line in listed.budgets) == used
            shown = await today(connection, Settings("", desk.accounts), now)
            assert tuple(line.used for line in shown.budgets) == tuple(filter(None, used))


async def test_of_many_budgets_the_newest_of_each_kind_are_listed(desk: Desk) -> None:
    campaign = await desk.store()
    async with writing(desk.engine) as connection:
        keys = [f"{campaign}:run:{run}" for run in range(2, 13)] + [f"{campaign}:day:2026-03-02"]
        rows = [{"key": key, "currency": "USD", "reserved_micros": 0, "spent_micros": 1} for key in keys]
        await connection.execute(insert(budgets), rows)
    async with reading(desk.engine) as connection:
        found = (await costs(connection, Settings("", desk.accounts), NIGHT)).budgets
    assert [one.budget for one in found] == ["run 12", "run 11", "run 10", "day 2026-03-02"]


async def test_the_summary_of_an_older_run_has_no_variants_of_a_newer_one(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    variants = [{"name": name, "share": 50, "content": {"template": TEMPLATE}} for name in ("a", "b")]
    schedule = {"every": "1d", "starts_at": NIGHT, "max_runs": 2}
    await desk.store(variants=variants, schedule=schedule)
    await desk.send()
    desk.now += timedelta(days=1)
    async with writing(desk.engine) as connection:
        await connection.execute(update(jobs).values(state="delivered"))
    await desk.send()
    settings = Settings("", desk.accounts)
    async with reading(desk.engine) as connection:
        older, newer = await connection.scalars(select(runs.c.id).order_by(runs.c.id))
        found = {
            run: (await read_summary(connection, settings, "spring", desk.now, run)).variants
            for run in (older, newer, None)
        }
    assert [run for run, shown in found.items() if shown is not None] == [newer, None]


async def test_an_estimate_knows_what_earlier_messages_have_cost_as_the_budget_does(
    sqlite_desk: Desk,
) -> None:
    """For a price that proved too low, as much is reserved as such a message has cost."""
    desk = sqlite_desk
    desk.accounts["meta"] = desk.accounts["meta"].model_copy(update={"price": Money(Decimal(2), "USD")})
    campaign = await desk.store(size=1, budget={"currency": "USD", "max": "4"})
    before = await foresee(desk)
    async with writing(desk.engine) as connection:
        dearer = {"currency": "USD", "expected_micros": 2_000_000, "cost_micros": 5_000_000}
        await connection.execute(insert(learnt_prices).values(campaign_id=campaign, **dearer))
    after = await foresee(desk)
    assert [(total.low, total.high) for total in (*before.totals(), *after.totals())] == [(2, 2), (2, 5)]
    assert [budget.enough for budget in (*before.budgets, *after.budgets)] == [True, False]
    await desk.send()
    async with reading(desk.engine) as connection:
        assert (await require(connection, "spring")).reason.startswith("budget_reached")


async def test_why_names_what_a_message_costs_in_a_free_entry_point(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    desk.accounts["meta"] = desk.accounts["meta"].model_copy(update={"rates": "meta-usd"})
    card = RateCard(
        0, "meta-usd", NIGHT.date(), "USD", "a test", {("United Kingdom", "marketing", "any"): 52_900}
    )
    await desk.store()
    opening = Opening(phone(0), "meta/one", NIGHT + timedelta(days=1), "provider", free=True)
    async with writing(desk.engine) as connection:
        await store_card(connection, card, NIGHT)
        await extend_windows(connection, [opening], NIGHT)
    prices = [(await desk.why(number))["expected"]["price"] for number in (0, 1)]
    assert prices == ["0.00 USD", "0.0529 USD"]
    assert [str(total.high) for total in (await foresee(desk)).totals()] == ["0.1058"]


async def counts_of_status(desk: Desk) -> tuple[int, int, int, int]:
    async with reading(desk.engine) as connection:
        [one] = (await status(connection, Settings("", desk.accounts), desk.now)).campaigns
    return one.status.done, one.status.total, one.status.in_doubt, one.status.awaiting


async def test_the_status_counts_a_retry_under_way_as_the_reports_do(desk: Desk) -> None:
    await desk.store()
    await desk.send()
    failed = {"state": "failed", "reason": "retries_exhausted", "poll_at": None}
    async with writing(desk.engine) as connection:
        await connection.execute(update(jobs).values(state="delivered", poll_at=None))
        await connection.execute(update(jobs).where(jobs.c.phone != phone(0)).values(**failed))
        await complete_runs(connection, desk.now)
    assert await counts_of_status(desk) == (3, 3, 0, 0)
    await retry_failed(desk.engine, "spring", now=lambda: desk.now)
    assert await counts_of_status(desk) == (1, 3, 0, 0)
    async with writing(desk.engine) as connection:
        again = update(jobs).where(jobs.c.state == "pending")
        await connection.execute(again.where(jobs.c.phone == phone(1)).values(state="in_doubt"))
        await connection.execute(again.where(jobs.c.phone == phone(2)).values(state="accepted"))
    assert await counts_of_status(desk) == (3, 3, 1, 1)


async def test_the_status_of_a_cancelled_campaign_shows_what_is_under_way(sqlite_desk: Desk) -> None:
    """A call may be under way at the cancellation, and its outcome stay unknown."""
    desk = sqlite_desk
    await desk.store()
    await launch_due(desk.engine, now=lambda: desk.now)
    async with writing(desk.engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.phone == phone(0)).values(state="in_doubt"))
        await connection.execute(update(jobs).where(jobs.c.phone == phone(1)).values(state="accepted"))
    await cancel(desk.engine, "spring", now=lambda: desk.now)
    assert await counts_of_status(desk) == (3, 3, 1, 1)
    async with reading(desk.engine) as connection:
        decisions = (await today(connection, Settings("", desk.accounts), desk.now)).decisions
    assert "doubt" in [one.kind for one in decisions]


async def test_a_report_of_older_runs_counts_the_rows_of_their_list(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    campaign_id = await desk.store(schedule={"every": "1d", "starts_at": NIGHT, "max_runs": 3})
    for _ in range(2):
        await desk.send()
        async with writing(desk.engine) as connection:
            await connection.execute(update(jobs).values(state="delivered", poll_at=None))
        desk.now += timedelta(days=1)
    async with writing(desk.engine) as connection:
        row = (await connection.execute(select(recipients).limit(1))).mappings().one()
        new = {**row, "id": row["id"] + 1000, "phone": phone(50), "line": 60}
        await connection.execute(insert(recipients).values(**new))
        mine = update(campaigns).where(campaigns.c.id == campaign_id)
        await connection.execute(mine.values(recipients=4))
    await desk.send()
    async with reading(desk.engine) as connection:
        of = [Period(None, desk.now), Period(None, None)]
        shown = [(await delivery_report(connection, "spring", None, period)).json for period in of]
    assert [(each["file_rows"], each["jobs"]) for each in shown] == [(3, 6), (4, 10)]


async def test_runs_that_are_missed_already_are_not_among_the_next(sqlite_desk: Desk) -> None:
    """A paused campaign misses its runs, and so does one that no runner is there for."""
    desk = sqlite_desk
    await desk.store(schedule={"every": "1d", "starts_at": NIGHT, "max_runs": 9})
    await pause(desk.engine, "spring", now=lambda: desk.now)
    desk.now += timedelta(days=2, hours=3)
    async with reading(desk.engine) as connection:
        found = await upcoming_runs(connection, "spring", 2, now=lambda: desk.now)
    assert found.runs == [NIGHT + timedelta(days=3), NIGHT + timedelta(days=4)]
    await resume(desk.engine, "spring", now=lambda: desk.now)
    assert (await desk.why())["held_until"] == found.runs[0]
    await desk.send()
    async with reading(desk.engine) as connection:
        assert (await require(connection, "spring")).start_at == found.runs[0]


async def test_the_list_of_people_shows_of_a_wait_what_why_does(sqlite_desk: Desk) -> None:
    desk = sqlite_desk

    async def both(name: str) -> tuple[set[Any], Any]:
        async with reading(desk.engine) as connection:
            page = await people_page(connection, name, AskedPeople(), desk.now)
        why = await desk.why(name=name)
        return {(one.meaning, one.until) for one in page.people}, (why["meaning"], why["held_until"])

    await desk.store("reply", content=WAITS_FOR_REPLY)
    await desk.store("night", **ALLOW)
    await desk.send()
    for name in ("reply", "night"):
        shown, why = await both(name)
        assert shown == {why}
    desk.now = MORNING  # the hours hold it no longer, and it has not been decided about again
    shown, why = await both("night")
    assert shown == {why}


async def test_what_goes_on_is_not_finished(sqlite_desk: Desk) -> None:
    """A campaign with a run to come, and one with a message in doubt."""
    desk = sqlite_desk
    await desk.store(schedule={"every": "1d", "starts_at": NIGHT, "max_runs": 2})
    await desk.send()
    async with writing(desk.engine) as connection:
        await connection.execute(update(jobs).values(state="delivered", poll_at=None))
        one = update(jobs).where(jobs.c.phone == phone(0))
        await connection.execute(one.values(state="in_doubt"))
    doubtful = await verdict(desk)
    async with writing(desk.engine) as connection:
        await connection.execute(one.values(state="cancelled", reason="given_up"))
        await complete_runs(connection, desk.now)
    assert doubtful.startswith("All sent, and it is open what became of messages in doubt: 2 of 3 rows")
    assert (
        await verdict(desk) == "Waits for its next run; so far: 2 of 3 rows delivered (66.7%), 1 cancelled."
    )
    assert (await verdict(desk, await run_id_of(desk))).startswith("Finished: 2 of 3 rows")


async def test_a_template_that_may_not_be_sent_holds_the_launch_and_why_knows(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    stopped = ProviderTemplate("spring_sale", "en", "PAUSED", "marketing", TemplateParts(body="Hi {{1}}"))
    await desk.store()
    async with writing(desk.engine) as connection:
        await store_templates(connection, "meta", [stopped], desk.now)
    why, warnings = await desk.why(), (await foresee(desk)).warnings
    assert await launch_due(desk.engine, now=lambda: desk.now) == []
    async with reading(desk.engine) as connection:
        reason = (await require(connection, "spring")).reason
    assert reason.startswith("template_mismatch: ")
    assert (why["held_by"], why["estimated_send_at"]) == (reason, None)
    assert why["meaning"].startswith("Its template does not fit")
    assert warnings == [f"As things stand, it is not launched: {reason}"]

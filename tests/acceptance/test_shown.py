"""What people are shown of a campaign, against what the engine does: in turn asked, run, and compared."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.views.people.people import Asked as AskedPeople
from app.views.people.people import people_page
from app.views.reports.comparison import compare_campaigns
from app.views.reports.summary import read_summary
from app.wiring.settings import Settings
from emulators.settings import Settings as EmulatorSettings
from scheduler.clock.launch import launch_due
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading, writing
from storage.sending.lanes import pause_lane
from storage.tables.audience import recipients
from storage.tables.runs import jobs, runs
from tests.acceptance.conftest import InMemory
from tests.acceptance.test_why import ALLOW, MORNING, NIGHT, Desk
from tests.support.accounts import account_at
from tests.support.campaigns import phone

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


async def test_an_estimate_names_the_rule_that_holds_a_run_that_has_begun(desk: Desk) -> None:
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


async def test_whose_time_of_day_has_passed_is_skipped_at_the_launch_and_why_knows(desk: Desk) -> None:
    desk.now = MORNING + timedelta(hours=3)
    await desk.store(schedule=LOCAL, start_at=MORNING)
    assert await expected(desk) == ("skipped", "too_late", None)
    await desk.send()
    assert ((await desk.why())["state"], (await desk.why())["reason"]) == ("skipped", "too_late")


async def test_in_own_time_a_message_expires_after_the_last_of_the_list_not_of_the_earth(desk: Desk) -> None:
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
    await desk.send()
    assert (await desk.why())["estimated_send_at"] == tomorrow


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


async def test_who_is_new_in_the_list_of_a_campaign_under_way_waits_for_its_next_run(desk: Desk) -> None:
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
        why = await desk.why()
        assert {(one.meaning, one.until) for one in page.people} == {(why["meaning"], why["held_until"])}

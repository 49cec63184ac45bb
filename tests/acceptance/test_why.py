"""`drumbeat why`: what holds a message, since when, when it would go, and that it then does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, update

from app.views.json_text import to_json
from app.views.people.recipient_timeline import recipient_timeline
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, NotFound
from campaigns.money.costs import Money
from campaigns.phones.phone import PhoneFault
from campaigns.reject_codes import RejectCode
from campaigns.rules.caps import Cap
from cli import cli
from emulators.settings import Settings as EmulatorSettings
from providers.settings import AccountSettings
from scheduler.actions.control import cancel, pause
from scheduler.clock.launch import launch_due
from scheduler.clock.runner import run
from storage.database.engine import Engine, reading, writing
from storage.sending.lanes import pause_lane
from storage.sending.optouts import PreferenceChange, add_preferences
from storage.sending.windows import open_window
from storage.tables.contacts import inbound
from storage.tables.runs import jobs
from tests.acceptance.conftest import InMemory
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import phone, spec, store_campaign
from tests.support.project import Done, write_project

NIGHT = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
MORNING = NIGHT.replace(hour=9)
ALLOW = {"hours": {"allow": "09:00-18:00"}}


class Desk:
    """One account at Meta's emulator, a clock that a test sets, and the answers of `why`."""

    def __init__(self, engine: Engine, account: AccountSettings, transport: InMemory) -> None:
        self.engine = engine
        self.accounts = {"meta": account}
        self.transport = transport
        self.caps: tuple[Cap, ...] = ()
        self.now = NIGHT

    async def store(self, name: str = "spring", size: int = 3, **tables: Any) -> int:
        values = {"provider": "meta", "senders": ["one"], "content": {"template": TEMPLATE}, **tables}
        start_at = values.pop("start_at", NIGHT)
        return await store_campaign(self.engine, spec(name, **values), size, start_at=start_at)

    async def send(self) -> None:
        """Run until nothing is left to do at the time that the clock shows."""
        await run(
            self.engine,
            self.accounts,
            until_idle=True,
            wait_receipts=timedelta(0),
            transport=self.transport,
            now=lambda: self.now,
        )

    async def why(self, number: int = 0, name: str = "spring", text: str | None = None) -> dict[str, Any]:
        settings = Settings("", self.accounts, caps=self.caps)
        async with reading(self.engine) as connection:
            story = await recipient_timeline(
                connection, settings, name, text or phone(number), now=lambda: self.now
            )
        assert to_json(story.json)
        return story.json


@pytest.fixture
async def desk(engine: Engine, tmp_path: Path) -> Desk:
    return Desk(engine, account_at("meta", tmp_path / "key", pair_gap="0s"), InMemory(EmulatorSettings()))


def events(story: dict[str, Any]) -> list[str]:
    return [moment.event for moment in story["timeline"]]


async def test_hours_hold_it_and_the_estimate_is_when_it_goes(desk: Desk) -> None:
    await desk.store(pace={"delay_between": 60_000}, **ALLOW)
    await desk.send()
    desk.now += timedelta(hours=1)
    story = await desk.why(2)
    assert (story["held_by"], story["rule"]) == ("hours", "hours")
    assert (story["held_since"], story["held_until"]) == (NIGHT, MORNING)
    assert story["meaning"] == "It is outside the allowed hours in the person's time zone."
    assert story["estimated_send_at"] == MORNING + timedelta(minutes=2)
    assert (story["ahead"], story["pace"]) == (2, "delay_between 1m")
    assert story["expected"]["because"] == "the campaign has no other form"
    assert len(story["assumes"]) == 3
    assert events(story) == ["launched", "waiting"]


async def test_at_everybodys_own_time_it_is_held_until_the_launch_for_the_first_of_them(desk: Desk) -> None:
    """At 09:00 in UTC+14, the first zone on earth."""
    await desk.store(schedule={"recipient_local_time": True, "timezone": "UTC"}, start_at=MORNING)
    before = await desk.why(2)
    assert (before["held_by"], before["held_until"]) == ("campaign_scheduled", MORNING - timedelta(hours=14))


async def test_a_number_as_it_is_stored_is_found_before_it_is_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read it loads the library of phone numbers, whose newest release may no longer know it."""
    await desk.store()
    fault = PhoneFault(RejectCode.PHONE_INVALID, "No number begins so.")
    monkeypatch.setattr("campaigns.phones.phone.read_person", lambda *_, **__: fault)
    assert (await desk.why(2))["phone"] == phone(2)
    with pytest.raises(InvalidInput, match="No number begins so"):
        await desk.why(text=f"{phone(2)} ")


async def test_the_same_is_shown_before_the_first_decision(desk: Desk) -> None:
    await desk.store(pace={"delay_between": 60_000}, **ALLOW)
    before = await desk.why(2)
    assert before["held_by"] == "campaign_scheduled"
    await launch_due(desk.engine, now=lambda: desk.now)
    launched = await desk.why(2)
    assert (launched["held_by"], launched["held_until"]) == ("hours", MORNING)
    times = {story["estimated_send_at"] for story in (before, launched)}
    assert times == {MORNING + timedelta(minutes=2)}


async def test_hours_that_close_before_its_turn_move_it_to_the_next_day(desk: Desk) -> None:
    await desk.store(size=40, pace={"delay_between": 3_600_000}, **ALLOW)
    assert (await desk.why(8))["estimated_send_at"] == MORNING + timedelta(hours=8)
    assert (await desk.why(9))["estimated_send_at"] == MORNING + timedelta(days=1)


async def test_a_draft_shows_what_a_start_would_do(desk: Desk) -> None:
    await desk.store(start_at=None)
    await say(desk, "out")
    story = await desk.why()
    assert (story["state"], story["held_by"], story["estimated_send_at"]) == (
        "pending",
        "campaign_draft",
        None,
    )
    assert (story["expected"]["decision"], story["expected"]["reason"]) == ("skipped", "opted_out")
    assert events(story) == ["loaded", "opted out"]
    assert "campaign start" in story["meaning"]
    await cancel(desk.engine, "spring", now=lambda: desk.now)
    assert ((await desk.why())["state"], (await desk.why())["held_by"]) == ("cancelled", None)


async def say(desk: Desk, action: Any) -> None:
    async with writing(desk.engine) as connection:
        await add_preferences(
            connection, "webhook:meta", [PreferenceChange(phone(0), action, "all", desk.now, "STOP")]
        )


async def test_a_cap_names_when_it_frees_and_it_goes_then(desk: Desk) -> None:
    cap = {"max": 1, "per": "7d", "on_cap": "wait"}
    await desk.store("first")
    await desk.send()
    desk.now += timedelta(hours=2)
    await desk.store(caps=[cap])
    await desk.send()
    story = await desk.why()
    frees_at = story["held_until"]
    assert story["held_by"] == "frequency_cap"
    assert timedelta(0) <= frees_at - (NIGHT + timedelta(days=7)) < timedelta(seconds=1)
    assert story["estimated_send_at"] == frees_at.replace(microsecond=0)
    desk.now = frees_at
    await desk.send()
    assert (await desk.why())["state"] == "accepted"


async def test_a_cap_of_the_settings_is_considered(desk: Desk) -> None:
    desk.caps = (Cap(1, timedelta(days=7)),)
    await desk.store("first")
    await desk.send()
    await desk.store()
    await launch_due(desk.engine, now=lambda: desk.now)
    story = await desk.why()
    assert (story["expected"]["decision"], story["expected"]["reason"]) == ("skipped", "frequency_cap")
    assert story["estimated_send_at"] is None


async def test_a_message_that_will_not_outlive_its_wait_expires(desk: Desk) -> None:
    await desk.store(schedule={"expires_after": "4h"}, **ALLOW)
    await desk.send()
    story = await desk.why()
    assert story["expires_at"] == NIGHT + timedelta(hours=4)
    assert (story["expected"]["decision"], story["estimated_send_at"]) == ("expired", None)


async def test_a_pause_of_the_campaign_or_the_lane_comes_first(desk: Desk) -> None:
    await desk.store(size=3, pace={"delay_between": 1000})
    await launch_due(desk.engine, now=lambda: desk.now)
    async with writing(desk.engine) as connection:
        await pause_lane(connection, "meta/one", "429: slow down", NIGHT + timedelta(minutes=5))
    story = await desk.why(2)
    assert (story["held_by"], story["held_until"]) == (
        "lane_paused: 429: slow down",
        NIGHT + timedelta(minutes=5),
    )
    assert story["estimated_send_at"] == NIGHT + timedelta(minutes=5, seconds=2)
    assert any("pause ends" in line for line in story["assumes"])
    async with writing(desk.engine) as connection:
        await pause_lane(connection, "meta/one", "the number is banned", None)
    assert (await desk.why(2))["estimated_send_at"] is None
    await pause(desk.engine, "spring", reason="stock is low", now=lambda: desk.now + timedelta(minutes=1))
    story = await desk.why(2)
    assert (story["held_by"], story["held_since"]) == (
        "run_paused: stock is low",
        NIGHT + timedelta(minutes=1),
    )
    assert (story["meaning"], story["estimated_send_at"]) == ("The campaign is paused.", None)
    assert story["expected"]["decision"] == "send"


async def test_what_goes_first_counts(desk: Desk) -> None:
    """A campaign of higher priority at the sender's pace, and one of equal priority by turns; a lower one does not."""
    [sender, *others] = desk.accounts["meta"].senders
    paced = [type(sender).model_validate({**sender.model_dump(), "rate": "1/s"}), *others]
    desk.accounts["meta"] = desk.accounts["meta"].model_copy(update={"senders": paced})
    await desk.store("urgent", size=10, priority=5)
    await desk.store("low", size=10, priority=-5)
    await desk.store()
    await launch_due(desk.engine, now=lambda: desk.now)
    story = await desk.why(2)
    assert (story["held_by"], story["ahead"], story["pace"]) == ("pacing", 12, "sender_rate 1/s")
    assert story["estimated_send_at"] == NIGHT + timedelta(seconds=12)
    await desk.store("peer", size=10)
    await launch_due(desk.engine, now=lambda: desk.now)
    assert (await desk.why(2))["ahead"] == 14


async def test_a_message_that_waits_for_a_reply_has_no_time(desk: Desk) -> None:
    await desk.store(content={"text": "Hi", "closed_window": "wait"})
    await desk.send()
    story = await desk.why()
    assert (story["held_by"], story["held_since"], story["held_until"]) == ("window", NIGHT, None)
    assert (story["expected"]["decision"], story["estimated_send_at"]) == ("wait", None)
    async with writing(desk.engine) as connection:
        await open_window(connection, phone(0), "meta/one", NIGHT + timedelta(days=1), "inbound", NIGHT)
    story = await desk.why()
    assert (story["held_by"], story["estimated_send_at"]) == ("pacing", NIGHT)


async def test_each_call_shows_its_form_and_why_its_answer_and_its_price(desk: Desk) -> None:
    price = Money(Decimal("0.05"), "USD")
    desk.accounts["meta"] = desk.accounts["meta"].model_copy(update={"price": price})
    await desk.store(content={"text": "Hi", "template": TEMPLATE})
    async with writing(desk.engine) as connection:
        until = NIGHT + timedelta(hours=5)
        await open_window(connection, phone(0), "meta/one", until, "inbound", NIGHT - timedelta(hours=19))
    await desk.send()
    free, template = await desk.why(0), await desk.why(1)
    called = "the provider is called with the"
    details = {moment.event: moment.detail for moment in free["timeline"]}
    assert details["attempt 1"] == (
        f"{called} text: the person's 24-hour window was known to be open until 2026-03-02 08:00:00 UTC"
    )
    assert details["answer 1"].startswith("use_template, HTTP 400, code 131047, ")
    assert details["attempt 2"] == (
        f"{called} template: the provider had refused the free form: the window is closed"
    )
    details = {moment.event: moment.detail for moment in template["timeline"]}
    assert details["attempt 1"] == f"{called} template: no open 24-hour window of the person was known"
    outcome, status, latency, price = details["answer 1"].split(", ")
    assert (outcome, status, price) == ("accepted", "HTTP 200", "expected to cost 0.05 USD")
    assert latency.endswith(" ms")
    assert (free["form"], template["form"], template["held_by"]) == ("template", "template", None)


async def test_every_run_the_reply_and_the_opt_out_are_shown(desk: Desk) -> None:
    daily = {"every": "1d", "starts_at": NIGHT, "max_runs": 2}
    await desk.store(schedule=daily)
    await desk.send()
    async with writing(desk.engine) as connection:
        wrote = {"account": "meta", "lane": "meta/one", "phone": phone(0), "text": "STOP\nplease"}
        await connection.execute(insert(inbound).values(at=desk.now, message_id="in-1", **wrote))
        await connection.execute(
            update(jobs).where(jobs.c.phone == phone(0)).values(state="delivered", poll_at=None)
        )
        await connection.execute(update(jobs).where(jobs.c.phone != phone(0)).values(state="delivered"))
    await say(desk, "out")
    between = await desk.why()
    assert between["next_run"] == NIGHT + timedelta(days=1)
    desk.now += timedelta(days=1)
    await desk.send()
    story = await desk.why()
    assert (story["state"], story["reason"], story["runs"]) == ("skipped", "opted_out", 2)
    assert story["meaning"] == "The recipient has asked for no more messages of this kind."
    told = [(moment.event, moment.run) for moment in story["timeline"]]
    again = NIGHT + timedelta(days=1)
    assert ("launched", NIGHT) in told
    assert told[-2:] == [("launched", again), ("skipped", again)]
    assert ("reply", None) in told
    details = {moment.event: moment.detail for moment in story["timeline"]}
    assert (details["reply"], details["opted out"]) == ("STOP please", "all, webhook:meta: STOP")


async def test_a_sender_that_is_in_no_settings_is_named(desk: Desk) -> None:
    await desk.store(senders=["gone"])
    assert (await desk.why())["held_by"] == "no_sender: meta"
    await launch_due(desk.engine, now=lambda: desk.now)
    assert (await desk.why())["held_by"] == "no_sender: meta/gone"
    desk.accounts.clear()
    assert (await desk.why())["estimated_send_at"] is None


async def test_asking_changes_nothing_and_needs_no_lock(desk: Desk) -> None:
    await desk.store(**ALLOW)
    await desk.send()

    async def everything() -> list[Any]:
        async with reading(desk.engine) as connection:
            return list(await connection.execute(select(jobs).order_by(jobs.c.id)))

    before = await everything()
    async with writing(desk.engine) as connection:
        await connection.execute(update(jobs).values(code=jobs.c.code))  # a writer is at work meanwhile
        await desk.why()
    assert await everything() == before


@pytest.mark.parametrize(
    "written",
    ["+447700900020", "+447700900003", "+4477009000020", "+44770900002", "+447700900200", "+336700900002"],
)
async def test_a_number_that_is_not_in_it_gets_the_nearest_as_a_hint(desk: Desk, written: str) -> None:
    await desk.store(size=3)
    with pytest.raises((NotFound, InvalidInput)) as found:
        await desk.why(text=written)
    assert (found.value.hint or "").startswith("Did you mean +44770090000")


def test_a_rejected_row_is_found_however_its_number_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    people = 'phone,first_name,timezone\n+447700900010,Ada,\n"07700 900-011",Bob,Nowhere/Land\n'
    write_project(tmp_path, people=people + "nobody,Mallory,\n07700900010,Ada again,\n")
    why = asking(tmp_path)
    rejected = why("+447700900011", "--json").json
    assert (rejected["state"], rejected["code"]) == ("rejected", "bad_timezone")
    [moment] = rejected["timeline"]
    assert moment["detail"].startswith("line 3 of spring.csv, column timezone: bad_timezone: ")
    assert why("nobody", "--json").json["code"] == "phone_not_a_number"
    assert "line 5 of spring.csv, duplicate" in why("07700 900010").out
    assert (why("no", "--json").code, why("+447700900077").code) == (5, 7)


def asking(folder: Path) -> Callable[..., Done]:
    def why(*arguments: str) -> Done:
        result = CliRunner().invoke(cli, ["why", "spring", *arguments])
        return Done(result.exit_code, result.stdout, result.stderr)

    loaded = CliRunner().invoke(cli, ["campaign", "load", "spring.toml", "--max-reject-percent", "100"])
    assert loaded.exit_code == 3
    return why

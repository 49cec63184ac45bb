"""People of whom only the provider's user id is known: listed, sent to, and one person once the number is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from app.views.people.contact_pages import contacts_page
from app.views.people.people import Asked, people_page
from app.views.people.person_story import person_story
from app.views.people.recipient_timeline import recipient_timeline
from app.wiring.settings import Settings as AppSettings
from campaigns.intake.model import IntakeOptions, UserIds
from campaigns.phones.user_ids import name_of
from campaigns.states import JobState
from emulators.settings import Settings
from providers.registry import open_adapter
from scheduler.audience.load import check, load
from scheduler.audience.sendability import user_ids_of
from scheduler.clock.launch import launch_due
from scheduler.clock.runner import run
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading, writing
from storage.receipts.same_person import SAME_PERSON, one_for_each_person
from storage.receipts.user_ids import learn_numbers, learn_other_numbers
from storage.sending.intents import claim_due
from storage.sending.optouts import PreferenceChange, add_preferences
from storage.tables.audience import recipients, rejects
from storage.tables.runs import jobs
from storage.views.recipient_rows import stream_recipients
from storage.views.reports import failures
from tests.acceptance.conftest import InMemory
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, later, spec, store_campaign, store_people

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIST = """phone,whatsapp_user_id,first_name
+447700900001,GB.1,Ada
,GB.1,Ada again
,GB.2,Bo
,GB.3,Cy
, GB.3 ,Cy again
,12345,Dee
,,Eve
+447700900004,12345,Fay
"""
ADA, FAY = "+447700900001", "+447700900004"
BO, CY = name_of("shop", "GB.2"), name_of("shop", "GB.3")


async def loaded(engine: Engine, folder: Path, text: str, provider: str, **tables: Any) -> None:
    wanted = spec(provider="shop", senders=["one"], content={"template": TEMPLATE}, **tables)
    campaign = await store_campaign(engine, wanted, 0, start_at=NOON)
    (folder / "people.csv").write_text(text)
    user_ids = user_ids_of(wanted, open_adapter(account_at(provider, folder / "key")))
    options = wanted.audience.options(frozenset({"first_name"}), None, user_ids=user_ids)
    path = folder / "people.csv"
    await load(engine, campaign, path, options, max_reject_percent=100, rejects_path=folder / "r.csv")


async def rows(engine: Engine, *columns: Any) -> list[Any]:
    async with reading(engine) as connection:
        return [tuple(row) for row in await connection.execute(select(*columns))]


@pytest.mark.parametrize("provider", ["meta", "kapso"])
async def test_a_list_with_user_ids_reaches_each_person_once(
    engine: Engine, tmp_path: Path, provider: str
) -> None:
    await loaded(engine, tmp_path, LIST, provider, category="marketing")
    assert set(await rows(engine, recipients.c.phone, recipients.c.region)) == {
        (ADA, "GB"), (FAY, "GB"), (BO, "GB"), (CY, "GB"),
    }  # fmt: skip
    assert sorted(await rows(engine, rejects.c.line, rejects.c.column, rejects.c.code)) == [
        (3, "phone", "duplicate"),
        (6, "phone", "duplicate"),
        (7, "whatsapp_user_id", "user_id_invalid"),
        (8, "phone", "phone_missing"),
    ]
    async with writing(engine) as connection:
        out = PreferenceChange(CY, "out", "marketing", NOON - timedelta(days=1), "STOP")
        await add_preferences(connection, "webhook:shop", [out])
    emulator = InMemory(Settings())
    accounts = {"shop": account_at(provider, tmp_path / "key")}
    wait = timedelta(0)
    await run(engine, accounts, transport=emulator, now=lambda: NOON, until_idle=True, wait_receipts=wait)
    assert sorted(message["to"] for message in await emulator.ledger()) == sorted([ADA[1:], FAY[1:], "GB.2"])
    [skipped] = [row for row in await job_rows(engine) if row.state == JobState.SKIPPED]
    assert (skipped.phone, skipped.reason) == (CY, "opted_out")


@pytest.mark.parametrize(
    ("provider", "category", "reason"),
    [
        ("bird", "marketing", "bird cannot send to a user id"),
        ("meta", "authentication", "An authentication template cannot"),
    ],
)
async def test_where_no_user_id_can_be_sent_to_the_row_is_rejected(
    sqlite_engine: Engine, tmp_path: Path, provider: str, category: str, reason: str
) -> None:
    await loaded(sqlite_engine, tmp_path, "bsuid,first_name\nGB.2,Bo\n", provider, category=category)
    [(code, why)] = await rows(sqlite_engine, rejects.c.code, rejects.c.reason)
    assert code == "user_id_unsendable"
    assert reason in why


async def test_a_list_may_name_the_placeholder_of_its_own_account_only(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    campaign = await store_campaign(sqlite_engine, spec(), 0)
    path = tmp_path / "people.csv"
    path.write_text(f"phone\n{BO}\n{name_of('other', 'GB.2')}\n")
    limits: dict[str, Any] = {"max_reject_percent": 100, "rejects_path": tmp_path / "r.csv"}
    needs_phone = IntakeOptions(user_ids=UserIds("shop"), required=frozenset({"phone"}))
    checked = await check(path, needs_phone, **limits)
    assert checked.reasons == {"blank_variable": 1, "user_id_unsendable": 1}
    report = await load(sqlite_engine, campaign, path, IntakeOptions(user_ids=UserIds("shop")), **limits)
    assert report.reasons == {"user_id_unsendable": 1}
    assert await rows(sqlite_engine, recipients.c.phone) == [(BO,)]


@pytest.mark.parametrize("known_as", ["+447700900001", "+447700900555"])
async def test_only_one_of_a_runs_jobs_for_a_person_is_sent(engine: Engine, known_as: str) -> None:
    """Ada is named by number and by an id, Bo by two ids; whose they are is learnt after the launch. The provider may
    know Ada by another number."""
    ada, ids = "+447700900001", [name_of("shop", f"GB.{number}") for number in range(1, 5)]
    await store_people(
        engine, spec(provider="shop", senders=["one"]), [ada, *ids], rotate=0, start_at=later(0)
    )
    await launch_due(engine, now=lambda: later(1))

    async def twins() -> dict[str, tuple[str, bool]]:
        async with writing(engine) as connection:
            due = await claim_due(connection, 1, "shop/one", later(2), 10)
            found = await one_for_each_person(connection, "shop", 1, due)
            return {was.phone: (now.phone, now.is_twin) for was, now in zip(due, found, strict=True)}

    assert await twins() == {phone: (phone, False) for phone in [ada, *ids]}
    async with writing(engine) as connection:
        bo = "+447700900002"
        if known_as != ada:
            await learn_other_numbers(connection, "shop", {ada: known_as}, later(2))
        await learn_numbers(connection, "shop", {"GB.1": known_as, "GB.2": bo, "GB.3": bo}, later(2))
    assert await twins() == {
        ada: (ada, False), ids[0]: (ada, True), ids[1]: (bo, False), ids[2]: (bo, True), ids[3]: (ids[3], False),
    }  # fmt: skip
    async with writing(engine) as connection:  # Ada's was sent by the id before it was known whose that is
        await connection.execute(update(jobs).where(jobs.c.phone == ids[0]).values(state="in_doubt"))
    assert (await twins())[ada] == (ada, True)


async def test_a_shift_skips_the_second_message_to_a_person(sqlite_engine: Engine, tmp_path: Path) -> None:
    wanted = spec(provider="shop", senders=["one"], content={"template": TEMPLATE})
    await store_people(sqlite_engine, wanted, [ADA, name_of("shop", "GB.1")], rotate=0, start_at=NOON)
    await launch_due(sqlite_engine, now=lambda: NOON)
    async with writing(sqlite_engine) as connection:
        await learn_numbers(connection, "shop", {"GB.1": ADA}, NOON)
    emulator = InMemory(Settings())
    accounts = {"shop": account_at("meta", tmp_path / "key")}
    wait = timedelta(0)
    await run(
        sqlite_engine, accounts, transport=emulator, now=lambda: NOON, until_idle=True, wait_receipts=wait
    )
    assert [message["to"] for message in await emulator.ledger()] == [ADA[1:]]
    reasons = {row.phone: row.reason for row in await job_rows(sqlite_engine)}
    assert reasons == {ADA: None, name_of("shop", "GB.1"): SAME_PERSON}


async def test_a_person_is_shown_and_found_by_the_number_that_was_learnt_later(engine: Engine) -> None:
    """By `why`, in lists of people and in reports; what was sent stays as it was."""
    bo, settings = "+447700900002", AppSettings("sqlite://")
    await store_people(
        engine, spec(provider="shop", senders=["one"]), [ADA, BO, CY], rotate=0, start_at=later(0)
    )
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        failed = {"state": "failed", "reason": "refused", "code": "131026"}
        await connection.execute(update(jobs).where(jobs.c.phone == BO).values(**failed))
        await learn_numbers(connection, "shop", {"GB.2": bo}, later(2))
    async with reading(engine) as connection:
        for asked in (bo, BO):
            why = (await recipient_timeline(connection, settings, "spring", asked)).json
            assert (why["phone"], why["listed_as"], why["state"]) == (bo, BO, "failed")
        story = await person_story(connection, settings, "spring", bo)
        assert (story.phone, story.cells["first_name"]) == (bo, "Ada")
        assert "listed_as" not in (await recipient_timeline(connection, settings, "spring", ADA)).json
        campaign = await require(connection, "spring")
        listed = [row["phone"] async for row in stream_recipients(connection, campaign)]
        assert sorted(listed) == sorted([ADA, bo, CY]), "nobody knows Cy's number"
        page = await people_page(connection, "spring", Asked(), later(3))
        assert {line.row.phone for line in page.people} == {ADA, bo, CY}
        found = await people_page(connection, "spring", Asked(search=bo), later(3))
        assert [line.row.phone for line in found.people] == [bo]
        [failure] = await failures(connection, campaign)
        assert failure.example == bo
        searched = await contacts_page(connection, "Ada")
        assert {person.phone for person in searched.found} == {ADA, bo, CY}
    assert {row.phone for row in await job_rows(engine)} == {ADA, BO, CY}

"""What `campaign check` foresees: the audience from the file, opt-outs and prices from the project's database."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from app.actions.contacts import record_preference
from app.actions.loading import Flags
from app.actions.scheduling import TimeFlags
from app.views.drafts.preflight import Preflight, preflight
from app.wiring.settings import load_settings
from campaigns.money.prices import RateCard
from campaigns.phones.stop_words import StopWord
from storage.audience.rates import store_card
from storage.database.engine import Engine, open_engine, reading, writing
from storage.tables.audience import campaigns, recipients
from storage.tables.lanes import daily_sends
from storage.tables.money import budgets
from tests.support.project import CAMPAIGN, invoke, write_project

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
LATER = TimeFlags(at="2031-01-05T09:00", timezone="Africa/Porto-Novo")


async def checked(
    folder: Path, times: TimeFlags = LATER, campaign: str = CAMPAIGN, rates: str | None = None
) -> Preflight:
    people = "phone,first_name,city\n+447700900010,Ada,Paris\n+447700900011,,Rome\n+447700900012,Alan,\n"
    write_project(folder, campaign=campaign, people=people)
    if rates:
        file = folder / "drumbeat.toml"
        file.write_text(file.read_text().replace('currency = "XOF"', f'rates = "{rates}"'))
    settings = load_settings(folder / "drumbeat.toml")
    return await preflight(settings, folder / "spring.toml", Flags(times=times, rejects=folder / "bad.csv"))


async def test_columns_times_and_messages_are_foreseen_without_a_database(tmp_path: Path) -> None:
    found = await checked(tmp_path)
    assert (found.used, found.unused) == (["phone", "first_name"], ["city"])
    assert found.runs == [datetime(2031, 1, 5, 8, tzinfo=UTC)]
    assert [each.forms[0].text for each in found.previews] == ["Hi Ada", "Hi there", "Hi Alan"]
    assert found.expected is not None
    assert (found.expected.sends, found.expected.unpriced, found.expected.totals()) == (3, 3, [])
    assert not (tmp_path / "drumbeat.db").exists()


async def test_a_campaign_that_recurs_names_its_next_runs(tmp_path: Path) -> None:
    found = await checked(tmp_path, TimeFlags(cron="0 9 * * mon", timezone="Africa/Porto-Novo"))
    assert len(found.runs) == 3
    assert {run.weekday() for run in found.runs} == {0}


def test_the_hours_of_a_preset_are_shown(tmp_path: Path) -> None:
    text = (
        "fr-marketing: 08:00-22:00 on mon, tue, wed, thu, fri, sat; not on public holidays of FR, "
        "by the recipient's clock"
    )
    write_project(tmp_path, campaign=CAMPAIGN + '[hours]\npreset = "fr-marketing"\n')
    invoke(tmp_path, "campaign", "load", "spring.toml")
    for command in (("check", "spring.toml"), ("show", "spring")):
        done = invoke(tmp_path, "campaign", *command)
        assert text in " ".join(done.out.split()), done
        assert invoke(tmp_path, "campaign", *command, "--json").json["hours"] == text


def test_a_rate_card_that_may_be_out_of_date_is_named(tmp_path: Path) -> None:
    write_project(tmp_path)
    file = tmp_path / "drumbeat.toml"
    file.write_text(file.read_text().replace('currency = "XOF"', 'rates = "card"'))
    (tmp_path / "card.csv").write_text("market,service\nUnited Kingdom,0.05\n")
    options = ("--name", "card", "--from", "2020-01-01", "--currency", "USD", "--source", "a test")
    invoke(tmp_path, "rates", "import", "card.csv", *options)
    invoke(tmp_path, "campaign", "load", "spring.toml")
    warning = "The rate card card is of 2020-01-01, and that is a year ago or longer."
    for command in (("check", "spring.toml"), ("estimate", "spring")):
        done = invoke(tmp_path, "campaign", *command)
        assert warning in " ".join(done.out.split()), done
    assert warning in invoke(tmp_path, "campaign", "estimate", "spring", "--json").json["warnings"][0]


async def test_who_has_opted_out_is_skipped_and_the_rate_card_is_the_price(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    await record_preference(sqlite_engine, "+447700900010", StopWord("out", "marketing"), "hand", None)
    rates = {("United Kingdom", kind, "any"): 50_000 for kind in ("marketing", "service")}
    async with writing(sqlite_engine) as connection:
        await store_card(connection, RateCard(0, "card", date(2026, 1, 1), "USD", "test", rates), NOW)
    campaign = CAMPAIGN.replace('senders = ["shop"]', 'senders = ["shop"]\ncategory = "marketing"')
    found = await checked(tmp_path, campaign=campaign, rates="card")
    assert found.expected is not None
    assert dict(found.expected.skips) == {"opted_out": 1}
    assert found.expected.sends == 2
    [total] = found.expected.totals()
    assert (str(total.low), str(total.high), total.currency) == ("0.1", "0.1", "USD")
    async with reading(sqlite_engine) as connection:
        for table in (campaigns, recipients):
            assert (await connection.execute(table.select())).all() == []


def test_the_command_prints_one_screen_and_the_same_as_json(tmp_path: Path, sqlite_url: str) -> None:
    async def opted_out() -> None:
        engine = open_engine(sqlite_url)
        await record_preference(engine, "+447700900011", StopWord("out", "marketing"), "hand", None)
        await engine.dispose()

    asyncio.run(opted_out())
    write_project(tmp_path)
    done = invoke(tmp_path, "campaign", "check", "spring.toml")
    assert done.code == 3, done
    assert len(done.out.splitlines()) < 40
    for line in (
        "columns used   phone, first_name",
        "starts         no time given; --now or --at TIME starts it",
        "would be sent  2",
        "skipped        1 opted_out: The recipient has asked for no more messages of this kind.",
        "price          no price is known",
        "Hi Ada",
    ):
        assert line in done.out
    told = invoke(tmp_path, "campaign", "check", "spring.toml", "--json").json
    assert (told["expected"]["messages"], told["expected"]["skips"]) == (2, {"opted_out": 1})
    assert told["columns"] == {"used": ["phone", "first_name"], "unused": []}
    assert [message["text"] for message in told["preview"]] == ["Hi Ada", "Hi Grace", "Hi there"]


def test_a_database_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "drumbeat.db").write_bytes(b"no database" * 100)
    done = invoke(tmp_path, "campaign", "check", "spring.toml")
    assert "were not looked up" in done.out, done


def test_a_large_list_is_checked_without_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.views.drafts.preflight.MOST", 2)
    found = asyncio.run(checked(tmp_path))
    assert (found.expected, len(found.previews)) == (None, 3)
    monkeypatch.setattr("app.views.drafts.preflight.MOST", 3)
    assert asyncio.run(checked(tmp_path)).expected is not None
    monkeypatch.setattr("app.views.drafts.preflight.MOST", 2)
    shown = invoke(tmp_path, "campaign", "check", "spring.toml").out
    assert (
        "not estimated for more than 2 recipients; after the load: drumbeat campaign estimate spring" in shown
    )


def test_a_budget_without_a_price_in_its_currency_is_named(tmp_path: Path) -> None:
    asyncio.run(checked(tmp_path, campaign=CAMPAIGN + '[budget]\nmax = "5.00"\ncurrency = "EUR"\n'))
    shown = invoke(tmp_path, "campaign", "check", "spring.toml").out
    assert "No price of it is known in its budget's currency: import a rate card" in shown


@pytest.mark.parametrize(
    ("approval", "why"),
    [
        ("recipients = 2", "3 recipients, more than 2"),
        ("recipients = 3", None),
        ('amount = "10"\ncurrency = "XOF"', "its cost is not known, so it may be more than 10.00 XOF"),
    ],
)
def test_the_need_of_an_approval_is_foreseen(tmp_path: Path, approval: str, why: str | None) -> None:
    people = "phone\n+447700900010\n+447700900011\n+447700900012\n"
    write_project(tmp_path, people=people)
    file = tmp_path / "drumbeat.toml"
    file.write_text(f"{file.read_text()}[approval]\n{approval}\n")
    found = invoke(tmp_path, "campaign", "check", "spring.toml", "--json")
    assert found.json["needs_approval"] == why


def test_another_campaign_of_the_same_number_is_not_its_past(tmp_path: Path) -> None:
    """The check stores the campaign in a database of its own, in which it is the first."""
    limits = '[budget]\ncurrency = "XOF"\nmax = "100"\nper_month = "30"\n'
    ramped = CAMPAIGN.replace("[pace]\n", "[pace]\nramp = [3, 9]\n") + limits
    write_project(tmp_path, campaign=ramped)
    file = tmp_path / "drumbeat.toml"
    file.write_text(file.read_text().replace('currency = "XOF"', 'currency = "XOF"\nprice = "10 XOF"'))
    (tmp_path / "other.toml").write_text(ramped.replace('name = "spring"', 'name = "other"'))
    assert invoke(tmp_path, "campaign", "load", "other.toml").code == 3
    settings = load_settings(file)
    asyncio.run(use_up(settings.database_url))
    found = {}
    for name in ("spring", "other"):
        flags = Flags(times=LATER, rejects=tmp_path / "bad.csv")
        expected = asyncio.run(preflight(settings, tmp_path / f"{name}.toml", flags)).expected
        assert expected is not None
        ramp = next(limit for limit in expected.limits if limit.name == "ramp")
        found[name] = [(one.kind, one.enough) for one in expected.budgets], bool(ramp.takes)
    assert found == {
        "spring": ([("run", True), ("month", True)], False),
        "other": ([("run", True), ("month", False)], True),
    }


async def use_up(url: str) -> None:
    """What the first campaign may cost in a month and send on its first day."""
    engine = open_engine(url)
    month = {"currency": "XOF", "reserved_micros": 0, "spent_micros": 30_000_000}
    sent = {"lane": "ourvoice/shop", "day": "2031-01-05", "sent": 3}
    async with writing(engine) as connection:
        await connection.execute(insert(budgets).values(key="1:month:2031-01", **month))
        await connection.execute(insert(daily_sends).values(campaign_id=1, **sent))
    await engine.dispose()

"""The rules step: each rule by the form, what it comes to in a sentence, and nothing that a file holds is lost."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.drafts.drafts import create_draft, open_draft, save_text
from app.views.drafts import list_step
from app.views.drafts.rules import preview_rules
from app.wiring.rights import Role
from app.wiring.settings import Settings
from campaigns.errors import SpecError
from campaigns.spec.campaign_spec import load_spec
from campaigns.spec.toml_files import parse_toml
from tests.support.accounts import KEYS, account_at
from tests.support.forms import fields_of
from tests.support.pages import Browser, log_in_as
from web.pages.rules import routes

PAGE = "/campaigns/drafts/spring/rules"
HEAD = 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[content]\ntext = "Hi"\n'
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    accounts = {name: account_at(name, tmp_path / f"{name}.key") for name in KEYS}
    return Settings(sqlite_url, accounts, path=tmp_path / "drumbeat.toml")


@pytest.fixture
async def editor(
    sqlite_engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Browser]:
    """One who waits for the check of a list."""
    monkeypatch.setattr(routes, "PATIENCE", 30.0)
    async with Browser(sqlite_engine, settings) as browser:
        await log_in_as(browser, sqlite_engine, Role.EDITOR)
        yield browser


RULES: dict[str, tuple[dict[str, str], str]] = {
    "at a time": (
        {"when": "at", "schedule.at": "2096-12-24T09:00", "schedule.timezone": "Europe/Berlin"},
        '[schedule]\nat = "2096-12-24T09:00"\ntimezone = "Europe/Berlin"',
    ),
    "each at their own clock": (
        {"when": "at", "schedule.at": "2096-12-24T09:00", "schedule.timezone": "Europe/Berlin",
         "schedule.recipient_local_time": "on", "schedule.expires_after": "12h"},
        '[schedule]\nat = "2096-12-24T09:00"\ntimezone = "Europe/Berlin"\nrecipient_local_time = true\n'
        'expires_after = "12h"',
    ),
    "on Mondays": (
        {"when": "cron", "schedule.cron": "0 9 * * mon", "schedule.timezone": "Africa/Porto-Novo",
         "schedule.max_runs": "4", "schedule.catch_up": "2h", "schedule.overlap": "queue"},
        '[schedule]\ncron = "0 9 * * mon"\ntimezone = "Africa/Porto-Novo"\nmax_runs = 4\ncatch_up = "2h"\n'
        'overlap = "queue"',
    ),
    "every two days": (
        {"when": "every", "schedule.every": "2d", "schedule.starts_at": "2096-12-24T09:00",
         "schedule.timezone": "UTC", "schedule.ends_at": "2097-01-24T09:00"},
        '[schedule]\nevery = "2d"\nstarts_at = "2096-12-24T09:00"\ntimezone = "UTC"\nends_at = "2097-01-24T09:00"',
    ),
    "allowed hours": (
        {"hours-way": "allow", "hours.allow": "09:00-12:00, 14:00-19:00", "hours.holidays": "FR, DE"},
        '[hours]\nallow = ["09:00-12:00", "14:00-19:00"]\nholidays = ["FR", "DE"]',
    ),
    "quiet hours": ({"hours-way": "quiet", "hours.quiet": "21:00-08:00"}, '[hours]\nquiet = "21:00-08:00"'),
    "a country's hours": (
        {"hours-way": "preset", "hours.preset": "fr-marketing"}, '[hours]\npreset = "fr-marketing"'
    ),
    "pace": (
        {"pace.rate": "2/s", "pace.delay_between": "250", "pace.jitter": "2s", "pace.ramp": "100, 500",
         "pace.contact_gap": "6h", "priority": "5", "tags": "sale, spring"},
        'priority = 5\ntags = ["sale", "spring"]\n[pace]\nrate = "2/s"\ndelay_between = 250\njitter = "2s"\n'
        'ramp = [100, 500]\ncontact_gap = "6h"',
    ),
    "caps": (
        {"caps[0].max": "2", "caps[0].per": "7d", "caps[1].max": "1", "caps[1].per": "day",
         "caps[1].on_cap": "wait", "caps[1].category": "marketing"},
        '[[caps]]\nmax = 2\nper = "7d"\n[[caps]]\nmax = 1\nper = "day"\non_cap = "wait"\ncategory = "marketing"',
    ),
    "money": (
        {"budget.currency": "EUR", "budget.max": "50.00", "budget.per_day": "10"},
        '[budget]\ncurrency = "EUR"\nmax = "50.00"\nper_day = "10"',
    ),
    "people": (
        {"consent": "on", "consent.max_age": "365d", "holdout.percent": "2.5", "holdout.salt": "autumn"},
        '[consent]\nrequired = true\nmax_age = "365d"\n[holdout]\npercent = 2.5\nsalt = "autumn"',
    ),
    "what stops it": (
        {"breaker.percent": "10", "breaker.of_last": "50"}, "[breaker]\npercent = 10\nof_last = 50"
    ),
}  # fmt: skip


async def test_each_rule_by_the_form_is_the_file_written_by_hand(
    editor: Browser, settings: Settings, tmp_path: Path
) -> None:
    text = f"# mine\n{HEAD}"
    draft, by_hand = await create_draft(settings, "spring", text), tmp_path / "hand.toml"
    for name, (changes, table) in RULES.items():
        top, _, tables = table.rpartition("\n[") if table.startswith("priority") else ("", "", table[1:])
        by_hand.write_text(f"{top}\n{text}[{tables}\n")
        draft.path.write_text(text)
        # The second row of caps is there once the first is saved.
        for _ in range(2 if name == "caps" else 1):
            shown = (await editor.get(PAGE)).text
            given = {key: value for key, value in changes.items() if f'name="{key}"' in shown}
            answer = await editor.post(PAGE, {**fields_of(shown), **given})
            problems = re.findall(r'class="problem"[^>]*>([^<]+)', answer.text)
            assert answer.status_code == 303, (name, problems)
        assert given.keys() == changes.keys(), name
        assert load_spec(draft.path) == load_spec(by_hand), name
        assert draft.path.read_text().startswith("# mine\n")


KEPT = {
    "everything": HEAD
    + """\
[schedule]
cron = "0 9 * * mon"  # Mondays
timezone = "Europe/Berlin"
starts_at = 2096-12-01T09:00:00
recipient_local_time = true
overlap = "queue"
catch_up = "never"
[pace]
ramp = [ 10, 20 ]
[hours]
allow = "09:00-19:00"
days = ["mon", "tue"]
holidays = "FR"
[[caps]]
max = 1
per = "7d"
on_cap = "skip"
[consent]
required = false
[budget]
currency = "EUR"
max = "50.00"
[holdout]
percent = 5.0
[breaker]
percent = 12.5
""",
    "by the list": HEAD + '[audience]\nconsent = "agreed"\n',
    "holidays alone": HEAD + '[hours]\nholidays = ["FR", "FR-57"]\n',
    "quiet": HEAD + '[hours]\nquiet = ["12:00-13:00", "21:00-08:00"]\n',
    "a time with an offset": HEAD + '[schedule]\nat = "2096-12-24T09:00:30+01:00"\n',
    "nothing": 'name = "spring"\n',
}


async def test_opening_and_saving_changes_nothing(editor: Browser, settings: Settings) -> None:
    draft = await create_draft(settings, "spring")
    for name, text in KEPT.items():
        draft.path.write_text(text)
        answer = await editor.post(PAGE, fields_of((await editor.get(PAGE)).text))
        assert answer.status_code == 303, (name, re.findall(r'class="problem"[^>]*>([^<]+)', answer.text))
        assert draft.path.read_text() == text, name


async def test_another_way_to_begin_takes_the_place_of_the_one_before(
    editor: Browser, settings: Settings
) -> None:
    await create_draft(settings, "spring", KEPT["everything"])
    fields = fields_of((await editor.get(PAGE)).text)
    fields |= {"when": "now", "hours-way": "none", "hours.holidays": "", "caps[0].max": "", "caps[0].per": ""}
    fields |= {"budget.max": "", "budget.currency": "", "holdout.percent": ""}
    assert (await editor.post(PAGE, fields)).status_code == 303
    spec = load_spec((await open_draft(settings, "spring")).path)
    assert (spec.schedule.cron, spec.schedule.starts_at, spec.schedule.recipient_local_time) == (
        None,
        None,
        False,
    )
    assert (spec.hours, spec.caps, spec.budget, spec.holdout) == (None, [], None, None)


async def test_consent_that_the_list_asks_for_is_not_needed_only_if_that_is_written(
    editor: Browser, settings: Settings
) -> None:
    await create_draft(settings, "spring", KEPT["by the list"])
    fields = fields_of((await editor.get(PAGE)).text)
    assert fields["consent"] == "on"
    del fields["consent"]
    await editor.post(PAGE, fields)
    assert load_spec((await open_draft(settings, "spring")).path).needed_consent is None


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({"when": "at", "schedule.at": ""}, "schedule.at"),
    ({"when": "at", "schedule.at": "2096-12-24T09:00", "schedule.timezone": "Mars"}, "schedule.timezone"),
    ({"when": "at", "schedule.at": "2096-12-24T09:00", "schedule.timezone": ""}, "schedule"),
    ({"when": "cron", "schedule.cron": "at nine"}, "schedule.cron"),
    ({"when": "every", "schedule.every": "1s"}, "schedule.every"),
    ({"hours-way": "allow", "hours.allow": "nine to five"}, "hours.allow"),
    ({"hours-way": "allow", "hours.allow": ""}, "hours.allow"),
    ({"hours-way": "preset", "hours.preset": ""}, "hours.preset"),
    ({"holdout.percent": "2,5"}, "holdout.percent"),
    ({"pace.rate": "fast"}, "pace.rate"),
    ({"pace.delay_between": "1.5"}, "pace.delay_between"),
    ({"caps[0].max": "many", "caps[0].per": "7d"}, "caps[0].max"),
    ({"budget.max": "50"}, "budget.currency"),
    ({"budget.currency": "Euro", "budget.max": "50"}, "budget.currency"),
    ({"holdout.percent": "200"}, "holdout.percent"),
    ({"breaker.of_last": "5"}, "breaker.of_last"),
    ({"schedule.expires_after": "0s"}, "schedule.expires_after"),
)


async def test_what_is_wrong_is_told_at_its_field(editor: Browser, settings: Settings) -> None:
    draft = await create_draft(settings, "spring", HEAD)
    empty = fields_of((await editor.get(PAGE)).text)
    for changes, key in WRONG:
        answer = await editor.post(PAGE, {**empty, **changes})
        if answer.status_code == 303:  # something is merely missing, and may come later
            faults = (await open_draft(settings, "spring")).faults
            assert key in [".".join(map(str, fault.key)) for fault in faults]
            draft.path.write_text(HEAD)
            continue
        assert answer.status_code == 422, key
        assert f'href="#f-{key}"' in answer.text
        assert f'id="f-{key}"' in answer.text
        assert draft.path.read_text() == HEAD, key
        entered = fields_of(answer.text)
        assert {name: entered[name] for name in changes} == changes


async def test_what_was_typed_is_kept_where_somebody_else_changed_the_draft(
    editor: Browser, settings: Settings
) -> None:
    draft = await create_draft(settings, "spring", HEAD)
    fields = fields_of((await editor.get(PAGE)).text)
    await save_text(settings, "spring", HEAD + "# theirs\n", draft.digest)
    answer = await editor.post(PAGE, {**fields, "pace.rate": "7/s"})
    assert answer.status_code == 422
    assert "nothing was saved. What you entered is below" in answer.text
    assert fields_of(answer.text)["pace.rate"] == "7/s"
    assert (await editor.post(PAGE, fields_of(answer.text))).status_code == 303
    saved = (await open_draft(settings, "spring")).text
    assert "# theirs" in saved
    assert 'rate = "7/s"' in saved


async def test_a_list_of_numbers_has_its_problem_at_its_field(editor: Browser, settings: Settings) -> None:
    await create_draft(settings, "spring", HEAD)
    answer = await editor.post(PAGE, {**fields_of((await editor.get(PAGE)).text), "pace.ramp": "100; 200"})
    assert 'id="p-pace.ramp">Write a whole number, such as 5, not &#39;100; 200&#39;.' in answer.text


async def test_a_time_in_the_past_is_explained_without_the_command_line(
    editor: Browser, settings: Settings
) -> None:
    await create_draft(settings, "spring", HEAD)
    fields = fields_of((await editor.get(PAGE)).text)
    at = {"when": "at", "schedule.at": "2020-01-01T09:00", "schedule.timezone": "Europe/Berlin"}
    text = await sentence(editor, {**fields, **at})
    assert "days ago. Correct the time: year, month, day, in this order." in text
    assert "--" not in text


async def sentence(browser: Browser, fields: dict[str, str]) -> str:
    fragment = await browser.post(f"{PAGE}/preview", fields)
    return html.unescape(re.sub(r"<[^>]+>", "", fragment.text))


async def test_the_sentence_follows_the_form(editor: Browser, settings: Settings) -> None:
    draft = await create_draft(settings, "spring", HEAD + '[audience]\ncsv = "people.csv"\n')
    rows = "".join(f"+4477009{number:05d}\n" for number in range(120))
    (draft.folder / "people.csv").write_text(f"phone\n{rows}")
    fields = fields_of((await editor.get(PAGE)).text)
    fields |= {"when": "at", "schedule.at": "2096-12-24T09:00", "schedule.timezone": "Europe/Berlin"}
    fields |= {"pace.rate": "2/m", "hours-way": "allow", "hours.allow": "09:00-18:00"}
    text = await sentence(editor, fields)
    assert (
        "The first of 120 messages goes at 24 Dec 2096, 09:00 CET, the last at about 24 Dec 2096, 09:59 CET."
        in text
    )
    assert "the campaign's rate, 2/m" in text
    runs = {**fields, "when": "cron", "schedule.cron": "0 9 1 * *", "schedule.starts_at": "2096-01-01T00:00"}
    own = await sentence(editor, {**fields, "schedule.recipient_local_time": "on"})
    assert "Each person gets it at 24 Dec 2096, 09:00 by their own clock." in own
    assert "the last of 120 messages goes about 59 min later." in own
    text = await sentence(editor, runs)
    assert "1 Jan 2096, 09:00 CET" in text
    assert "1 Mar 2096, 09:00 CET" in text
    without_script = await editor.post(PAGE, {**runs, "show": "1"})
    assert "1 Mar 2096, 09:00 CET" in re.sub(r"<[^>]+>", "", without_script.text)


async def test_messages_are_counted_once_the_list_is_checked(
    editor: Browser, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row without a name gets no message; until the check knows that, no number is shown."""
    text = HEAD.replace("Hi", "Hi {{ name }}") + '[audience]\ncsv = "people.csv"\n'
    draft = await create_draft(settings, "spring", text)
    rows = "".join(f"+4477009{number:05d},{'Ada' if number % 2 else ''}\n" for number in range(120))
    (draft.folder / "people.csv").write_text(f"phone,name\n{rows}")
    may_check, check = asyncio.Event(), list_step.check_list

    async def later(settings: Settings, name: str) -> None:
        await may_check.wait()
        await check(settings, name)

    monkeypatch.setattr(list_step, "check_list", later)
    monkeypatch.setattr(routes, "PATIENCE", 0.01)
    page = (await editor.get(PAGE)).text
    for shown in (page, (await editor.post(f"{PAGE}/preview", fields_of(page))).text):
        assert 'data-again="2">The list is being checked.' in shown
        assert "of <b>" not in shown, "no number"
    may_check.set()
    monkeypatch.setattr(routes, "PATIENCE", 30.0)
    page = (await editor.get(PAGE)).text
    assert "The first of <b>60 messages</b>" in page
    assert "data-again" not in page
    fields = {**fields_of(page), "when": "at", "schedule.at": "2096-12-24T09:00"}
    fields |= {"schedule.timezone": "Europe/Berlin", "stay": "1"}
    assert (await editor.post(PAGE, fields)).status_code == 303
    page = (await editor.get(PAGE)).text
    assert "The first of <b>60 messages</b>" in page, "right after saving, too"


def outline(settings: Settings, tables: str, recipients: int) -> tuple[str, str, str]:
    """First and last message in UTC, and the limit that decides."""
    text = f'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[content]\ntext = "Hi"\n{tables}'
    shown = preview_rules(settings, parse_toml(Path("x.toml"), text.encode()), recipients, NOW)
    assert shown.outline is not None
    found = shown.outline
    return (
        f"{found.first_at:%d %H:%M}",
        f"{found.last_at:%d %H:%M}",
        found.binding.name if found.binding else "",
    )


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ("", ("29 12:00", "29 12:00", "")),
        ('[pace]\nrate = "1/m"\n', ("29 12:00", "29 12:59", "campaign_rate")),
        ('[hours]\nallow = "13:00-13:30"\n[pace]\nrate = "1/m"\n', ("29 13:00", "30 13:29", "hours")),
        (
            '[hours]\nallow = "13:00-14:30"\n[schedule]\ntimezone = "Africa/Lagos"\n',
            ("29 12:00", "29 12:00", ""),
        ),
        ("[pace]\nramp = [20, 20]\n", ("29 12:00", "01 00:00", "ramp")),
    ],
)
def test_the_first_and_the_last_message(
    settings: Settings, tables: str, expected: tuple[str, str, str]
) -> None:
    assert outline(settings, tables, 60) == expected


def test_a_time_in_the_past_is_refused(settings: Settings) -> None:
    text = f'{HEAD}[schedule]\nat = "2026-11-28T09:00"\ntimezone = "UTC"\n'
    with pytest.raises(SpecError, match="was 27 hours ago"):
        preview_rules(settings, parse_toml(Path("x.toml"), text.encode()), 1, NOW)


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
async def test_no_text_becomes_html(editor: Browser, settings: Settings, attack: str) -> None:
    quoted = attack.replace('"', '\\"')
    await create_draft(
        settings, "spring", f'tags = ["{quoted}"]\n{HEAD}[holdout]\npercent = 1\nsalt = "{quoted}"\n'
    )
    fields = fields_of((await editor.get(PAGE)).text)
    assert (fields["tags"], fields["holdout.salt"]) == (attack, attack)
    for shown in (
        await editor.get(PAGE),
        await editor.post(PAGE, {**fields, "schedule.cron": attack, "when": "cron"}),
    ):
        assert "<script>alert" not in shown.text
        assert "<img" not in shown.text

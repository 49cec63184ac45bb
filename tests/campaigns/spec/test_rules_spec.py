"""The tables of the campaign file that say under which rules it sends: what they mean, and what they refuse."""

from __future__ import annotations

import ast
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import SpecError
from campaigns.money.costs import Money
from campaigns.rules.caps import Calendar, Cap
from campaigns.rules.decision import Consent, Holdout, Hours
from campaigns.spec.campaign_spec import CampaignSpec, load_spec
from campaigns.spec.cap_spec import CapSpec
from campaigns.spec.rules_spec import BudgetSpec, HoursSpec
from campaigns.spec.values import Category
from campaigns.time import public_holidays
from tests.support.cases import each

HEAD = 'name = "spring-sale"\nprovider = "ourvoice"\nsenders = ["shop"]\n[content]\ntext = "Hi"\n'
TABLES = """
[[caps]]
max = 2
per = "7d"
[[caps]]
max = 1
per = "day"
on_cap = "wait"
category = "utility"
tag = "news"
channel = "ourvoice"
[hours]
quiet = ["21:00-08:00", "12:00-14:00"]
days = ["mon", "sun"]
[budget]
currency = "XOF"
max = "5000"
per_day = "1000.5"
per_month = "0.000001"
[consent]
max_age = "365d"
[holdout]
percent = 2.5
[breaker]
percent = 10
of_last = 50
"""


def load(folder: Path, tables: str) -> CampaignSpec:
    file = folder / "spring.toml"
    file.write_text(HEAD + tables, encoding="utf-8")
    return load_spec(file)


def clock(text: str) -> tuple[tuple[time, time], ...]:
    spans = (span.split("-") for span in text.split())
    return tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in spans)


def test_every_table_becomes_the_policy_that_the_rules_read(tmp_path: Path) -> None:
    spec = load(tmp_path, TABLES)
    assert [cap.cap for cap in spec.caps] == [
        Cap(2, timedelta(days=7)),
        Cap(1, Calendar.DAY, True, "utility", "news", "ourvoice"),
    ]
    assert spec.hours
    assert spec.hours.hours == Hours(clock("08:00-12:00 14:00-21:00"), frozenset({0, 6}))
    assert spec.budget
    assert spec.budget.max == Decimal(5000)
    assert spec.budget.money(Decimal("1000.5")) == Money(Decimal("1000.5"), "XOF")
    assert spec.consent
    assert spec.consent.consent == Consent(timedelta(days=365))
    assert spec.holdout
    assert spec.holdout.holdout(spec.name) == Holdout(2.5, "spring-sale")
    assert (spec.breaker.percent, spec.breaker.of_last) == (10, 50)


def test_every_table_is_frozen_and_read_again_unchanged(tmp_path: Path) -> None:
    spec = load(tmp_path, TABLES)
    again = CampaignSpec.from_json(spec.to_json())
    assert again == spec
    assert again.to_json() == spec.to_json()


def test_a_salt_of_ones_own_and_consent_that_is_not_asked_for(tmp_path: Path) -> None:
    spec = load(tmp_path, '[holdout]\npercent = 5\nsalt = "2026"\n[consent]\nrequired = false\n')
    assert spec.holdout
    assert spec.holdout.holdout("spring-sale") == Holdout(5, "2026")
    assert spec.consent
    assert spec.consent.consent is None


@pytest.mark.parametrize(
    ("quiet", "left"),
    [
        (["21:00-08:00"], "08:00-21:00"),
        (["12:00-14:00"], "00:00-12:00 14:00-00:00"),
        (["00:00-08:00", "19:00-24:00"], "08:00-19:00"),
        (["22:00-06:00", "05:00-09:00"], "09:00-22:00"),
        (["08:00-10:00", "09:00-12:00", "09:15-09:30"], "00:00-08:00 12:00-00:00"),
        (["00:00-12:00"], "12:00-00:00"),
        (["00:01-00:00"], "00:00-00:01"),
    ],
)
def test_quiet_is_what_allow_is_not(quiet: list[str], left: str) -> None:
    assert HoursSpec.model_validate({"quiet": quiet}).hours.allow == clock(left)


MINUTES = st.integers(0, 1439)
SPANS = st.lists(st.tuples(MINUTES, MINUTES).filter(lambda span: span[0] != span[1]), min_size=1, max_size=4)


def written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@given(SPANS)
def test_each_minute_is_either_quiet_or_allowed(spans: list[tuple[int, int]]) -> None:
    quiet = {minute for start, end in spans for minute in range(1440) if within(minute, start, end)}
    texts = [f"{written(start)}-{written(end)}" for start, end in spans]
    if len(quiet) == 1440:
        with pytest.raises(ValueError, match="quiet leaves no time to send"):
            HoursSpec.model_validate({"quiet": texts})
        return
    allowed = HoursSpec.model_validate({"quiet": texts}).hours.allow
    times = [(start.hour * 60 + start.minute, end.hour * 60 + end.minute) for start, end in allowed]
    assert all(start < end or end == 0 for start, end in times), "each lies within one day"
    assert {m for m in range(1440) if any(within(m, *span) for span in times)} == {*range(1440)} - quiet


def within(minute: int, start: int, end: int) -> bool:
    return start <= minute < end if start < end else minute >= start or minute < end


CAPS = st.builds(
    dict,
    max=st.integers(1, 10**6),
    per=st.sampled_from(["day", "week", "1ms", "90s", "7d", "1.5h", "366d"]),
    on_cap=st.sampled_from(["skip", "wait"]),
    category=st.none() | st.sampled_from([category.value for category in Category]),
    tag=st.none() | st.text(),
)
ALLOWED = SPANS.map(lambda spans: {"allow": [f"{written(a)}-{written(b)}" for a, b in spans]})
WHOLE_DAY = st.just({"allow": "00:00-24:00", "days": ["sat"]})
DATED = st.sampled_from([{"preset": "fr-marketing"}, {"holidays": ["FR", "US-TX"], "quiet": "21:00-08:00"}])
AMOUNTS = st.decimals("0.000001", "1000000000", places=6).map(str)


@given(st.lists(CAPS, max_size=3), ALLOWED | WHOLE_DAY | DATED, AMOUNTS, st.integers(1, 9999))
def test_whatever_is_accepted_is_read_again_unchanged(
    caps: list[dict[str, Any]], hours: dict[str, Any], amount: str, hundredths: int
) -> None:
    spec = CampaignSpec.model_validate(
        {
            "name": "a",
            "provider": "p",
            "senders": ["s"],
            "content": {"text": "Hi"},
            "caps": caps,
            "hours": hours,
            "budget": {"currency": "USD", "max": amount},
            "holdout": {"percent": hundredths / 100},
        }
    )
    again = CampaignSpec.from_json(spec.to_json())
    assert again == spec
    assert spec.hours
    assert again.hours
    assert again.hours.hours == spec.hours.hours


def hours_of(**table: Any) -> Hours:
    return HoursSpec.model_validate(table).hours


def test_holidays_alone_leave_the_other_days_whole() -> None:
    hours = hours_of(holidays="FR")
    assert hours.spans_on(date(2026, 7, 14)) == ()
    assert hours.spans_on(date(2026, 7, 15)) == clock("00:00-00:00")


def test_holidays_of_a_region_are_those_of_its_country_and_its_own() -> None:
    second_of_christmas, victory = date(2026, 12, 26), date(2026, 5, 8)
    assert victory in hours_of(holidays="FR").holidays
    assert second_of_christmas not in hours_of(holidays="FR").holidays
    assert {second_of_christmas, victory} == {
        day for day in (second_of_christmas, victory) if day in hours_of(holidays="FR-57").holidays
    }
    both = hours_of(preset="fr-marketing", holidays="FR-57")
    assert second_of_christmas in both.holidays
    assert both.allow == clock("08:00-22:00")


def test_holidays_are_those_of_the_year_they_are_observed_in() -> None:
    """New Year of 2022 was a Saturday: the United States observed it on the last day of 2021."""
    assert date(2021, 12, 31) in hours_of(holidays="US").holidays


@each(
    ("preset", "day", "spans"),
    [
        ("fr-marketing", date(2026, 11, 28), "08:00-22:00"),
        ("fr-marketing", date(2026, 11, 29), ""),  # a Sunday
        ("fr-marketing", date(2026, 12, 25), ""),
        ("in-marketing", date(2026, 11, 29), "10:00-21:00"),
        ("us-marketing", date(2026, 11, 29), "08:00-21:00"),
        ("us-fl-marketing", date(2026, 11, 30), "08:00-20:00"),
        ("us-md-marketing", date(2026, 11, 30), "08:00-20:00"),
        ("us-ok-marketing", date(2026, 11, 30), "08:00-20:00"),
        ("us-wa-marketing", date(2026, 11, 30), "08:00-20:00"),
        ("us-wy-marketing", date(2026, 11, 30), "08:00-20:00"),
        ("us-tx-marketing", date(2026, 11, 30), "08:00-21:00"),
        ("us-tx-marketing", date(2026, 11, 29), "12:00-21:00"),
        ("us-pa-marketing", date(2026, 11, 28), "08:00-21:00"),
        ("us-pa-marketing", date(2026, 11, 29), ""),
    ],
)
def test_a_preset_is_what_its_table_says(preset: str, day: date, spans: str) -> None:
    assert hours_of(preset=preset).spans_on(day) == clock(spans)


def test_hours_are_described() -> None:
    assert HoursSpec.model_validate({"allow": "09:00-24:00"}).text == "09:00-24:00, by the recipient's clock"
    texas = HoursSpec.model_validate({"preset": "us-tx-marketing", "holidays": ["US-TX"]})
    assert texas.text == (
        "us-tx-marketing: 08:00-21:00; sun 12:00-21:00; not on public holidays of US-TX, by the recipient's clock"
    )


def test_a_campaign_without_holidays_does_not_load_their_library() -> None:
    module = ast.parse(Path(public_holidays.__file__).read_text(encoding="utf-8"))
    at_the_top = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert "holidays" not in {name for node in at_the_top for name in ast.unparse(node).split()}


@each(
    ("table", "said"),
    [
        ('[[caps]]\nmax = 0\nper = "7d"', "line 7: caps[0].max: input should be greater than or equal to 1"),
        (
            f'[[caps]]\nmax = {10**30}\nper = "7d"',
            "line 7: caps[0].max: input should be less than or equal to 1000000",
        ),
        ("[[caps]]\nmax = 2", "line 6: caps[0].per is missing."),
        ('[[caps]]\nmax = 2\nper = "monthly"', 'line 8: caps[0].per: write a period such as "7d" or "12h"'),
        (
            '[[caps]]\nmax = 2\nper = "400d"',
            "line 8: caps[0].per: it must be more than 0 and at most",
        ),
        ('[[caps]]\nmax = 2\nper = "0.1ms"', "line 8: caps[0].per: it must be more than 0"),
        (f'[[caps]]\nmax = 2\nper = "{"9" * 20}d"', "line 8: caps[0].per: write a period"),
        ('[[caps]]\nmax = 2\nper = "7d"\non_cap = "drop"', "line 9: caps[0].on_cap: input should be 'skip'"),
        (
            '[[caps]]\nmax = 2\nper = "7d"\ncategory = "ads"',
            "line 9: caps[0].category: input should be 'marketing'",
        ),
        (
            '[[caps]]\nmax = 2\nper = "7d"\nchanel = "a"',
            "line 9: caps[0].chanel is not known. Did you mean caps[0].channel?",
        ),
        ('[hours]\nallow = "9 to 5"', "line 7: hours.allow: '9 to 5' are not hours; write them like"),
        ('[hours]\nallow = "25:00-26:00"', "line 7: hours.allow: 25:00 is not a time of day."),
        ('[hours]\nallow = "09:00-09:00"', "line 7: hours.allow: '09:00-09:00' begins and ends"),
        ("[hours]\nallow = []", "line 7: hours.allow: hours are written as"),
        ("[hours]\nallow = [9]", "line 7: hours.allow: 9 are not hours"),
        ('[hours]\nallow = "9:00-10:00"\nquiet = "12:00-13:00"', "line 6: hours: give either allow or quiet"),
        (
            '[hours]\ndays = ["mon"]',
            "line 6: hours: give either allow or quiet, a preset, or holidays; allow =",
        ),
        (
            '[hours]\npreset = "fr"',
            "line 7: hours.preset: 'fr' is not known; the presets are fr-marketing, in-",
        ),
        (
            '[hours]\npreset = "fr-marketing"\nallow = "10:00-23:00"\ndays = ["sun"]',
            "line 6: hours: the preset fr-marketing sets the hours (08:00-22:00 on mon, tue, wed, thu, fri, sat; "
            "not on public holidays of FR): leave out allow and days, or write these hours without the preset.",
        ),
        (
            '[hours]\nholidays = "France"',
            "line 7: hours.holidays: 'France' is not a country; write its two letters",
        ),
        ('[hours]\nholidays = "XX"', "line 7: hours.holidays: the public holidays of 'XX' are not known"),
        (
            '[hours]\nholidays = ["FR-99"]',
            "line 7: hours.holidays: FR has no region '99' with holidays of its own",
        ),
        ("[hours]\nholidays = 7", 'line 7: hours.holidays: write a country such as "FR", or a list'),
        ("[hours]\nholidays = []", "line 7: hours.holidays: "),
        (
            '[hours]\nquiet = ["00:00-12:00", "12:00-24:00"]',
            "line 6: hours: quiet leaves no time to send.",
        ),
        ('[hours]\nallow = "9:00-10:00"\ndays = ["monday"]', "line 8: hours.days[0]: input should be 'mon'"),
        ('[budget]\nmax = "5"', "line 6: budget.currency is missing."),
        ('[budget]\ncurrency = "usd"\nmax = "5"', "line 7: budget.currency: 'usd' is not a currency; write"),
        ('[budget]\ncurrency = "USD"', "line 6: budget: give max, per_day or per_month."),
        ('[budget]\ncurrency = "USD"\nmax = 5', "line 8: budget.max: an amount is written in quotes"),
        (
            '[budget]\ncurrency = "USD"\nmax = "5 $"',
            "line 8: budget.max: '5 $' is not an amount; write it like",
        ),
        ('[budget]\ncurrency = "USD"\nmax = "0"', "line 8: budget.max: an amount must be more than 0"),
        ('[budget]\ncurrency = "USD"\nmax = "nan"', "line 8: budget.max: an amount must be more than 0"),
        ('[budget]\ncurrency = "USD"\nmax = "1e12"', "line 8: budget.max: an amount must be more than 0 and"),
        ('[budget]\ncurrency = "USD"\nmax = "0.0000001"', "line 8: budget.max: an amount has at most six"),
        ('[consent]\nmax_age = "0d"', "line 7: consent.max_age: it must be more than 0."),
        ('[consent]\nmax_age = "a year"', "line 7: consent.max_age: a duration is written as"),
        (f'[consent]\nmax_age = "{"9" * 20}d"', "line 7: consent.max_age: 99999999999999999999d is too long"),
        ('[consent]\nrequired = "yes"', "line 7: consent.required: input should be a valid boolean"),
        ("[holdout]\npercent = 100", "line 7: holdout.percent: input should be less than 100"),
        ("[holdout]\npercent = 0.001", "line 7: holdout.percent: a share has at most two decimal places"),
        ('[holdout]\nsalt = "a"', "line 6: holdout.percent is missing."),
        (f"[pace]\nramp = [{10**30}]", "line 7: pace.ramp[0]: input should be less than or equal to"),
        ("[breaker]\nof_last = 5", "line 7: breaker.of_last: input should be greater than or equal to 10"),
    ],
)
def test_errors_name_line_and_key(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, table + "\n")
    assert f"spring.toml, {said}" in str(caught.value)


def test_a_stretch_is_written_as_people_write_it() -> None:
    written_pers = [
        CapSpec.model_validate({"max": 1, "per": per}).model_dump()["per"] for per in ("36h", "day")
    ]
    assert written_pers == ["36h", "day"]


def test_a_budget_is_written_as_a_decimal() -> None:
    budget = BudgetSpec.model_validate({"currency": "USD", "max": "1e3", "per_day": "0.0225"})
    assert (budget.model_dump()["max"], budget.model_dump()["per_day"]) == ("1000.00", "0.0225")

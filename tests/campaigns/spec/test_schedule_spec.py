"""[schedule]: what it accepts, what it says about what it does not, and cron as cron reads it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from campaigns.spec.schedule_spec import CatchUp, ScheduleSpec
from campaigns.time.cron import Cron
from tests.support.cases import each

ALL_DAYS = frozenset(range(7))


@each(
    ("text", "weekdays"),
    [
        ("*", ALL_DAYS),
        ("0", {6}),
        ("7", {6}),
        ("1", {0}),
        ("mon", {0}),
        ("SUN", {6}),
        ("1-5", {0, 1, 2, 3, 4}),
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("5-7", {4, 5, 6}),
        ("sat-sun", {5, 6}),
        ("0-2", {6, 0, 1}),
        ("0,6", {5, 6}),
        ("*/2", {6, 1, 3, 5}),
        ("1/3", {0, 3}),
        ("1-5/2", {0, 2, 4}),
    ],
)
def test_days_of_the_week_are_those_of_cron(text: str, weekdays: set[int]) -> None:
    assert Cron.parse(f"0 9 * * {text}").weekdays == weekdays


def test_the_other_fields() -> None:
    cron = Cron.parse("  */20 1-3,22 1/10 jan-mar/2,DEC * ")
    assert str(cron) == "*/20 1-3,22 1/10 jan-mar/2,DEC *"
    assert (cron.minutes, cron.hours) == ({0, 20, 40}, {1, 2, 3, 22})
    assert (cron.days, cron.months, cron.either_day) == ({1, 11, 21, 31}, {1, 3, 12}, False)
    assert Cron.parse("0 0 13 * fri").either_day
    assert not Cron.parse("0 0 13 * */2").either_day


@each(
    ("text", "says"),
    [
        ("0 9 * *", "does not have the five fields of cron"),
        ("@daily", "does not have the five fields of cron"),
        ("0 9 * * * *", "does not have the five fields of cron"),
        (9, "9 does not have the five fields of cron"),
        ("60 9 * * *", "its minute '60' must be from 0 to 59"),
        ("0 24 * * *", "its hour '24' must be from 0 to 23"),
        ("0 9 0 * *", "its day of month '0' must be from 1 to 31"),
        ("0 9 * 13 *", "its month '13' must be from 1 to 12"),
        ("0 9 * * 8", "its day of week '8' must be from 0 to 7"),
        ("0 9 * * fri-mon", "its day of week 'fri-mon' runs backwards"),
        ("30-10 9 * * *", "its minute '30-10' runs backwards"),
        ("*/0 9 * * *", "its minute '*/0' has a step of 0"),
        ("0 9 * * monday", "its day of week 'monday' cannot be read"),
        ("0 9 L * *", "its day of month 'L' cannot be read"),
        ("0 9 1,, * *", "its day of month '1,,' cannot be read"),
        ("0 9 * jan-13 *", "must be from 1 to 12"),
        ("0 9 ٣ * *", "cannot be read"),
        ("0 9 31 2,4 *", "never happens"),
    ],
)
def test_an_invalid_cron_is_reported_with_its_field(text: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Cron.parse(text)
    with pytest.raises(ValidationError) as caught:
        ScheduleSpec(cron=text, timezone="UTC")
    assert caught.value.errors()[0]["loc"] == ("cron",)


def test_leap_day_happens() -> None:
    assert Cron.parse("0 9 29 2 *").days == {29}


@each(
    ("values", "says"),
    [
        ({"at": "2026-12-01T09:00Z", "cron": "0 9 * * *"}, "one of at, cron and every, not at and cron"),
        ({"cron": "0 9 * * *", "every": "1d"}, "not cron and every"),
        ({"at": "2026-12-01T09:00Z", "every": "1d"}, "every counts from starts_at; call at starts_at"),
        ({"cron": "0 9 * * *", "timezone": None}, "cron has no time zone"),
        ({"every": "1d", "starts_at": "2026-12-01T09:00", "timezone": None}, "has no time zone"),
        ({"recipient_local_time": True, "timezone": None}, "recipient_local_time needs the timezone"),
        ({"max_runs": 2}, "max_runs can be used only with cron or every"),
        ({"overlap": "queue"}, "overlap can be used only with cron or every"),
        ({"at": "2026-12-01T09:00Z", "catch_up": "1h"}, "catch_up can be used only with cron or every"),
        ({"starts_at": "2026-12-01T09:00Z"}, "starts_at can be used only with cron or every"),
        ({"every": "59s"}, "it must be from 1m to 366d"),
        ({"every": "367d"}, "it must be from 1m to 366d"),
        ({"every": "61.5s"}, "in whole seconds"),
        ({"every": "1d", "max_runs": 0}, "greater than or equal to 1"),
        ({"every": "1d", "max_runs": 10**30}, "less than or equal to 1000000"),
        ({"every": "1d", "catch_up": "soon"}, 'write a duration such as "1h", or "always" or "never"'),
        ({"every": "1d", "catch_up": "30s"}, 'it must be at least "1m"'),
        ({"every": "1d", "overlap": "stop"}, "Input should be 'skip' or 'queue'"),
        (
            {"every": "1d", "starts_at": "2026-12-01T09:00Z", "ends_at": "2026-12-01T09:00Z"},
            "ends_at must be later than starts_at",
        ),
        ({"at": "0001-01-01T00:00+14:00"}, "outside the range of valid times"),
        ({"at": "9999-12-31T23:59-12:00"}, "outside the range of valid times"),
        ({"at": "9999-12-31T23:59", "timezone": "America/New_York"}, "outside the range of valid times"),
        ({"every": "1d", "ends_at": "9999-12-31T23:59-12:00"}, "outside the range of valid times"),
    ],
)
def test_a_nonsensical_schedule_is_reported(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ScheduleSpec(**{"timezone": "Europe/Paris", **values})
    assert says in str(caught.value)


def test_it_is_stored_as_it_was_written() -> None:
    spec = ScheduleSpec(
        cron="0 9 * * mon",
        timezone="Europe/Paris",
        starts_at="2026-12-01T09:00",
        ends_at="2027-12-01T09:00",
        max_runs=9,
        expires_after="12h",
        recipient_local_time=True,
        catch_up="2h",
        overlap="queue",
    )
    assert ScheduleSpec.model_validate_json(spec.model_dump_json(exclude_none=True)) == spec
    assert ScheduleSpec.model_validate(spec.model_dump()) == spec
    assert spec.lateness == timedelta(hours=2)
    never = ScheduleSpec(every="90m", starts_at="2026-12-01T09:00Z", catch_up="never")
    assert ScheduleSpec.model_validate_json(never.model_dump_json()) == never
    assert never.catch_up is CatchUp.NEVER


def test_it_is_moved_to_another_start() -> None:
    start = datetime(2026, 12, 5, 9, tzinfo=UTC)
    cron = ScheduleSpec(cron="0 9 * * *", timezone="UTC", max_runs=3, catch_up="always", overlap="queue")
    once = ScheduleSpec.model_validate({**cron.model_dump(), **cron.moved_to(start)})
    assert (once.start_at, once.recurs) == (start, False)
    daily = ScheduleSpec(every="1d", starts_at="2026-12-01T09:00Z", max_runs=3)
    moved = ScheduleSpec.model_validate({**daily.model_dump(), **daily.moved_to(start)})
    assert (moved.first_at, moved.every, moved.max_runs) == (start, timedelta(days=1), 3)


def test_fractions_of_a_second_are_none() -> None:
    assert ScheduleSpec(at="2026-12-01T09:00:00.75Z").start_at == datetime(2026, 12, 1, 9, tzinfo=UTC)

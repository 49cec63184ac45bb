"""Nominal times against a walk through the year, and what becomes of those whose time has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.spec.schedule_spec import ScheduleSpec
from scheduler.clock.calendar import MOST_AT_ONCE, Before, Miss, Turn, first_start, occurrences, take_turn
from tests.support.cases import each, each_once
from tests.support.clockwork import QUARTER, YEAR, ZONES, expected

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NINE = datetime(2026, 6, 1, 9, tzinfo=UTC)


def times(begin: datetime = YEAR[0], end: datetime = YEAR[1], **schedule: Any) -> list[datetime]:
    """The nominal times from `begin` on, before `end`."""
    found = []
    for time in occurrences(ScheduleSpec(**schedule), begin - timedelta(microseconds=1)):
        if time >= end:
            break
        found.append(time)
    return found


def local(zone: str, *written: str, **schedule: Any) -> None:
    """The first times of a schedule, as the zone's clocks and their offset show them."""
    here = ScheduleSpec(timezone=zone).zone
    begin = datetime.fromisoformat(written[0]).astimezone(UTC) - timedelta(minutes=1)
    found = islice(occurrences(ScheduleSpec(timezone=zone, **schedule), begin), len(written))
    assert [time.astimezone(here).isoformat(timespec="minutes") for time in found] == list(written)


def test_every_keeps_the_time_of_day_that_is_written_though_its_first_day_skips_it() -> None:
    written = ("2027-03-28T03:00+02:00", "2027-03-29T02:30+02:00", "2027-03-30T02:30+02:00")
    local("Europe/Paris", *written, every="1d", starts_at="2027-03-28T02:30")


@pytest.mark.parametrize(
    ("cron", "zone"),
    each_once(["30 2 * * *", "*/15 0-3 * * 0", "0 9 1,15 */2 *", "45 23 31 * 1-5"], ZONES),
)
def test_a_year_of_cron_is_what_the_clocks_show(cron: str, zone: str) -> None:
    found = times(cron=cron, timezone=zone)
    assert found == expected(cron, zone)
    assert found


FIELDS = st.tuples(
    st.lists(st.sampled_from(["0", "15", "30", "45", "*/15", "*/30"]), min_size=1, max_size=3),
    st.sampled_from(["*", "0-4", "*/2", "1,2,3", "2", "23", "22-23", "0"]),
    st.sampled_from(["*", "1", "*/7", "25-31", "8,29"]),
    st.sampled_from(["*", "3,4,10,11", "2-12/2"]),
    st.sampled_from(["*", "0", "7", "5-7", "*/2", "0,6", "1-5"]),
)


@given(FIELDS, st.sampled_from(ZONES), st.integers(0, 364), st.integers(0, 95))
def test_any_cron_in_any_zone_from_any_moment(
    fields: tuple[list[str], str, str, str, str], zone: str, day: int, quarter: int
) -> None:
    cron = " ".join([",".join(fields[0]), *fields[1:]])
    begin = YEAR[0] + day * DAY + quarter * QUARTER
    end = min(begin + 40 * DAY, YEAR[1])
    assert times(begin, end, cron=cron, timezone=zone) == expected(cron, zone, begin, end)


@given(st.sampled_from(ZONES), st.integers(0, 35_000))
def test_the_rest_of_the_times_follows_from_any_of_them(zone: str, quarter: int) -> None:
    schedule = ScheduleSpec(cron="*/30 1-3 * * *", timezone=zone)
    after = YEAR[0] + quarter * QUARTER
    first, second, third = islice(occurrences(schedule, after), 3)
    assert after < first < second < third
    assert list(islice(occurrences(schedule, first), 2)) == [second, third]


def test_a_time_in_the_gap_is_the_first_instant_after_it() -> None:
    local(
        "Europe/Paris",
        "2026-03-28T02:30+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
        cron="30 2 * * *",
    )
    local("Australia/Lord_Howe", "2026-10-03T02:15+10:30", "2026-10-04T02:30+11:00", cron="15 2 * * *")
    local("Pacific/Apia", "2011-12-29T12:00-10:00", "2011-12-31T00:00+14:00", cron="0 12 29,30 12 *")


def test_several_times_in_one_gap_happen_once() -> None:
    local(
        "America/New_York",
        "2026-03-08T01:30-05:00",
        "2026-03-08T03:00-04:00",
        "2026-03-08T03:30-04:00",
        cron="*/30 * * * *",
    )


def test_a_repeated_time_happens_once() -> None:
    local(
        "Europe/Paris",
        "2026-10-25T02:30+02:00",
        "2026-10-25T03:00+01:00",
        "2026-10-25T03:30+01:00",
        cron="*/30 * * * *",
    )
    local("Europe/Paris", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00", cron="30 2 * * *")


def test_whole_days_keep_the_time_of_day_and_hours_do_not() -> None:
    start = "2026-03-27T02:30"
    local(
        "Europe/Paris",
        "2026-03-28T02:30+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
        every="1d",
        starts_at=start,
    )
    local(
        "Europe/Paris",
        "2026-03-28T14:30+01:00",
        "2026-03-30T03:30+02:00",
        "2026-03-31T15:30+02:00",
        every="36h",
        starts_at=start,
    )


@given(
    st.integers(1, 20_000).map(lambda minutes: timedelta(minutes=minutes)),
    st.sampled_from(ZONES),
    st.integers(-5000, 35_000),
)
def test_every_is_a_rhythm(every: timedelta, zone: str, quarter: int) -> None:
    start, after = NINE, YEAR[0] + quarter * QUARTER
    schedule = ScheduleSpec(every=every, starts_at=start, timezone=zone)
    found = list(islice(occurrences(schedule, after), 5))
    assert all(start <= time > after for time in found)
    if every % DAY:
        assert all((time - start) % every == timedelta() for time in found)
        assert all(later - sooner == every for sooner, later in pairwise(found))
    else:
        here = schedule.zone
        walls = [time.astimezone(here).replace(tzinfo=None) for time in found]
        first = start.astimezone(here).replace(tzinfo=None)
        assert all((wall - first) % every in (timedelta(), HOUR, HOUR / 2) for wall in walls)  # after a gap
    assert found[0] == start or found[0] - after <= every + HOUR


def test_the_beginning_counts_and_the_end_does_not() -> None:
    hourly = {"cron": "0 * * * *", "timezone": "UTC"}
    assert times(starts_at=NINE, ends_at=NINE + 2 * HOUR, **hourly) == [NINE, NINE + HOUR]
    assert times(every="1h", starts_at=NINE, ends_at=NINE + 2 * HOUR) == [NINE, NINE + HOUR]
    assert times(at=NINE) == [NINE]
    assert times(every="1h") == []


def test_the_first_start() -> None:
    hourly = ScheduleSpec(cron="0 * * * *", timezone="UTC")
    assert first_start(hourly, NINE) == NINE
    assert first_start(hourly, NINE + timedelta(seconds=1)) == NINE + HOUR
    assert first_start(ScheduleSpec(at=NINE), NINE + DAY) == NINE
    assert first_start(ScheduleSpec(every="1d", starts_at=NINE), NINE + 90 * HOUR) == NINE + 4 * DAY
    assert first_start(ScheduleSpec(every="1d"), NINE) is None
    ended = ScheduleSpec(cron="0 * * * *", timezone="UTC", ends_at=NINE)
    assert first_start(ended, NINE) is None


def test_the_calendar_ends_without_an_error() -> None:
    last = datetime(9999, 12, 30, tzinfo=UTC)
    assert len(list(occurrences(ScheduleSpec(cron="0 0 * * *", timezone="Asia/Tokyo"), last))) <= 2
    assert len(list(occurrences(ScheduleSpec(every="1d", starts_at=last), last))) <= 2


NOTHING = Before()


def turn(minutes_late: float, before: Before = NOTHING, start_at: datetime = NINE, **schedule: Any) -> Turn:
    spec = ScheduleSpec(**{"cron": "0 * * * *", "timezone": "UTC", **schedule})
    return take_turn(spec, start_at, NINE + timedelta(minutes=minutes_late), before)


LATE, OVERLAP = Miss.LATE, Miss.OVERLAP
SENDING = Before(runs=1, sending=True)


@each(
    ("minutes", "schedule", "run", "missed", "following"),
    [
        (0, {}, 0, [], 1),
        (59, {}, 0, [], 1),
        (60, {"catch_up": "1m"}, 1, [0], 2),
        (60.5, {}, 1, [0], 2),
        (61.5, {"catch_up": "1m"}, None, [0, 1], 2),
        (1, {"catch_up": "never"}, 0, [], 1),
        (1.1, {"catch_up": "never"}, None, [0], 1),
        (24 * 60 - 1, {"cron": "0 9 * * *"}, None, [0], 24),
        (24 * 60 - 1, {"cron": "0 9 * * *", "catch_up": "always"}, 0, [], 24),
        (24 * 60 - 1, {"cron": "0 9 * * *", "catch_up": "24h"}, 0, [], 24),
        (200, {"catch_up": "always"}, 3, [0, 1, 2], 4),
        (0, {"ends_at": NINE + HOUR}, 0, [], None),
        (90, {"ends_at": NINE + HOUR}, None, [0], None),
    ],
)
def test_at_most_the_newest_that_is_young_enough_is_launched(
    minutes: float, schedule: dict[str, Any], run: int | None, missed: list[int], following: int | None
) -> None:
    def hours(number: int | None) -> datetime | None:
        return None if number is None else NINE + number * HOUR

    found = turn(minutes, **schedule)
    assert (found.run, found.next_at) == (hours(run), hours(following))
    assert found.missed == tuple((hours(number), LATE) for number in missed)


def test_a_one_off_is_never_too_late() -> None:
    assert take_turn(ScheduleSpec(at=NINE), NINE, NINE + 900 * DAY, NOTHING) == Turn(NINE, (), None)
    assert take_turn(ScheduleSpec(), NINE, NINE + DAY, NOTHING) == Turn(NINE, (), None)


def test_a_run_that_comes_while_another_sends_is_skipped_or_waits() -> None:
    assert turn(0, SENDING) == Turn(None, ((NINE, OVERLAP),), NINE + HOUR)
    assert turn(0, SENDING, overlap="queue") == Turn(None, (), NINE)


def test_of_those_in_the_queue_the_newest_is_launched_once_the_one_before_is_over() -> None:
    over = Before(runs=1, ended_at=NINE + 2.5 * HOUR)
    waited = (NINE, OVERLAP), (NINE + HOUR, OVERLAP)
    assert turn(151, over, overlap="queue") == Turn(NINE + 2 * HOUR, waited, NINE + 3 * HOUR)
    stalled = turn(24 * 60 + 30, over, overlap="queue")
    assert stalled.missed[:4] == (*waited, (NINE + 2 * HOUR, OVERLAP), (NINE + 3 * HOUR, LATE))
    daily = {"cron": "0 9 * * *", "overlap": "queue"}
    assert turn(9 * 60, Before(runs=1, ended_at=NINE + 8.5 * HOUR), **daily).run == NINE
    assert turn(9 * 60, Before(runs=1, ended_at=NINE + 7 * HOUR), **daily).missed == ((NINE, LATE),)
    assert turn(9 * 60, NOTHING, **daily).missed == ((NINE, LATE),)


def test_after_max_runs_there_is_no_other() -> None:
    assert turn(0, Before(runs=1), max_runs=3).next_at == NINE + HOUR
    assert turn(0, Before(runs=2), max_runs=3) == Turn(NINE, (), None)
    assert turn(0, Before(runs=3), max_runs=3) == Turn(None, (), None)


def test_a_long_stall_is_recorded_bit_by_bit() -> None:
    minutely = {"cron": "* * * * *", "catch_up": "always"}
    first = turn(1000, **minutely)
    assert (first.run, len(first.missed)) == (None, MOST_AT_ONCE)
    assert first.next_at == NINE + MOST_AT_ONCE * timedelta(minutes=1)
    second = turn(1000, start_at=first.next_at, **minutely)
    third = turn(1000, start_at=second.next_at or NINE, **minutely)
    assert (second.run, third.run) == (None, NINE + timedelta(minutes=1000))
    assert len(first.missed) + len(second.missed) + len(third.missed) == 1000


def test_in_recipients_own_time_a_run_lives_from_the_first_zone_to_the_last() -> None:
    schedule = ScheduleSpec(at="2026-06-01T09:00", timezone="Europe/Paris", recipient_local_time=True)
    assert schedule.start_at is not None
    assert schedule.opens_at(schedule.start_at) == datetime(2026, 5, 31, 19, tzinfo=UTC)
    assert schedule.closes_at(schedule.start_at) == datetime(2026, 6, 1, 21, tzinfo=UTC)
    weekly = {"cron": "0 9 * * 1", "recipient_local_time": True}
    assert turn(12 * 60 + 59, **weekly).run == NINE
    assert turn(13 * 60 + 1, **weekly).missed == ((NINE, LATE),)


@given(
    st.lists(st.tuples(st.integers(-3000, 3000), st.booleans()), max_size=40),
    st.sampled_from(["skip", "queue"]),
    st.sampled_from(["always", "never", "1h", "1d"]),
    st.sampled_from(["0 * * * *", "*/20 2 * * *", "0 9 * * 1"]),
    st.sampled_from([None, 1, 5]),
)
def test_whatever_the_clock_does_each_occurrence_is_dealt_with_once(
    steps: list[tuple[int, bool]], overlap: str, catch_up: str, cron: str, max_runs: int | None
) -> None:
    """The clock jumps forward and back, runs overlap or not: nothing twice, nothing forgotten, nothing early."""
    schedule = ScheduleSpec(
        cron=cron, timezone="Europe/Paris", overlap=overlap, catch_up=catch_up, max_runs=max_runs
    )
    now = datetime(2026, 3, 27, tzinfo=UTC)
    first = start_at = next(occurrences(schedule, now))
    runs: list[datetime] = []
    missed: list[datetime] = []
    for minutes, sending in steps:
        now += timedelta(minutes=minutes)
        while start_at is not None and start_at <= now:
            done = take_turn(schedule, start_at, now, Before(len(runs), sending and bool(runs)))
            runs += [done.run] if done.run else []
            missed += [time for time, _ in done.missed]
            if done.next_at == start_at:
                break
            start_at = done.next_at
            if start_at is None:
                break
        if start_at is None:
            break
    dealt = sorted([*runs, *missed])
    assert dealt == list(islice(occurrences(schedule, first - timedelta(seconds=1)), len(dealt)))
    assert runs == sorted(runs)
    assert max_runs is None or len(runs) <= max_runs

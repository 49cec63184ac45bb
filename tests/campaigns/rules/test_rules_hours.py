"""When messages arrive by the recipient's clock: tables of the days that are not like others, and brute force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.phones.phone_zones import zones_of
from campaigns.rules.decision import Hours, Send, Wait
from campaigns.rules.hours import REACH, hours
from campaigns.rules.hours_presets import PRESETS
from campaigns.rules.names import Rule
from campaigns.spec.rules_spec import HoursSpec
from tests.support.cases import each
from tests.support.facts import TICK, facts, zones
from tests.support.local_hours import MINUTE, all_allow, allowed_in, first_allowed, is_allowed

DAYS = {name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}


def allow(text: str, *days: str) -> Hours:
    """`09:00-12:00 14:00-19:00` on these days, or all."""
    spans = tuple(tuple(map(time.fromisoformat, span.split("-"))) for span in text.split())
    return Hours(spans, frozenset(DAYS[day] for day in days or DAYS))  # type: ignore[arg-type]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opens(asked: Hours, now: datetime, *names: str) -> datetime:
    """`now`, or until when the rule waits."""
    decision = hours(facts(now=now, hours=asked, zones=zones(*names)))
    if decision == Send():
        return now
    assert isinstance(decision, Wait)
    assert decision.rule is Rule.HOURS
    assert decision.until is not None
    return decision.until


SHOP, NIGHT = allow("09:00-19:00"), allow("21:00-02:00")
SATURDAY_NIGHT = allow("21:00-02:00", "sat")
# Clocks of 2026. Paris: 29 March 02:00 -> 03:00, 25 October 03:00 -> 02:00. New York: 8 March, 1 November.
# Lord Howe: half an hour on 4 October and 5 April. 1 March is a Sunday.


@each(
    ("asked", "name", "now", "until"),
    [
        (SHOP, "Africa/Porto-Novo", "2026-03-02T07:59:59.999", "2026-03-02T08:00"),
        (SHOP, "Africa/Porto-Novo", "2026-03-02T08:00", "2026-03-02T08:00"),
        (SHOP, "Africa/Porto-Novo", "2026-03-02T17:59:59.999", "2026-03-02T17:59:59.999"),
        (SHOP, "Africa/Porto-Novo", "2026-03-02T18:00", "2026-03-03T08:00"),
        (SHOP, "Asia/Kathmandu", "2026-03-02T00:00", "2026-03-02T03:15"),
        (allow("14:00-16:00 09:00-12:00"), "UTC", "2026-03-02T12:00", "2026-03-02T14:00"),
        (allow("14:00-16:00 09:00-12:00"), "UTC", "2026-03-02T16:00", "2026-03-03T09:00"),
        (allow("09:00-19:00", "mon", "tue"), "UTC", "2026-03-03T19:00", "2026-03-09T09:00"),
        (allow("09:00-19:00", "sun"), "UTC", "2026-03-01T19:00", "2026-03-08T09:00"),
        (NIGHT, "UTC", "2026-03-02T20:59", "2026-03-02T21:00"),
        (NIGHT, "UTC", "2026-03-02T01:59", "2026-03-02T01:59"),
        (NIGHT, "UTC", "2026-03-02T02:00", "2026-03-02T21:00"),
        (SATURDAY_NIGHT, "UTC", "2026-03-01T01:00", "2026-03-01T01:00"),
        (SATURDAY_NIGHT, "UTC", "2026-02-28T01:00", "2026-02-28T21:00"),
        (SATURDAY_NIGHT, "UTC", "2026-03-01T21:30", "2026-03-07T21:00"),
        (allow("00:00-00:00", "sun"), "UTC", "2026-03-01T00:00", "2026-03-01T00:00"),
        (allow("00:00-00:00", "sun"), "UTC", "2026-03-01T23:59", "2026-03-01T23:59"),
        (allow("00:00-00:00", "sun"), "UTC", "2026-03-02T00:00", "2026-03-08T00:00"),
        # the clocks go forward: 02:30 does not exist
        (allow("02:30-08:00"), "Europe/Paris", "2026-03-29T00:00", "2026-03-29T01:00"),
        (allow("02:30-08:00"), "Europe/Paris", "2026-03-29T00:59", "2026-03-29T01:00"),
        (allow("01:00-02:30"), "Europe/Paris", "2026-03-29T01:00", "2026-03-29T23:00"),
        # all of the span is skipped: the next day, or the next week
        (allow("02:00-03:00"), "Europe/Paris", "2026-03-29T00:00", "2026-03-30T00:00"),
        (allow("02:00-03:00", "sun"), "Europe/Paris", "2026-03-22T02:00", "2026-04-05T00:00"),
        # the clocks go back: 02:00 to 03:00 comes twice, and only the first counts
        (allow("02:00-03:00"), "Europe/Paris", "2026-10-25T00:30", "2026-10-25T00:30"),
        (allow("02:00-03:00"), "Europe/Paris", "2026-10-25T01:00", "2026-10-26T01:00"),
        (allow("02:30-05:00"), "Europe/Paris", "2026-10-25T00:00", "2026-10-25T00:30"),
        (allow("02:30-05:00"), "Europe/Paris", "2026-10-25T01:00", "2026-10-25T02:00"),
        (allow("02:30-05:00"), "Europe/Paris", "2026-10-25T01:45", "2026-10-25T02:00"),
        (allow("00:00-02:30"), "Europe/Paris", "2026-10-25T01:00", "2026-10-25T23:00"),
        (allow("01:00-01:30"), "America/New_York", "2026-11-01T06:00", "2026-11-02T06:00"),
        # Lord Howe: 02:00 -> 01:30 on 5 April, 02:00 -> 02:30 on 4 October
        (allow("01:45-03:00"), "Australia/Lord_Howe", "2026-04-04T14:45", "2026-04-04T14:45"),
        (allow("01:45-03:00"), "Australia/Lord_Howe", "2026-04-04T15:00", "2026-04-04T15:30"),
        (allow("02:10-03:00"), "Australia/Lord_Howe", "2026-10-03T15:00", "2026-10-03T15:30"),
    ],
)
def test_hours(asked: Hours, name: str, now: str, until: str) -> None:
    assert opens(asked, utc(now), name) == utc(until)


@pytest.mark.parametrize(
    ("names", "now", "until"),
    [
        (("America/New_York", "America/Los_Angeles"), "2026-03-02T14:00", "2026-03-02T17:00"),
        (("America/New_York", "America/Los_Angeles"), "2026-03-02T17:00", "2026-03-02T17:00"),
        (("America/New_York", "America/Los_Angeles"), "2026-03-03T00:00", "2026-03-03T17:00"),
        (("Asia/Kolkata", "America/New_York"), "2026-03-02T12:00", "2026-03-08T13:00"),
        ((), "2026-03-02T08:00", "2026-03-02T09:00"),
    ],
)
def test_of_several_zones_all_must_allow_it(names: tuple[str, ...], now: str, until: str) -> None:
    """In New York clocks change on 8 March: only from then on is it 18:30 in India when it is 09:00 there."""
    assert opens(SHOP, utc(now), *names) == utc(until)


CHRISTMAS = frozenset({date(2026, 12, 25)})
"""A Friday."""


def closed_on(asked: Hours, *days: date) -> Hours:
    return replace(asked, holidays=frozenset(days))


@each(
    ("asked", "name", "now", "until"),
    [
        (replace(SHOP, holidays=CHRISTMAS), "Europe/Paris", "2026-12-24T17:59", "2026-12-24T17:59"),
        (replace(SHOP, holidays=CHRISTMAS), "Europe/Paris", "2026-12-24T18:00", "2026-12-26T08:00"),
        (replace(SHOP, holidays=CHRISTMAS), "Europe/Paris", "2026-12-25T11:00", "2026-12-26T08:00"),
        # it is the date of the recipient's clock that counts
        (replace(SHOP, holidays=CHRISTMAS), "Pacific/Auckland", "2026-12-24T20:00", "2026-12-25T20:00"),
        (replace(SHOP, holidays=CHRISTMAS), "America/Los_Angeles", "2026-12-25T02:00", "2026-12-25T02:00"),
        # a span over midnight stops at the holiday's midnight, and none starts on it
        (replace(NIGHT, holidays=CHRISTMAS), "UTC", "2026-12-24T23:59", "2026-12-24T23:59"),
        (replace(NIGHT, holidays=CHRISTMAS), "UTC", "2026-12-25T00:00", "2026-12-26T21:00"),
        (replace(NIGHT, holidays=CHRISTMAS), "UTC", "2026-12-26T01:00", "2026-12-26T21:00"),
        # Christmas and New Year on the only day of the week: three weeks
        (
            closed_on(allow("09:00-19:00", "fri"), date(2026, 12, 25), date(2027, 1, 1)),
            "UTC",
            "2026-12-18T19:00",
            "2027-01-08T09:00",
        ),
        # Texas: on Sundays from noon
        (replace(SHOP, on_weekday=((6, allow("12:00-19:00").allow),)), "UTC", "2026-03-01T09:00", "2026-03-01T12:00"),
        (replace(SHOP, on_weekday=((6, allow("12:00-19:00").allow),)), "UTC", "2026-03-02T09:00", "2026-03-02T09:00"),
        (replace(SHOP, on_weekday=((6, ()),)), "UTC", "2026-02-28T19:00", "2026-03-02T09:00"),
    ],
)  # fmt: skip
def test_holidays_and_weekdays_of_their_own(asked: Hours, name: str, now: str, until: str) -> None:
    assert opens(asked, utc(now), name) == utc(until)


def test_of_several_zones_all_must_allow_it_after_a_long_closure_too() -> None:
    closed = closed_on(allow("09:00-19:00", "fri"), date(2026, 12, 25), date(2027, 1, 1))
    names = ("America/New_York", "America/Los_Angeles")
    assert opens(closed, utc("2026-12-19T05:00"), *names) == utc("2027-01-08T17:00")


def test_no_hours_hold_nothing() -> None:
    assert hours(facts(zones=zones("Europe/Paris"))) == Send()


@pytest.mark.parametrize("asked", [allow("09:00-17:00"), allow("10:00-13:00", "sat", "sun")])
@pytest.mark.parametrize("now", ["2026-03-02T00:10", "2026-10-24T12:00"])
def test_where_all_zones_never_agree_most_of_them_do(asked: Hours, now: str) -> None:
    """A Russian mobile, whose owner may live anywhere between Moscow and Kamchatka."""
    anywhere, begun = zones_of("+79123456789"), utc(now)
    quarters = [begun + number * 15 * MINUTE for number in range(-1, 96 * REACH.days)]
    counts = {at: allowed_in(at, asked, anywhere) for at in quarters if at >= begun}
    best = max(counts.values())
    assert 0 < best < len(anywhere)
    until = opens(asked, begun, *(zone.key for zone in anywhere))
    assert counts.get(until, allowed_in(until, asked, anywhere)) == best
    assert all(count < best for at, count in counts.items() if at < until)
    assert opens(asked, until, *(zone.key for zone in anywhere)) == until


CHANGES = {
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),
    "Europe/Paris": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "Asia/Beirut": ("2026-03-28T22:00", "2026-10-24T21:00"),
    "America/Santiago": ("2026-04-05T03:00", "2026-09-06T04:00"),
    "Africa/Cairo": ("2026-04-23T22:00", "2026-10-29T21:00"),
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),
    "Pacific/Chatham": ("2026-04-04T14:00", "2026-09-26T14:00"),
    "Africa/Porto-Novo": ("2026-03-29T01:00",),
    "Asia/Kathmandu": ("2026-03-29T01:00",),
}
"""When the clocks change in each zone, if they do."""
HOURS_OF_DAY = st.integers(0, 4) | st.integers(0, 23)
QUARTERS = st.builds(time, HOURS_OF_DAY, st.sampled_from([0, 15, 30, 45]))
SPANS = st.tuples(QUARTERS, QUARTERS).filter(lambda span: span[0] != span[1])
SPAN_LISTS = st.lists(SPANS, min_size=1, max_size=2).map(tuple)
SOME_DAYS = st.just(frozenset(range(7))) | st.frozensets(st.integers(0, 6), min_size=1)
NEAR = [
    utc(change).date() + timedelta(days=ahead)
    for change in ("2026-03-08T12:00", "2026-03-29T12:00", "2026-04-05T12:00", "2026-10-25T12:00")
    for ahead in range(-2, 3)
]
"""Days around the changes of the clocks."""
HOURS = st.builds(Hours, SPAN_LISTS, SOME_DAYS)
DATED_HOURS = st.builds(
    Hours,
    SPAN_LISTS,
    SOME_DAYS,
    st.just(()) | st.tuples(st.tuples(st.integers(0, 6), SPAN_LISTS)),
    st.frozensets(st.sampled_from(NEAR), max_size=8),
)
ZONES = st.lists(st.sampled_from(list(CHANGES)), min_size=1, max_size=3, unique=True)


@st.composite
def places_and_moments(draw: st.DrawFn) -> tuple[list[str], datetime]:
    """Zones, and a moment near a change of the clocks in the first of them."""
    names = draw(ZONES)
    change = utc(draw(st.sampled_from(CHANGES[names[0]])))
    near = st.integers(-120, 120) | st.integers(-1500, 1500)
    return names, change + draw(near) * MINUTE + draw(st.integers(0, 59_999)) * TICK


@given(asked=HOURS | DATED_HOURS, situation=places_and_moments())
def test_it_goes_inside_local_hours_and_waits_for_the_first_of_them(
    asked: Hours, situation: tuple[list[str], datetime]
) -> None:
    names, now = situation
    within = timedelta(days=3)
    places = tuple(map(ZoneInfo, names))
    minute = now.replace(second=0, microsecond=0)
    first = first_allowed(minute, asked, places, within)
    until = opens(asked, now, *names)
    if first is not None:
        assert until == (now if first == minute else first)
    elif all_allow(until, asked, places):
        assert until >= minute + within
    else:  # they never agree; spans and offsets are whole quarters of an hour
        assert len(places) > 1
        quarter = minute.replace(minute=minute.minute // 15 * 15)
        assert first_allowed(quarter, asked, places, REACH, 15 * MINUTE) is None


@given(
    preset=st.sampled_from(sorted(PRESETS)),
    name=st.sampled_from(
        ["Europe/Paris", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/Phoenix"]
    ),
    now=st.integers(0, 2 * 366 * 1440).map(lambda minutes: utc("2026-01-01") + minutes * MINUTE),
)
def test_nothing_arrives_at_a_time_that_a_preset_forbids(preset: str, name: str, now: datetime) -> None:
    asked, zone = HoursSpec(preset=preset).hours, ZoneInfo(name)
    until = opens(asked, now, name)
    assert is_allowed(until, asked, zone)
    minute = now.replace(second=0, microsecond=0)
    quarter = minute.replace(minute=minute.minute // 15 * 15) + 15 * MINUTE
    before = [] if until == now else [minute, *times_until(until, quarter)]
    assert not any(is_allowed(at, asked, zone) for at in before)


def times_until(until: datetime, at: datetime) -> Iterator[datetime]:
    while at < until:
        yield at
        at += 15 * MINUTE


@given(asked=HOURS | DATED_HOURS, situation=places_and_moments())
def test_what_has_waited_goes(asked: Hours, situation: tuple[list[str], datetime]) -> None:
    names, now = situation
    until = opens(asked, now, *names)
    assert opens(asked, until, *names) == until
    assert now <= until <= now + 2 * REACH

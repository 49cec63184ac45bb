"""How often a person is written to: frequency caps, the least gap, the pair limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.rules.caps import Calendar, Cap
from campaigns.rules.decision import Decision, PastMessage, Send, Skip, Wait
from campaigns.rules.frequency_cap import frequency_cap
from campaigns.rules.min_gap import min_gap
from campaigns.rules.names import Rule, SkipReason
from campaigns.rules.pair_limit import pair_limit
from tests.support.cases import each
from tests.support.facts import DAY, HOUR, NOW, TICK, facts, past_messages, zones

FULL = Skip(SkipReason.FREQUENCY_CAP)
WEEK = 7 * DAY


def waits(until: datetime) -> Wait:
    return Wait(until, Rule.FREQUENCY_CAP)


@each(
    ("most", "ago", "until"),
    [
        (1, [], None),
        (1, [WEEK], None),
        (1, [WEEK + TICK], None),
        (1, [WEEK - TICK], NOW + TICK),
        (2, [DAY], None),
        (2, [3 * DAY, DAY], NOW + 4 * DAY),
        (2, [5 * DAY, 3 * DAY, DAY], NOW + 4 * DAY),
        (2, [9 * DAY, 8 * DAY, DAY], None),
        (1, [DAY, DAY], NOW + 6 * DAY),
        (1, [-TICK], NOW + WEEK + TICK),  # another lane's message, about to go
    ],
)
def test_a_rolling_cap(most: int, ago: list[timedelta], until: datetime | None) -> None:
    known = {"history": past_messages(ago)}
    waiting, skipping = (facts(caps=(Cap(most, WEEK, waits=w),), **known) for w in (True, False))
    assert frequency_cap(waiting) == (waits(until) if until else Send())
    assert frequency_cap(skipping) == (FULL if until else Send())
    if until:
        assert frequency_cap(facts(caps=waiting.policy.caps, **known, now=until)) == Send()
        assert frequency_cap(facts(caps=waiting.policy.caps, **known, now=until - TICK)) == waits(until)


NIGHT = datetime(2026, 3, 1, 12, tzinfo=UTC)  # Sunday: 01:00 on Monday in Auckland, 07:00 in New York


@each(
    ("per", "names", "at", "until"),
    [
        (Calendar.DAY, (), datetime(2026, 3, 1, 0, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
        (Calendar.DAY, (), datetime(2026, 2, 28, 23, 59, tzinfo=UTC), None),
        (
            Calendar.DAY,
            ("America/New_York",),
            datetime(2026, 3, 1, 5, tzinfo=UTC),
            datetime(2026, 3, 2, 5, tzinfo=UTC),
        ),
        (Calendar.DAY, ("America/New_York",), datetime(2026, 3, 1, 4, 59, tzinfo=UTC), None),
        (Calendar.DAY, ("Pacific/Auckland",), datetime(2026, 3, 1, 10, tzinfo=UTC), None),
        (
            Calendar.DAY,
            ("Pacific/Auckland",),
            datetime(2026, 3, 1, 11, tzinfo=UTC),
            datetime(2026, 3, 2, 11, tzinfo=UTC),
        ),
        (
            Calendar.WEEK,
            ("Europe/Paris",),
            datetime(2026, 2, 22, 23, tzinfo=UTC),
            datetime(2026, 3, 1, 23, tzinfo=UTC),
        ),
        (Calendar.WEEK, ("Europe/Paris",), datetime(2026, 2, 22, 22, 59, tzinfo=UTC), None),
        (Calendar.WEEK, ("Pacific/Auckland",), datetime(2026, 3, 1, 10, tzinfo=UTC), None),
        # of several zones the strictest: today in New York, yesterday in Auckland
        (
            Calendar.DAY,
            ("Pacific/Auckland", "America/New_York"),
            datetime(2026, 3, 1, 10, tzinfo=UTC),
            datetime(2026, 3, 2, 5, tzinfo=UTC),
        ),
        # full in both: until the later of both midnights
        (
            Calendar.DAY,
            ("Pacific/Auckland", "America/New_York"),
            datetime(2026, 3, 1, 11, tzinfo=UTC),
            datetime(2026, 3, 2, 11, tzinfo=UTC),
        ),
    ],
)
def test_a_calendar_cap(per: Calendar, names: tuple[str, ...], at: datetime, until: datetime | None) -> None:
    history = (PastMessage(at, "marketing", frozenset(), "shop"),)
    known: dict[str, Any] = {"history": history, "zones": zones(*names), "now": NIGHT}
    waiting = facts(caps=(Cap(1, per, waits=True),), **known)
    assert frequency_cap(waiting) == (waits(until) if until else Send())
    assert frequency_cap(facts(caps=(Cap(1, per),), **known)) == (FULL if until else Send())
    assert frequency_cap(facts(caps=(Cap(2, per),), **known)) == Send()


def test_a_day_without_midnight_begins_when_it_begins() -> None:
    """In Beirut clocks go from 24:00 on 28 March 2026 to 01:00."""
    at = datetime(2026, 3, 28, 12, tzinfo=UTC)
    history = (PastMessage(at, "marketing", frozenset(), "shop"),)
    cap = Cap(1, Calendar.DAY, waits=True)
    known = facts(caps=(cap,), history=history, zones=zones("Asia/Beirut"), now=at + HOUR)
    assert frequency_cap(known) == waits(datetime(2026, 3, 28, 22, tzinfo=UTC))


def test_a_day_of_25_hours_is_one_day() -> None:
    """In Havana the hour from 00:00 comes twice on 1 November 2026."""
    first, second = datetime(2026, 11, 1, 4, 30, tzinfo=UTC), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    history = (PastMessage(first, "marketing", frozenset(), "shop"),)
    known = facts(caps=(Cap(1, Calendar.DAY),), history=history, zones=zones("America/Havana"), now=second)
    assert frequency_cap(known) == FULL


SCOPED = {"category": "marketing", "tags": frozenset({"sale", "shoes"}), "account": "shop"}


@each(
    ("cap", "past", "decision"),
    [
        (Cap(1, WEEK), past_messages([DAY], "utility"), FULL),
        (Cap(1, WEEK, category="marketing"), past_messages([DAY], "marketing"), FULL),
        (Cap(1, WEEK, category="marketing"), past_messages([DAY], "utility"), Send()),
        (Cap(1, WEEK, category="utility"), past_messages([DAY], "utility"), Send()),
        (Cap(1, WEEK, tag="sale"), past_messages([DAY], tags=["sale"]), FULL),
        (Cap(1, WEEK, tag="sale"), past_messages([DAY], tags=["shoes"]), Send()),
        (Cap(1, WEEK, tag="hats"), past_messages([DAY], tags=["hats"]), Send()),
        (Cap(1, WEEK, channel="shop"), past_messages([DAY], account="shop"), FULL),
        (Cap(1, WEEK, channel="shop"), past_messages([DAY], account="depot"), Send()),
        (Cap(1, WEEK, channel="depot"), past_messages([DAY], account="depot"), Send()),
        (Cap(1, WEEK, category="marketing", tag="sale"), past_messages([DAY], "utility", ["sale"]), Send()),
        (Cap(1, WEEK, category="marketing", tag="sale"), past_messages([DAY], tags=["sale"]), FULL),
    ],
)
def test_a_cap_binds_and_counts_what_is_in_its_scope(
    cap: Cap, past: tuple[PastMessage, ...], decision: Decision
) -> None:
    assert frequency_cap(facts(**SCOPED, caps=(cap,), history=past)) == decision


LAST_DAY, LAST_WEEK = Cap(1, DAY, waits=True), Cap(2, WEEK, waits=True)


@pytest.mark.parametrize(
    ("caps", "ago", "decision"),
    [
        ((LAST_DAY, LAST_WEEK), [], Send()),
        ((LAST_DAY, LAST_WEEK), [HOUR], waits(NOW + 23 * HOUR)),
        ((LAST_DAY, LAST_WEEK), [5 * DAY, 4 * DAY], waits(NOW + 2 * DAY)),
        ((LAST_DAY, LAST_WEEK), [6 * DAY + 23 * HOUR, HOUR], waits(NOW + 23 * HOUR)),
        ((LAST_DAY, LAST_WEEK), [2 * DAY, HOUR], waits(NOW + 5 * DAY)),
        ((LAST_DAY, Cap(2, WEEK)), [2 * DAY, HOUR], FULL),
        ((Cap(2, WEEK), LAST_DAY), [2 * DAY, HOUR], FULL),
        ((LAST_DAY, Cap(3, WEEK)), [2 * DAY, HOUR], waits(NOW + 23 * HOUR)),
    ],
)
def test_of_several_caps_each_is_kept_and_a_skip_wins(
    caps: tuple[Cap, ...], ago: list[timedelta], decision: Decision
) -> None:
    assert frequency_cap(facts(caps=caps, history=past_messages(ago))) == decision


@pytest.mark.parametrize(
    ("known", "decision"),
    [
        ({}, Send()),
        ({"last_message_at": NOW}, Send()),
        ({"min_gap": DAY}, Send()),
        ({"min_gap": DAY, "last_message_at": NOW - DAY}, Send()),
        ({"min_gap": DAY, "last_message_at": NOW - DAY + TICK}, Wait(NOW + TICK, Rule.MIN_GAP)),
        ({"min_gap": DAY, "last_message_at": NOW + TICK}, Wait(NOW + DAY + TICK, Rule.MIN_GAP)),
    ],
)
def test_min_gap(known: dict[str, Any], decision: Decision) -> None:
    assert min_gap(facts(**known)) == decision


SIX = timedelta(seconds=6)


@pytest.mark.parametrize(
    ("known", "decision"),
    [
        ({}, Send()),
        ({"pair_message_at": NOW}, Send()),
        ({"pair_gap": SIX}, Send()),
        ({"pair_gap": SIX, "pair_message_at": NOW - SIX}, Send()),
        ({"pair_gap": SIX, "pair_message_at": NOW - SIX + TICK}, Wait(NOW + TICK, Rule.PAIR_LIMIT)),
    ],
)
def test_pair_limit(known: dict[str, Any], decision: Decision) -> None:
    assert pair_limit(facts(**known)) == decision

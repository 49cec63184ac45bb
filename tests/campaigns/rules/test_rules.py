"""The rules that end a message or let it be, by table; and the one order of all rules."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from campaigns.phones.phone import BUCKETS, bucket
from campaigns.rules.caps import Calendar, Cap
from campaigns.rules.consent import consent
from campaigns.rules.decide import decide
from campaigns.rules.decision import Consent, Decision, Facts, Holdout, Hours, OpenBudget, Send, Skip, Wait
from campaigns.rules.destination import BLOCKS, destination
from campaigns.rules.expiry import expiry
from campaigns.rules.forms import MARGIN
from campaigns.rules.holdout import holdout, is_held_out
from campaigns.rules.names import Form, Rule, SkipReason
from campaigns.rules.optout import optout
from campaigns.rules.run_state import run_state
from campaigns.states import JobState, RunState
from tests.support.cases import each
from tests.support.facts import DAY, HOUR, NOW, TICK, facts, past_messages, usd

CANCELLED = Skip(SkipReason.RUN_CANCELLED, JobState.CANCELLED)
EXPIRED = Skip(SkipReason.EXPIRED, JobState.EXPIRED)
OPTED_OUT = Skip(SkipReason.OPTED_OUT)
NO_CONSENT = Skip(SkipReason.NO_CONSENT)
BLOCKED = Skip(SkipReason.DESTINATION_BLOCKED)
BOTH, TEMPLATE = frozenset(Form), frozenset({Form.TEMPLATE})
YEAR = timedelta(days=365)
EVERYBODY, NOBODY = Holdout(100, "s"), Holdout(0, "s")


@pytest.mark.parametrize(
    ("state", "decision"),
    [
        (RunState.RUNNING, Send()),
        (RunState.PAUSED, Wait(None, Rule.RUN_STATE)),
        (RunState.CANCELLED, CANCELLED),
        (RunState.COMPLETED, CANCELLED),
    ],
)
def test_run_state(state: RunState, decision: Decision) -> None:
    assert run_state(facts(run_state=state)) == decision


@pytest.mark.parametrize(
    ("expires_at", "decision"),
    [(None, Send()), (NOW + TICK, Send()), (NOW, EXPIRED), (NOW - TICK, EXPIRED)],
)
def test_expiry(expires_at: datetime | None, decision: Decision) -> None:
    assert expiry(facts(expires_at=expires_at)) == decision


@pytest.mark.parametrize(
    ("scopes", "category", "decision"),
    [
        ((), "marketing", Send()),
        (("marketing",), "marketing", OPTED_OUT),
        (("all",), "marketing", OPTED_OUT),
        (("marketing",), "utility", Send()),
        (("all",), "utility", OPTED_OUT),
        (("all",), "authentication", OPTED_OUT),
        (("marketing", "all"), "service", OPTED_OUT),
    ],
)
def test_optout(scopes: tuple[str, ...], category: str, decision: Decision) -> None:
    assert optout(facts(opted_out=frozenset(scopes), category=category)) == decision


@pytest.mark.parametrize(
    ("known", "decision"),
    [
        ({"consent": None}, Send()),
        ({}, NO_CONSENT),
        ({"category": "utility"}, Send()),
        ({"consent_at": NOW}, Send()),
        ({"consent_at": NOW - 10 * YEAR}, Send()),
        ({"consent_at": NOW + TICK}, NO_CONSENT),
        ({"consent": Consent(YEAR), "consent_at": NOW - YEAR}, Send()),
        ({"consent": Consent(YEAR), "consent_at": NOW - YEAR - TICK}, NO_CONSENT),
        ({"consent": Consent(YEAR), "consent_at": NOW - YEAR - TICK, "category": "utility"}, Send()),
    ],
)
def test_consent(known: dict[str, Any], decision: Decision) -> None:
    assert consent(facts(**{"consent": Consent(), **known})) == decision


PHONES = [f"+2290197{number:06d}" for number in range(20_000)]


@pytest.mark.parametrize("percent", [0.5, 10, 33.33])
def test_the_holdout_is_as_large_as_asked(percent: float) -> None:
    held = sum(is_held_out(Holdout(percent, "spring"), phone) for phone in PHONES)
    assert held / len(PHONES) * 100 == pytest.approx(percent, rel=0.1, abs=0.15)


def test_a_hundredth_of_a_percent_makes_a_difference() -> None:
    assert any(
        is_held_out(Holdout(10.01, "s"), phone) and not is_held_out(Holdout(10, "s"), phone)
        for phone in PHONES
    )


def test_a_larger_holdout_holds_the_smaller() -> None:
    small, large = Holdout(2.5, "s"), Holdout(5, "s")
    assert all(is_held_out(large, phone) for phone in PHONES if is_held_out(small, phone))


def test_who_is_held_out_follows_from_the_salt() -> None:
    drawn = {salt: {p for p in PHONES if is_held_out(Holdout(10, salt), p)} for salt in ("spring", "summer")}
    both = drawn["spring"] & drawn["summer"]
    assert len(both) / len(drawn["spring"]) == pytest.approx(0.1, abs=0.03)


def test_the_holdout_takes_the_same_share_of_each_lane() -> None:
    first = [phone for phone in PHONES if bucket(phone) < BUCKETS // 2]
    held = sum(is_held_out(Holdout(10, "spring"), phone) for phone in first)
    assert held / len(first) == pytest.approx(0.1, abs=0.01)


# The first 8 bytes of `printf 'spring+2290197000007' | sha256sum`, modulo 10,000, are below 1,000; and so on.
HELD = ["+2290197000007", "+2290197000022", "+2290197000034", "+2290197000035", "+2290197000053"]


def test_who_is_held_out_never_changes() -> None:
    assert [phone for phone in PHONES[:60] if is_held_out(Holdout(10, "spring"), phone)] == HELD


def test_the_held_out_are_skipped() -> None:
    held, free = HELD[0], PHONES[0]
    assert holdout(facts(holdout=Holdout(10, "spring"), phone=held)) == Skip(SkipReason.HOLDOUT)
    assert holdout(facts(holdout=Holdout(10, "spring"), phone=free)) == Send()
    assert holdout(facts(phone=held)) == Send()


IN_THE_US = {"region": "US", "has_windows": True}
OPEN = {"window_until": NOW + HOUR}


@each(
    ("known", "decision"),
    [
        ({"forms": TEMPLATE}, BLOCKED),
        ({"forms": TEMPLATE, **OPEN}, BLOCKED),
        ({"forms": TEMPLATE, "category": "utility"}, Send()),
        ({"forms": TEMPLATE, "region": "CA"}, Send()),
        ({"forms": TEMPLATE, "region": "PR"}, Send()),
        ({"forms": TEMPLATE, "region": None}, Send()),
        ({"forms": TEMPLATE, "now": BLOCKS[0].since - TICK}, Send()),
        ({"forms": TEMPLATE, "now": BLOCKS[0].since}, BLOCKED),
        ({"forms": BOTH}, BLOCKED),
        ({"forms": BOTH, **OPEN}, Send()),
        ({"forms": BOTH, **OPEN, "refused_as_free": True}, BLOCKED),
        ({"forms": BOTH, "waits_for_window": True}, Send()),
        ({"forms": BOTH, "has_windows": False}, Send()),
        ({"forms": BOTH, "may_ask_window": True}, Send()),
        ({"forms": BOTH, "may_ask_window": True, "refused_as_free": True}, BLOCKED),
        ({"forms": TEMPLATE, "may_ask_window": True}, BLOCKED),
        ({}, Send()),
        (OPEN, Send()),
    ],
)
def test_destination(known: dict[str, Any], decision: Decision) -> None:
    assert destination(facts(**{**IN_THE_US, **known})) == decision


@pytest.mark.parametrize(
    ("known", "decision"),
    [
        ({"forms": BOTH, **OPEN}, Send(Form.FREE)),
        ({"forms": BOTH, "waits_for_window": True}, Wait(None, Rule.WINDOW)),
        (
            {
                "forms": BOTH,
                **OPEN,
                "prefers_cheapest": True,
                "free_price": usd("2"),
                "template_price": usd("1"),
            },
            Send(Form.FREE),
        ),
        ({"forms": TEMPLATE, "category": "utility"}, Send(Form.TEMPLATE)),
    ],
)
def test_what_goes_to_a_blocked_destination(known: dict[str, Any], decision: Decision) -> None:
    assert decide(facts(**{**IN_THE_US, **known})) == decision


WRONG: list[tuple[dict[str, Any], Decision]] = [
    ({"run_state": RunState.PAUSED}, Wait(None, Rule.RUN_STATE)),
    ({"expires_at": NOW}, EXPIRED),
    ({"opted_out": frozenset({"all"})}, OPTED_OUT),
    ({"consent": Consent()}, NO_CONSENT),
    ({"holdout": EVERYBODY}, Skip(SkipReason.HOLDOUT)),
    ({"region": "US", "forms": TEMPLATE}, BLOCKED),
    ({"awaits_winner": True, "test_ends_at": NOW + HOUR}, Wait(NOW + HOUR, Rule.VARIANT)),
    ({"caps": (Cap(1, DAY),), "history": past_messages([HOUR])}, Skip(SkipReason.FREQUENCY_CAP)),
    ({"min_gap": DAY, "last_message_at": NOW - HOUR}, Wait(NOW + 23 * HOUR, Rule.MIN_GAP)),
    (
        {"hours": Hours((((NOW + HOUR).time(), (NOW + 2 * HOUR).time()),))},
        Wait(NOW + HOUR, Rule.HOURS),
    ),
    ({"has_windows": True}, Skip(SkipReason.WINDOW_CLOSED)),
    ({"budgets": (OpenBudget("run", usd("5"), None),)}, Wait(None, Rule.BUDGET)),
    ({"pair_gap": 2 * HOUR, "pair_message_at": NOW - HOUR}, Wait(NOW + HOUR, Rule.PAIR_LIMIT)),
    ({"tier_left": 0, "tier_frees_at": NOW + HOUR}, Wait(NOW + HOUR, Rule.TIER)),
    ({"ramp_left": 0, "ramp_renews_at": NOW + HOUR}, Wait(NOW + HOUR, Rule.RAMP)),
]
"""What each rule refuses, in their order."""


@each("first", range(len(WRONG)))
def test_of_all_that_speaks_against_it_the_first_rule_answers(first: int) -> None:
    known: dict[str, Any] = {}
    for refused, _ in reversed(WRONG[first:]):
        known = {**known, **refused}
    assert decide(facts(**known)) == WRONG[first][1]


def test_every_rule_and_every_reason_is_in_that_order() -> None:
    answers = [decision for _, decision in WRONG] + [CANCELLED, Wait(NOW, Rule.FREQUENCY_CAP)]
    answers += [Wait(None, Rule.WINDOW), Wait(None, Rule.WINDOW_UNKNOWN)]
    assert {answer.rule for answer in answers if isinstance(answer, Wait)} == set(Rule)
    assert {answer.reason for answer in answers if isinstance(answer, Skip)} == set(SkipReason)


def test_where_nothing_speaks_against_it_the_message_goes() -> None:
    satisfied = facts(
        forms=BOTH,
        category="marketing",
        phone="+2290197000000",
        region="BJ",
        expires_at=NOW + TICK,
        consent=Consent(YEAR),
        consent_at=NOW - DAY,
        holdout=NOBODY,
        caps=(Cap(2, 7 * DAY), Cap(1, Calendar.DAY)),
        history=past_messages([2 * DAY]),
        min_gap=DAY,
        last_message_at=NOW - DAY,
        hours=Hours(((NOW.time(), (NOW + HOUR).time()),)),
        has_windows=True,
        window_until=NOW + MARGIN + TICK,
        free_price=usd("0.05"),
        budgets=(OpenBudget("run", usd("0.05"), None),),
        pair_gap=DAY,
        pair_message_at=NOW - DAY,
        tier_left=1,
        ramp_left=1,
    )
    assert decide(satisfied) == Send(Form.FREE)


def test_the_instant_counts_and_not_the_zone_it_is_given_in() -> None:
    east = timezone(timedelta(hours=9))
    known: dict[str, Any] = {"hours": Hours(((NOW.time(), (NOW + HOUR).time()),)), "expires_at": NOW + TICK}
    assert decide(facts(**known, now=NOW.astimezone(east))) == decide(facts(**known)) == Send()


def test_a_rule_that_holds_nothing_costs_nothing() -> None:
    """The facts of a campaign that asks for no rule are few, and they suffice."""
    assert decide(Facts(NOW, RunState.RUNNING, facts().policy)) == Send()

"""Deciding once for people whom no rule tells apart, against deciding about each of them alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.money.costs import Money
from campaigns.money.prices import Prices, RateCard
from campaigns.rules.caps import Calendar, Cap
from campaigns.rules.decision import Consent, Holdout, Hours, Policy
from campaigns.rules.names import Form
from campaigns.spec.rules_spec import BudgetSpec
from campaigns.states import RunState
from campaigns.variants import Split
from providers.capabilities import Capabilities
from scheduler.forecast.estimate import _count_kinds, _count_page, _Part
from scheduler.forecast.expected import expect
from scheduler.forecast.forecast import Estimate
from scheduler.forecast.kinds import Kinds
from scheduler.sending.facts import Claim, Known
from scheduler.sending.limits import Tier
from scheduler.sending.plans import Plan
from storage.runs.runs import RunRow
from storage.runs.variants import Experiment
from storage.sending.contact_history import HistoryRow
from storage.sending.windows import Window
from storage.views.estimates import Prospect
from tests.support.campaigns import spec

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
UNCOUNTED = Tier(None, "meta", is_counted=False)
LANE = "meta/one"
PHONES = [
    *((f"+44770090000{digit}", "GB") for digit in range(10)),
    ("+447700900010", None),
    ("+33639980001", None),
    ("+33639980002", "FR"),
    ("+12025550123", "US"),
    ("+12135550123", "US"),
    ("+79161234567", "RU"),
    ("user:meta/US.1", "US"),
    ("user:meta/US.2", "US"),
    ("user:meta/GB.1", "GB"),
    ("user:meta/GB.2", "GB"),
]
"""Many who may be alike, and some who may not."""
RATES = {
    ("United Kingdom", "marketing", "any"): 52_900,
    ("United Kingdom", "utility", "closed"): 22_000,
    ("France", "marketing", "any"): 85_900,
    ("France", "utility", "closed"): 40_000,
    ("North America", "marketing", "any"): 25_000,
    ("North America", "utility", "closed"): 4_000,
}
CARD = RateCard(1, "meta-usd", date(2026, 1, 1), "USD", "a test", RATES)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def after(*hours: float) -> st.SearchStrategy[datetime]:
    return st.sampled_from([NOW + each * HOUR for each in hours])


CAPS = (
    Cap(1, DAY),
    Cap(2, 7 * DAY, waits=True),
    Cap(1, Calendar.DAY, waits=True),
    Cap(1, Calendar.WEEK, waits=True, category="marketing"),
    Cap(1, 2 * DAY, channel="meta"),
)
POLICIES = st.builds(
    Policy,
    category=some("marketing", "utility"),
    account=st.just("meta"),
    forms=some({Form.FREE}, {Form.TEMPLATE}, {*Form}).map(frozenset),
    prefers_cheapest=st.booleans(),
    waits_for_window=st.booleans(),
    consent=some(None, Consent(), Consent(2 * DAY), Consent(2 * DAY)),
    holdout=some(None, None, None, Holdout(50, "spring")),
    caps=st.lists(some(*CAPS), max_size=1).map(tuple),
    min_gap=some(timedelta(), timedelta(), HOUR, 2 * DAY),
    hours=some(None, Hours(((time(8), time(20)),)), Hours(((time(21), time(7)),), frozenset({0, 2}))),
    pair_gap=some(timedelta(), timedelta(seconds=6), HOUR),
)
SPLIT = (("a", 4_000), ("b", 6_000))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    policy = draw(POLICIES)
    split = draw(some(None, Split("spring", SPLIT), Split("spring", SPLIT, 5_000)))
    variant = replace(policy, forms=frozenset({Form.TEMPLATE}))
    return Plan(
        contents={},
        policies={None: policy, **({"a": policy, "b": variant} if split else {})},
        gap=timedelta(),
        rate=None,
        jitter=timedelta(),
        zone=ZoneInfo("Europe/Paris"),
        needs_zones=draw(st.booleans()),
        counts=True,
        budget=draw(some(None, BudgetSpec(currency="USD", max="40"))),
        ramp=(),
        prices=draw(some(Prices([CARD]), Prices([], Money(Decimal(10), "XOF")))),
        split=split,
        test_lasts=draw(some(None, 2 * HOUR, 3 * DAY)),
    )


@dataclass(frozen=True)
class Differing:
    """What tells the people of one example apart: with all of it, few would be alike."""

    zone: bool
    consent: bool
    due: bool
    refused: bool

    def person(self, draw: st.DrawFn) -> Prospect:
        phone, region = draw(some(*PHONES))
        zone = draw(some(None, "Asia/Tokyo")) if self.zone else None
        hours = (-1, -40, -47.5, -48, -90, 1)
        given_at = draw(some(None, *(NOW + each * HOUR for each in hours))) if self.consent else NOW - HOUR
        refused_at = draw(some(None, NOW - timedelta(minutes=5))) if self.refused else None
        due_at = draw(some(None, NOW + HOUR, NOW + 2 * DAY)) if self.due else None
        id = draw(some(0, 1))
        return Prospect(LANE, due_at, phone, region, zone, given_at, id, free_refused_at=refused_at)


@st.composite
def pages_of(draw: st.DrawFn) -> list[list[Prospect]]:
    differing = draw(st.builds(Differing, st.booleans(), st.booleans(), st.booleans(), st.booleans()))
    person = st.composite(differing.person)()
    return draw(st.lists(st.lists(person, min_size=4, max_size=20), min_size=1, max_size=3))


def history_row(job_id: int, at: datetime, lane: str, counts: bool) -> HistoryRow:
    return HistoryRow(job_id, at, lane, "marketing", frozenset(), counts, under_way=False)


ROWS = st.lists(
    st.builds(
        history_row,
        some(1, 2),
        after(-0.001, -0.5, -5, -23, -30, -167, -169),
        some(LANE, "bird/x"),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
).map(lambda rows: sorted(rows, key=lambda row: row.at))
WINDOWS = st.builds(
    Window,
    after(-1, 0.01, 0.03, 1, 3, 20, 60, 100),
    st.just("inbound"),
    after(-0.1, -2),
    some(None, None, NOW - HOUR, NOW + HOUR, NOW + 7 * DAY),
)


@st.composite
def everything_known(draw: st.DrawFn) -> Known:
    phones = st.sampled_from([phone for phone, _ in PHONES])
    windows = draw(st.booleans())
    capabilities = Capabilities(frozenset(), asks_window=draw(st.booleans()), windows=windows)
    account = SimpleNamespace(settings=SimpleNamespace(tier=None))
    lane: Any = SimpleNamespace(
        name=LANE, account=account, adapter=SimpleNamespace(capabilities=capabilities)
    )
    scopes = some({"marketing"}, {"all"}, {"all", "marketing"}).map(frozenset)
    return Known(
        lane,
        NOW,
        draw(st.dictionaries(phones, scopes, max_size=2)),
        draw(st.dictionaries(phones, WINDOWS, min_size=3)) if windows else {},
        draw(st.dictionaries(phones, ROWS, max_size=3)),
        used=Counter(),
        tier=UNCOUNTED,
        tier_use=None,
        sent_by_day={},
    )


async def no_pages() -> AsyncIterator[list[Prospect]]:
    yield []


def counted(kinds: Kinds, plan: Plan, known: Known, pages: list[list[Prospect]]) -> tuple[Estimate, _Part]:
    part = _Part(run_row(None), spec(), 0, no_pages(), {LANE: plan})
    result = Estimate(NOW)
    for page in pages:
        _count_page(part, kinds, known, page, result)
        if kinds.is_full:
            _count_kinds(part, LANE, kinds, result)
    _count_kinds(part, LANE, kinds, result)
    result.apply_allowance({LANE: 5})
    return result, part


def run_row(expires_at: datetime | None) -> RunRow:
    return RunRow(1, 1, "spring", RunState.RUNNING, None, expires_at, "")


class Alone(Kinds):
    """Nobody is like anybody."""

    def of(self, known: Known, person: Prospect, due_at: datetime) -> None:
        return None


@given(
    most=some(3, 20_000),
    plan=plans(),
    known=everything_known(),
    pages=pages_of(),
    expires_at=some(None, NOW + 3 * HOUR, NOW + 3 * DAY),
    spare=some(timedelta(minutes=5), 2 * HOUR),
    is_testing=st.booleans(),
)
def test_it_is_the_estimate_of_everybody_alone(
    most: int,
    plan: Plan,
    known: Known,
    pages: list[list[Prospect]],
    expires_at: datetime | None,
    spare: timedelta,
    is_testing: bool,
) -> None:
    experiment = Experiment(1, NOW - HOUR, None, None) if is_testing else None
    claim = Claim(run_row(expires_at), plan, (), (), experiment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scheduler.forecast.kinds.MOST", most)
        together, part = counted(Kinds(claim, spare), plan, known, pages)
        alone, other = counted(Alone(claim, spare), plan, known, pages)
    assert together == alone
    assert (part.sends, part.outside) == (other.sends, other.outside)
    assert list(together.costs) == list(alone.costs)


NIGHTS = Hours(((time(21), time(7)),))
"""Nothing goes at `NOW`, but at nine in the evening."""


def plan_with(policy: Policy) -> Plan:
    zone, none = ZoneInfo("UTC"), timedelta()
    return Plan({}, {None: policy}, none, None, none, zone, False, True, None, (), Prices([CARD]))


def known_of(windows: dict[str, Window], *, asks: bool = False) -> Known:
    capabilities = Capabilities(frozenset(), asks_window=asks, windows=bool(windows))
    lane: Any = SimpleNamespace(
        name=LANE,
        account=SimpleNamespace(settings=SimpleNamespace(tier=None)),
        adapter=SimpleNamespace(capabilities=capabilities),
    )
    return Known(lane, NOW, {}, windows, {}, used=Counter(), tier=UNCOUNTED, tier_use=None, sent_by_day={})


def people(*consents: datetime | None) -> list[Prospect]:
    return [
        Prospect(LANE, None, phone, region, None, given_at)
        for (phone, region), given_at in zip(PHONES, consents, strict=False)
    ]


def as_counted(plan: Plan, known: Known, page: list[Prospect]) -> Estimate:
    claim = Claim(run_row(None), plan, (), ())
    together, _ = counted(Kinds(claim, HOUR), plan, known, [page])
    alone, _ = counted(Alone(claim, HOUR), plan, known, [page])
    assert together == alone
    return together


def test_consent_that_lapses_before_one_goes_holds_nobody_else_back() -> None:
    plan = plan_with(
        Policy("marketing", forms=frozenset({Form.TEMPLATE}), consent=Consent(2 * DAY), hours=NIGHTS)
    )
    found = as_counted(plan, known_of({}), people(NOW - 40 * HOUR, NOW - HOUR, NOW - 2 * HOUR))
    assert (found.sends, dict(found.skips)) == (2, {"no_consent": 1})


def test_a_window_that_closes_before_one_goes_closes_nobody_elses() -> None:
    plan = plan_with(Policy("marketing", forms=frozenset(Form), hours=NIGHTS))
    opened = {
        phone: Window(NOW + hours * HOUR, "inbound", NOW)
        for (phone, _), hours in zip(PHONES, (2, 100, 30), strict=False)
    }
    found = as_counted(plan, known_of(opened), people(None, None, None))
    assert dict(found.forms) == {Form.TEMPLATE: 1, Form.FREE: 2}


def test_a_provider_is_asked_about_those_of_whom_it_was_not_asked_lately() -> None:
    plan = plan_with(Policy("marketing", forms=frozenset(Form)))
    closed = {
        phone: Window(NOW - HOUR, "asked", NOW - minutes * timedelta(minutes=1))
        for (phone, _), minutes in zip(PHONES, (1, 60), strict=False)
    }
    found = as_counted(plan, known_of(closed, asks=True), people(None, None))
    assert (dict(found.forms), dict(found.waits)) == ({Form.TEMPLATE: 1}, {"window_unknown": 1})


def test_people_who_are_alike_are_decided_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decided = []
    monkeypatch.setattr(
        "scheduler.forecast.kinds.expect", lambda *given: decided.append(given) or expect(*given)
    )
    plan = plan_with(Policy("marketing", forms=frozenset({Form.TEMPLATE}), consent=Consent(2 * DAY)))
    claim = Claim(run_row(None), plan, (), ())
    page = people(*(NOW - number * HOUR for number in range(10))) * 50
    found, _ = counted(Kinds(claim, HOUR), plan, known_of({}), [page])
    assert (found.sends, found.recipients, len(decided)) == (500, 500, 1)

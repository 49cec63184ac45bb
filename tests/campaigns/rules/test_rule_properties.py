"""Properties that the rules have for any facts, each compared with an oracle that counts by brute force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from campaigns.money.costs import Money
from campaigns.rules.caps import Calendar, Cap
from campaigns.rules.decide import decide
from campaigns.rules.decision import (
    Allowance,
    Consent,
    Costs,
    Decision,
    Facts,
    Holdout,
    Hours,
    OpenBudget,
    PastMessage,
    Policy,
    Send,
    Skip,
    Wait,
    WindowState,
)
from campaigns.rules.names import Form, Rule, SkipReason
from campaigns.states import RunState
from tests.support.examples import share
from tests.support.facts import DAY, HOUR, NOW, TICK, facts, usd, zones
from tests.support.local_hours import all_allow, shown

CATEGORIES = st.sampled_from(["marketing", "utility", "authentication", "service"])
ACCOUNTS = st.sampled_from(["shop", "depot"])
TAGS = st.frozensets(st.sampled_from(["sale", "news"]))
PLACES = st.sampled_from(
    [
        (),
        zones("Africa/Porto-Novo"),
        zones("Pacific/Auckland"),
        zones("America/New_York", "America/Los_Angeles"),
        zones("Asia/Beirut", "America/Havana"),
    ]
)
STRETCHES = st.sampled_from([HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY]) | st.sampled_from(Calendar)
CAPS = st.lists(
    st.builds(
        Cap,
        most=st.integers(1, 3),
        per=STRETCHES,
        waits=st.booleans(),
        category=st.none() | CATEGORIES,
        tag=st.none() | st.sampled_from(["sale", "news"]),
        channel=st.none() | ACCOUNTS,
    ),
    min_size=1,
    max_size=4,
).map(tuple)


@dataclass(frozen=True)
class Message:
    after: timedelta
    """Since the message before it became due."""
    category: str
    tags: frozenset[str]
    account: str


AFTER = st.sampled_from([timedelta(), TICK, HOUR, 6 * HOUR, DAY, 3 * DAY]) | st.timedeltas(
    timedelta(), 2 * DAY
)
MESSAGES = st.lists(
    st.builds(Message, AFTER, CATEGORIES | st.just("marketing"), TAGS, ACCOUNTS), min_size=5, max_size=25
)
SHOP_HOURS = Hours(((time(9), time(19)),))
BEGINNINGS = st.sampled_from([NOW, NOW + 5 * DAY, NOW + 25 * DAY, NOW + 242 * DAY])
"""Some just before clocks change."""


def in_scope(cap: Cap, message: Message | PastMessage) -> bool:
    asked = (
        (cap.category, {message.category}),
        (cap.tag, message.tags),
        (cap.channel, {message.account}),
    )
    return all(name is None or name in names for name, names in asked)


def is_broken(cap: Cap, history: Sequence[PastMessage], places: tuple[ZoneInfo, ...]) -> bool:
    """Whether the person got too many messages in any stretch, day or week."""
    counted = [past.at for past in history if in_scope(cap, past)]
    if isinstance(cap.per, timedelta):
        return any(sum(at - cap.per < other <= at for other in counted) > cap.most for at in counted)
    for zone in places or zones("UTC"):
        days = [shown(at, zone).date() for at in counted]
        periods = [day.isocalendar()[:2] if cap.per is Calendar.WEEK else day for day in days]
        if max(Counter(periods).values(), default=0) > cap.most:
            return True
    return False


def asked_of(message: Message, now: datetime, caps: tuple[Cap, ...], history: list[PastMessage]) -> Facts:
    """With the touches that the longest cap looks back on, as they are read for a slice."""
    reach = max(8 * DAY if isinstance(cap.per, Calendar) else cap.per for cap in caps)
    policy = Policy(message.category, tags=message.tags, account=message.account, caps=caps)
    recent = tuple(past for past in history if past.at > now - reach)
    return Facts(now, RunState.RUNNING, policy, history=recent)


@given(CAPS, MESSAGES, PLACES, BEGINNINGS)
def test_nobody_ever_gets_more_than_a_cap_allows_nor_less(
    caps: tuple[Cap, ...], messages: list[Message], places: tuple[ZoneInfo, ...], begun: datetime
) -> None:
    history: list[PastMessage] = []
    for message, since in zip(messages, accumulate(m.after for m in messages), strict=True):
        now = begun + since
        known = replace(asked_of(message, now, caps, history), zones=places)
        new = PastMessage(now, message.category, message.tags, message.account)
        broken = {cap for cap in caps if in_scope(cap, new) and is_broken(cap, [*history, new], places)}
        match decide(known):
            case Send():
                assert not broken
                history.append(new)
            case Skip(reason=reason):
                assert reason is SkipReason.FREQUENCY_CAP
                assert any(not cap.waits for cap in broken)
            case Wait(until=until, rule=rule):
                assert rule is Rule.FREQUENCY_CAP
                assert all(cap.waits for cap in broken)
                assert until is not None
                assert decide(replace(known, now=until)) == Send()
                assert not any(is_broken(cap, [*history, replace(new, at=until)], places) for cap in caps)
                sooner = [*history, replace(new, at=until - TICK)]
                assert any(in_scope(cap, new) and is_broken(cap, sooner, places) for cap in caps), "too late"
                assert decide(replace(known, now=until - TICK)) == Wait(until, rule)
    assert not any(is_broken(cap, history, places) for cap in caps)


def mostly(usual: object, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """So that each rule is in the way now and then, and all of them together not always."""
    return st.integers(0, 9).flatmap(lambda number: st.just(usual) if number < 8 else others)


PRICES = st.none() | st.sampled_from(["0.01", "0.0225", "1", "3"]).map(usd)
BUDGETS = st.lists(
    st.builds(
        OpenBudget,
        key=st.sampled_from(["run", "day", "month"]),
        left=st.sampled_from([*map(usd, ["2", "5", "0.0225", "1", "0"]), Money(Decimal(5), "XOF")]),
        renews_at=st.none() | st.just(NOW + HOUR),
    ),
    max_size=3,
    unique_by=lambda budget: budget.key,
).map(tuple)
NEAR = st.sampled_from([NOW - DAY, NOW - TICK, NOW, NOW + TICK, NOW + HOUR])
SPANS = st.sampled_from(
    [((time(9), time(19)),), ((time(12), time(13)),), ((time(21), time(2)), (time(12), time(12, 1)))]
)
POLICIES = st.builds(
    Policy,
    category=CATEGORIES,
    tags=TAGS,
    account=ACCOUNTS,
    forms=st.frozensets(st.sampled_from(Form), min_size=1),
    prefers_cheapest=st.booleans(),
    waits_for_window=st.booleans(),
    consent=mostly(None, st.builds(Consent, st.none() | st.just(DAY))),
    holdout=mostly(None, st.just(Holdout(30, "s"))),
    caps=mostly((), CAPS),
    min_gap=mostly(timedelta(), st.just(HOUR)),
    hours=mostly(None, st.builds(Hours, SPANS)),
    pair_gap=mostly(timedelta(), st.just(HOUR)),
)
HISTORIES = st.lists(
    st.builds(PastMessage, NEAR.map(lambda at: min(at, NOW)), CATEGORIES, TAGS, ACCOUNTS), max_size=3
)
ALL_FACTS = st.builds(
    Facts,
    now=st.just(NOW),
    run_state=mostly(RunState.RUNNING, st.sampled_from(RunState)),
    policy=POLICIES,
    phone=st.sampled_from(["+2290197000000", "+12025550123"]),
    region=st.sampled_from(["BJ", "US", None]),
    zones=PLACES,
    expires_at=mostly(None, NEAR),
    opted_out=mostly(frozenset(), st.frozensets(st.sampled_from(["marketing", "all"]))),
    consent_at=st.none() | NEAR,
    history=HISTORIES.map(lambda history: tuple(sorted(history, key=lambda past: past.at))),
    last_message_at=st.none() | NEAR,
    pair_message_at=st.none() | NEAR,
    window=st.builds(
        WindowState,
        applies=st.booleans(),
        until=st.none() | NEAR,
        may_ask=mostly(False, st.just(True)),
        refused_as_free=st.booleans(),
    ),
    costs=st.builds(Costs, free=PRICES, template=PRICES, budgets=mostly((), BUDGETS)),
    tier=st.builds(Allowance, left=mostly(None, st.integers(0, 2)), renews_at=st.just(NOW + HOUR)),
    ramp=st.builds(Allowance, left=mostly(None, st.integers(0, 2)), renews_at=st.just(NOW + HOUR)),
)


@share(3)
@given(ALL_FACTS)
def test_what_goes_breaks_no_promise(known: Facts) -> None:
    decision = decide(known)
    if not isinstance(decision, Send):
        return
    policy = known.policy
    assert known.run_state is RunState.RUNNING
    assert known.expires_at is None or known.now < known.expires_at
    assert decision.form in policy.forms
    if decision.form is Form.FREE and known.window.applies:
        assert known.window.until is not None
        assert known.now < known.window.until
    if policy.category == "marketing":
        assert not known.opted_out
        assert policy.consent is None or known.consent_at is not None
        assert known.region != "US" or decision.form is Form.FREE
    assert "all" not in known.opted_out
    if policy.hours is not None:
        assert all_allow(known.now, policy.hours, known.zones or zones("UTC"))
    price = known.costs.free if decision.form is Form.FREE else known.costs.template
    for budget in known.costs.budgets:
        assert price is not None
        assert (price.currency, price.amount <= budget.left.amount) == (budget.left.currency, True)


@share(2)
@given(ALL_FACTS)
def test_the_decision_depends_on_the_facts_only_and_changes_none(known: Facts) -> None:
    before = deepcopy(known)
    decision = decide(known)
    again = [decide(deepcopy(known)) for _ in range(20)]
    assert again == [decision] * 20
    assert known == before


@share(2)
@given(ALL_FACTS)
def test_a_wait_is_for_later_and_a_skip_has_a_reason(known: Facts) -> None:
    decision = decide(known)
    if isinstance(decision, Wait):
        assert decision.until is None or decision.until > known.now
    if isinstance(decision, Skip):
        assert decision.reason in SkipReason


@share(3)
@given(st.lists(PRICES, min_size=1, max_size=30), BUDGETS.filter(bool))
def test_what_is_spent_is_never_above_any_budget(
    prices: list[Money | None], budgets: tuple[OpenBudget, ...]
) -> None:
    spent = Decimal()
    for price in prices:
        left = tuple(
            replace(budget, left=Money(budget.left.amount - spent, budget.left.currency))
            for budget in budgets
        )
        if decide(facts(free_price=price, budgets=left)) == Send():
            spent += price.amount if price else 0
    assert all(spent <= budget.left.amount for budget in budgets)


@given(CAPS, MESSAGES, PLACES, st.lists(st.integers(0, 3), min_size=30, max_size=30))
def test_waiting_never_consumes(
    caps: tuple[Cap, ...], messages: list[Message], places: tuple[ZoneInfo, ...], asked: list[int]
) -> None:
    """However often the rules were asked before, the same messages go at the same times."""
    rarely = list(sent(caps, messages, places, [0] * len(messages)))
    assert list(sent(caps, messages, places, asked)) == rarely


def sent(
    caps: tuple[Cap, ...], messages: list[Message], places: tuple[ZoneInfo, ...], asked: list[int]
) -> Iterator[tuple[Message, datetime]]:
    """What goes when, if each message that waits is asked about so many times before its time comes."""
    history: list[PastMessage] = []
    now = NOW
    for message, times in zip(messages, asked, strict=False):
        now += message.after
        decision: Decision = Wait(now, Rule.HOURS)
        while isinstance(decision, Wait) and decision.until is not None:
            for part in range(times):
                decide(known_at(now + (decision.until - now) * part / times, message, caps, history, places))
            now = max(now, decision.until)
            decision = decide(known_at(now, message, caps, history, places))
            assert not isinstance(decision, Wait) or decision.until is None or decision.until > now
        if isinstance(decision, Send):
            history.append(PastMessage(now, message.category, message.tags, message.account))
            yield message, now


def known_at(
    now: datetime,
    message: Message,
    caps: tuple[Cap, ...],
    history: list[PastMessage],
    places: tuple[ZoneInfo, ...],
) -> Facts:
    known = asked_of(message, now, caps, history)
    return replace(known, zones=places, policy=replace(known.policy, hours=SHOP_HOURS))

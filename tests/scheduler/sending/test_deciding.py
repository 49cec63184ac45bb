"""What the rules decide about the jobs of a slice is asked once for those that no rule tells apart, and only for
those."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from campaigns.money.costs import Money
from campaigns.money.prices import Prices
from campaigns.rules.decide import decide
from campaigns.rules.decision import Consent, Decision, Holdout, Hours, Policy
from campaigns.rules.names import Form
from campaigns.spec.rules_spec import BudgetSpec
from campaigns.states import RunState
from campaigns.variants import Split
from providers.capabilities import Capabilities
from scheduler.sending.deciding import decision_of
from scheduler.sending.facts import Claim, Known
from scheduler.sending.limits import Tier
from scheduler.sending.plans import BudgetLine, Plan
from storage.runs.runs import RunRow
from storage.sending.contact_history import HistoryRow
from storage.sending.intents import DueJob
from storage.sending.tier_and_ramp import TierUse
from storage.sending.windows import Window
from tests.support.cases import each

NOW: Final = datetime(2026, 11, 2, 9, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
ADA, BOB = "+447700900001", "+447700900005"
POLICY: Final = Policy("marketing", account="meta", forms=frozenset(Form))
TEMPLATE: Final = replace(POLICY, forms=frozenset({Form.TEMPLATE}))
PLAN: Final = Plan(
    contents={},
    policies={None: POLICY},
    gap=timedelta(),
    rate=None,
    jitter=timedelta(),
    zone=ZoneInfo("UTC"),
    needs_zones=False,
    counts=True,
    budget=None,
    ramp=(),
    prices=Prices([], Money(Decimal(10), "USD")),
)
LINE: Final = BudgetLine("line", Money(Decimal(15), "USD"), None)


NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Case(NamedTuple):
    """Bob's message is decided about after Ada's, and otherwise, because of one fact."""

    policy: Policy = POLICY
    plan: Mapping[str, Any] = NONE
    known: Mapping[str, Any] = NONE
    ada: Mapping[str, Any] = NONE
    bob: Mapping[str, Any] = NONE
    lines: tuple[BudgetLine, ...] = ()


WROTE: Final = HistoryRow(
    9, NOW - HOUR / 2, "meta/one", "marketing", frozenset(), counts=True, under_way=False
)
SPLIT: Final = {"split": Split("spring", (("a", 5_000), ("b", 5_000)))}
CASES: Final = {
    "an earlier message": Case(replace(POLICY, min_gap=HOUR), known={"history": {BOB: [WROTE]}}),
    "an open window": Case(
        replace(POLICY, forms=frozenset({Form.FREE})),
        known={"windows": {BOB: Window(NOW + HOUR, "inbound", NOW - HOUR, None)}},
    ),
    "an opt-out": Case(known={"opted_out": {BOB: frozenset({"all"})}}),
    "an old consent": Case(
        replace(POLICY, consent=Consent(2 * HOUR)),
        ada={"consent_at": NOW - HOUR},
        bob={"consent_at": NOW - 3 * HOUR},
    ),
    "another country": Case(TEMPLATE, bob={"region": "US"}),
    "another zone": Case(
        replace(POLICY, hours=Hours(((time(8), time(20)),))),
        {"needs_zones": True},
        ada={"timezone": "Europe/Paris"},
        bob={"timezone": "America/New_York"},
    ),
    "a form that was refused": Case(bob={"free_refused_at": NOW - timedelta(minutes=5)}),
    "another variant": Case(plan=SPLIT, ada={"variant": "a"}, bob={"variant": "b"}),
    "the holdout group": Case(replace(POLICY, holdout=Holdout(50, "spring"))),
    "a full tier": Case(
        known={"tier": Tier(1, "meta", is_counted=True), "tier_use": TierUse(0, None, frozenset())}
    ),
    "a full ramp": Case(plan={"ramp": (1,)}),
    "a full budget": Case(plan={"budget": BudgetSpec(currency="USD", max="15")}, lines=(LINE,)),
}


def known_with(**facts: Any) -> Known:
    capabilities = Capabilities(frozenset(), windows="windows" in facts and bool(facts["windows"]))
    account = SimpleNamespace(settings=SimpleNamespace(tier=None))
    lane: Any = SimpleNamespace(
        name="meta/one", account=account, adapter=SimpleNamespace(capabilities=capabilities)
    )
    nothing = {
        "opted_out": {}, "windows": {}, "history": {}, "used": {LINE.key: 0},
        "tier": Tier(None, "meta", is_counted=False), "tier_use": None, "sent_by_day": {},
    }  # fmt: skip
    return Known(lane, NOW, **{**nothing, **facts})


def job(number: int, phone: str, **facts: Any) -> DueJob:
    values = {"region": "GB", "timezone": None, "consent_at": None, "variant": None, **facts}
    return DueJob(number, 1, phone, 0, None, "{}", **values)


@each("case", CASES.values(), ids=CASES)
def test_who_differs_in_one_fact_is_decided_about_alone(case: Case) -> None:
    policies = {None: case.policy, "a": case.policy, "b": TEMPLATE}
    run = RunRow(1, 1, "spring", RunState.RUNNING, None, None, "")
    claim = Claim(run, replace(PLAN, policies=policies, **case.plan), (), case.lines)
    known, of_kinds = known_with(**case.known), dict[Hashable, Decision]()
    seen = []
    for person in (job(1, ADA, **case.ada), job(2, BOB, **case.bob)):
        seen.append(decision_of(claim, person, known, of_kinds))
        assert seen[-1] == decide(known.facts(claim, person))
        known.take(claim, person, Money(Decimal(10), "USD"), outside=True)
    assert seen[0] != seen[1]


def test_it_is_asked_once_for_those_who_are_alike() -> None:
    claim = Claim(RunRow(1, 1, "spring", RunState.RUNNING, None, None, ""), PLAN, (), ())
    known, of_kinds = known_with(), dict[Hashable, Decision]()
    ada, bob = (
        decision_of(claim, job(number, phone), known, of_kinds) for number, phone in ((1, ADA), (2, BOB))
    )
    assert ada is bob
    assert list(of_kinds.values()) == [ada]

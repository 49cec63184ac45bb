"""Each rule by table, and their one order."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules import RULES, Decision, Facts, Form, Policy, Send, Skip, Wait, decide
from campaigns.rules.decision import Rule, SkipReason
from campaigns.rules.window import MARGIN
from campaigns.states import JobState, RunState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(milliseconds=1), NOW + timedelta(milliseconds=1)
CANCELLED = Skip(SkipReason.RUN_CANCELLED, JobState.CANCELLED)
EXPIRED = Skip(SkipReason.EXPIRED, JobState.EXPIRED)
OPTED_OUT = Skip(SkipReason.OPTED_OUT)
CLOSED = Skip(SkipReason.WINDOW_CLOSED)
BOTH, TEMPLATE = frozenset(Form), frozenset({Form.TEMPLATE})
POLICY = {field.name for field in fields(Policy)}
TICK = timedelta(milliseconds=1)


def facts(**known: object) -> Facts:
    asked = {"category": "marketing"} | {name: known.pop(name) for name in POLICY & known.keys()}
    return Facts(**{"now": NOW, "run_state": RunState.RUNNING, "policy": Policy(**asked), **known})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "decision"),
    [
        ({}, Send()),
        ({"run_state": RunState.PAUSED}, Wait(None, Rule.RUN_STATE)),
        ({"run_state": RunState.CANCELLED}, CANCELLED),
        ({"run_state": RunState.COMPLETED}, CANCELLED),
        ({"expires_at": AFTER}, Send()),
        ({"expires_at": NOW}, EXPIRED),
        ({"expires_at": BEFORE}, EXPIRED),
        ({"opted_out": frozenset({"marketing"})}, OPTED_OUT),
        ({"opted_out": frozenset({"all"})}, OPTED_OUT),
        ({"opted_out": frozenset({"marketing"}), "category": "utility"}, Send()),
        ({"opted_out": frozenset({"all"}), "category": "utility"}, OPTED_OUT),
        ({"opted_out": frozenset({"all"}), "category": "authentication"}, OPTED_OUT),
        ({"run_state": RunState.PAUSED, "expires_at": BEFORE}, Wait(None, Rule.RUN_STATE)),
        ({"expires_at": BEFORE, "opted_out": frozenset({"all"})}, EXPIRED),
        ({"forms": BOTH}, Send(Form.FREE)),
        ({"forms": TEMPLATE}, Send(Form.TEMPLATE)),
        ({"has_windows": True}, CLOSED),
        ({"has_windows": True, "forms": BOTH}, Send(Form.TEMPLATE)),
        ({"has_windows": True, "window_until": NOW + MARGIN}, CLOSED),
        ({"has_windows": True, "window_until": NOW + MARGIN + TICK}, Send(Form.FREE)),
        ({"has_windows": True, "window_until": NOW + MARGIN + TICK, "forms": BOTH}, Send(Form.FREE)),
        ({"has_windows": True, "window_until": NOW + MARGIN + TICK, "forms": TEMPLATE}, Send(Form.TEMPLATE)),
        ({"refused_as_free": True, "forms": BOTH}, Send(Form.TEMPLATE)),
        ({"refused_as_free": True}, CLOSED),
        ({"has_windows": True, "opted_out": frozenset({"all"})}, OPTED_OUT),
    ],
)
def test_decide(known: dict[str, object], decision: Decision) -> None:
    assert decide(facts(**known)) == decision


all_facts = st.builds(
    Facts,
    now=st.just(NOW),
    run_state=st.sampled_from(RunState),
    category=st.sampled_from(["marketing", "utility", "authentication", "service"]),
    expires_at=st.none() | st.sampled_from([BEFORE, NOW, AFTER]),
    opted_out=st.frozensets(st.sampled_from(["marketing", "all"])),
    forms=st.frozensets(st.sampled_from(Form), min_size=1),
    has_windows=st.booleans(),
    window_until=st.none() | st.sampled_from([BEFORE, NOW, AFTER, NOW + timedelta(hours=1)]),
    refused_as_free=st.booleans(),
)


@given(all_facts)
def test_a_message_goes_only_where_every_rule_agrees(known: Facts) -> None:
    answers = [rule(known) for rule in RULES]
    agreed = all(isinstance(answer, Send) for answer in answers)
    assert isinstance(decide(known), Send) == agreed
    if not agreed:
        assert decide(known) == next(answer for answer in answers if not isinstance(answer, Send))


@given(all_facts)
def test_no_free_form_ever_goes_outside_an_open_window(known: Facts) -> None:
    if decide(known) == Send(Form.FREE) and known.has_windows:
        assert known.window_until is not None
        assert known.now < known.window_until


@given(all_facts)
def test_only_a_form_that_the_campaign_gives_is_sent(known: Facts) -> None:
    decision = decide(known)
    if isinstance(decision, Send):
        assert decision.form in known.forms

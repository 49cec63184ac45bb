"""Each rule by table, and their one order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules import RULES, Decision, Facts, Send, Skip, Wait, decide
from campaigns.rules.decision import Rule, SkipReason
from campaigns.states import JobState, RunState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(milliseconds=1), NOW + timedelta(milliseconds=1)
CANCELLED = Skip(SkipReason.RUN_CANCELLED, JobState.CANCELLED)
EXPIRED = Skip(SkipReason.EXPIRED, JobState.EXPIRED)
OPTED_OUT = Skip(SkipReason.OPTED_OUT)


def facts(**known: object) -> Facts:
    return Facts(**{"now": NOW, "run_state": RunState.RUNNING, "category": "marketing", **known})  # type: ignore[arg-type]


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
)


@given(all_facts)
def test_a_message_goes_only_where_every_rule_agrees(known: Facts) -> None:
    answers = [rule(known) for rule in RULES]
    assert (decide(known) == Send()) == all(answer == Send() for answer in answers)
    assert decide(known) == next((answer for answer in answers if answer != Send()), Send())

"""Rule 1: nothing is sent for a run that is paused or finished."""

from __future__ import annotations

from typing import assert_never

from campaigns.rules.decision import SEND, Decision, Facts, Skip, Wait
from campaigns.rules.names import Rule, SkipReason
from campaigns.states import JobState, RunState


def run_state(facts: Facts) -> Decision:
    match facts.run_state:
        case RunState.RUNNING:
            return SEND
        case RunState.PAUSED:
            return Wait(None, Rule.RUN_STATE)
        case RunState.CANCELLED | RunState.COMPLETED:
            return Skip(SkipReason.RUN_CANCELLED, JobState.CANCELLED)
        case other:
            assert_never(other)

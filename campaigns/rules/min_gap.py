"""Rule 9: `contact_gap` passes since any campaign last wrote to the person, on any sender."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Wait
from campaigns.rules.names import Rule


def min_gap(facts: Facts) -> Decision:
    if facts.last_message_at is None or not facts.policy.min_gap:
        return SEND
    until = facts.last_message_at + facts.policy.min_gap
    return Wait(until, Rule.MIN_GAP) if facts.now < until else SEND

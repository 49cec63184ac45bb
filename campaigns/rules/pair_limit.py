"""Rule 13: the provider's least time passes between two messages to one person on one lane."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Wait
from campaigns.rules.names import Rule


def pair_limit(facts: Facts) -> Decision:
    if facts.pair_message_at is None or not facts.policy.pair_gap:
        return SEND
    until = facts.pair_message_at + facts.policy.pair_gap
    return Wait(until, Rule.PAIR_LIMIT) if facts.now < until else SEND

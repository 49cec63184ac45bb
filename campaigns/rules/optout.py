"""Rule 3: an opt-out of `all` stops every message, one of `marketing` those of that category."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Skip
from campaigns.rules.names import SkipReason


def optout(facts: Facts) -> Decision:
    if "all" in facts.opted_out or (facts.policy.category == "marketing" and "marketing" in facts.opted_out):
        return Skip(SkipReason.OPTED_OUT)
    return SEND

"""Rule 14: outside their windows, an account reaches no more different people in 24 hours than its tier allows."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Wait
from campaigns.rules.forms import in_window
from campaigns.rules.names import Rule


def tier(facts: Facts) -> Decision:
    if facts.tier.left is None or facts.tier.left > 0 or in_window(facts):
        return SEND
    return Wait(facts.tier.renews_at, Rule.TIER)

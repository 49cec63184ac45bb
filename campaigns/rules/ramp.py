"""Rule 15: on its first days a campaign sends no more on a lane than its ramp allows for the day."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Wait
from campaigns.rules.names import Rule


def ramp(facts: Facts) -> Decision:
    if facts.ramp.left is None or facts.ramp.left > 0:
        return SEND
    return Wait(facts.ramp.renews_at, Rule.RAMP)

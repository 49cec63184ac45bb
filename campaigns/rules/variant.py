"""Rule 7: people outside the variant test wait for the winner, at least until the test ends."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Wait
from campaigns.rules.names import Rule


def variant(facts: Facts) -> Decision:
    if not facts.awaits_winner:
        return SEND
    ends_at = facts.test_ends_at
    return Wait(ends_at if ends_at is not None and facts.now < ends_at else None, Rule.VARIANT)

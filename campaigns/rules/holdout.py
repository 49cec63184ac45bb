"""Rule 5: a share of the people receives nothing. Who is in it depends only on the salt and the number, not on how
people are spread over lanes."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from campaigns.rules.decision import SEND, Decision, Facts, Holdout, Skip
from campaigns.rules.names import SkipReason

SHARES: Final = 10_000
"""A share is a hundredth of a percent."""


def holdout(facts: Facts) -> Decision:
    asked = facts.policy.holdout
    if asked is not None and is_held_out(asked, facts.phone):
        return Skip(SkipReason.HOLDOUT)
    return SEND


def is_held_out(asked: Holdout, phone: str) -> bool:
    """Whether the person is in the holdout group; a person who is in it at 5 % is also in it at 10 %."""
    drawn = int.from_bytes(sha256(f"{asked.salt}{phone}".encode()).digest()[:8])
    return drawn % SHARES < round(asked.percent * SHARES / 100)

"""Rule 2: nothing is sent at or after the run's `expires_after` / `ends_at`."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Skip
from campaigns.rules.names import SkipReason
from campaigns.states import JobState


def expiry(facts: Facts) -> Decision:
    if facts.expires_at is not None and facts.now >= facts.expires_at:
        return Skip(SkipReason.EXPIRED, JobState.EXPIRED)
    return SEND

"""Rule 4: where the campaign requires consent, marketing is sent only to people who gave it, and not too long ago.
Consent dated in the future does not count."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Skip
from campaigns.rules.names import SkipReason


def consent(facts: Facts) -> Decision:
    asked, given_at = facts.policy.consent, facts.consent_at
    if asked is None or facts.policy.category != "marketing":
        return SEND
    if given_at is None or given_at > facts.now:
        return Skip(SkipReason.NO_CONSENT)
    if asked.max_age is not None and facts.now - given_at > asked.max_age:
        return Skip(SkipReason.NO_CONSENT)
    return SEND

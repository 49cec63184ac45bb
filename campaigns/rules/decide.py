"""The order of the rules, and the one answer that they come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from campaigns.rules.budget import budget
from campaigns.rules.consent import consent
from campaigns.rules.decision import Decision, Facts, Send, Skip, Wait
from campaigns.rules.destination import destination
from campaigns.rules.expiry import expiry
from campaigns.rules.frequency_cap import frequency_cap
from campaigns.rules.holdout import holdout
from campaigns.rules.hours import hours
from campaigns.rules.min_gap import min_gap
from campaigns.rules.optout import optout
from campaigns.rules.pair_limit import pair_limit
from campaigns.rules.ramp import ramp
from campaigns.rules.run_state import run_state
from campaigns.rules.tier import tier
from campaigns.rules.variant import variant
from campaigns.rules.window import window

FIRST: Final[tuple[Callable[[Facts], Decision], ...]] = (
    run_state, expiry, optout, consent, holdout, destination, variant, frequency_cap, min_gap, hours,
)  # fmt: skip
"""Whether the person may be written to now. Then `window` chooses the form, and `budget` checks that form."""

LAST: Final[tuple[Callable[[Facts], Decision], ...]] = (pair_limit, tier, ramp)
"""Whether the lane and its account may send now."""


def decide(facts: Facts) -> Decision:
    """The first answer that is not `Send`; if every rule answers `Send`, `Send` in the form that the window allows."""
    if refusal := _refusal(FIRST, facts):
        return refusal
    chosen = window(facts)
    if not isinstance(chosen, Send):
        return chosen
    paid = budget(facts, chosen.form)
    if not isinstance(paid, Send):
        return paid
    return _refusal(LAST, facts) or chosen


def may_be_written_to(facts: Facts) -> bool:
    """Whether the person may be written to now, in whatever form."""
    return _refusal(FIRST, facts) is None


def _refusal(rules: tuple[Callable[[Facts], Decision], ...], facts: Facts) -> Wait | Skip | None:
    for rule in rules:
        answer = rule(facts)
        if not isinstance(answer, Send):
            return answer
    return None

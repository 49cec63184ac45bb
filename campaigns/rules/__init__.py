"""What may be sent now: every rule is one pure function of `Facts`, and `decide` is their one order."""

from __future__ import annotations

from campaigns.rules.decision import Decision, Facts, Form, Policy, Send, Skip, Wait
from campaigns.rules.expiry import expiry
from campaigns.rules.optout import optout
from campaigns.rules.run_state import run_state
from campaigns.rules.window import window

RULES = (run_state, expiry, optout, window)
"""In this order; the first answer that is not `Send` holds."""


def decide(facts: Facts) -> Decision:
    """The first answer that is not `Send`; where every rule agrees, `Send` in the form that the window allows."""
    decision: Decision = Send()
    for rule in RULES:
        decision = rule(facts)
        if not isinstance(decision, Send):
            return decision
    return decision


__all__ = ["RULES", "Decision", "Facts", "Form", "Policy", "Send", "Skip", "Wait", "decide"]

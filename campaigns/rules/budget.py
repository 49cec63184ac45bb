"""Rule 12: a message goes only where every budget has its price left. What has no price, or one in another currency, is
inside no budget."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Form, Rule, Wait


def budget(facts: Facts, form: Form) -> Decision:
    """The message in `form` waits for the next day or month; on a run's budget, or a price that is not known, it waits
    for somebody to act."""
    if not facts.purses:
        return SEND
    price = facts.free_price if form is Form.FREE else facts.template_price
    if price is None or any(purse.left.currency != price.currency for purse in facts.purses):
        return Wait(None, Rule.BUDGET)
    short = [purse for purse in facts.purses if purse.left.amount < price.amount]
    if not short:
        return SEND
    renewals = [purse.renews_at for purse in short if purse.renews_at is not None]
    return Wait(max(renewals) if len(renewals) == len(short) else None, Rule.BUDGET)

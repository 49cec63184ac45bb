"""Rule 12: a message is sent only if every budget has its price left. A message without a price, or with one in another
currency, exceeds every budget."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Form, Rule, Wait


def budget(facts: Facts, form: Form) -> Decision:
    """The message in `form` waits for the next day or month; on a run's budget, or an unknown price, it waits until
    a person acts."""
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

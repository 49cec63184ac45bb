"""Rule 12: a message is sent only if every budget has its price left. A message without a price, or with one in another
currency, exceeds every budget."""

from __future__ import annotations

from campaigns.rules.decision import SEND, Decision, Facts, Wait
from campaigns.rules.names import Form, Rule


def budget(facts: Facts, form: Form) -> Decision:
    """The message in `form` waits for the next day or month; on a run's budget, or an unknown price, it waits until
    a person acts."""
    budgets = facts.costs.budgets
    if not budgets:
        return SEND
    price = facts.costs.free if form is Form.FREE else facts.costs.template
    if price is None or any(each.left.currency != price.currency for each in budgets):
        return Wait(None, Rule.BUDGET)
    short = [each for each in budgets if each.left.amount < price.amount]
    if not short:
        return SEND
    renewals = [each.renews_at for each in short if each.renews_at is not None]
    return Wait(max(renewals) if len(renewals) == len(short) else None, Rule.BUDGET)

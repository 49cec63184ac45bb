"""Rule 11: inside the recipient's 24-hour window the free form is sent, or the cheaper form if the campaign asks for
it; outside it the template. A provider without windows always sends the free form. The last minute counts as outside.
If the window's state is unknown, the provider is asked first, if it can be asked."""

from __future__ import annotations

from campaigns.rules.decision import Decision, Facts, Send, Skip, Wait
from campaigns.rules.destination import template_blocked
from campaigns.rules.forms import may_be_free, must_ask_window
from campaigns.rules.names import Form, Rule, SkipReason


def window(facts: Facts) -> Decision:
    if must_ask_window(facts):
        return Wait(None, Rule.WINDOW_UNKNOWN)
    may_be_template = Form.TEMPLATE in facts.policy.forms and not template_blocked(facts)
    if may_be_free(facts):
        return Send(Form.TEMPLATE if may_be_template and _template_is_cheaper(facts) else Form.FREE)
    if may_be_template:
        return Send(Form.TEMPLATE)
    if facts.policy.waits_for_window:
        return Wait(None, Rule.WINDOW)
    return Skip(SkipReason.WINDOW_CLOSED)


def _template_is_cheaper(facts: Facts) -> bool:
    free, template = facts.costs.free, facts.costs.template
    if not facts.policy.prefers_cheapest or free is None or template is None:
        return False
    return free.currency == template.currency and template.amount < free.amount

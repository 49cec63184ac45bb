"""Rule 8: inside the recipient's 24-hour window the free form goes, outside it the template; a provider without windows
always sends the free form. The last minute counts as outside: the message must still arrive in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from campaigns.rules.decision import Decision, Facts, Form, Send, Skip, SkipReason

MARGIN: Final = timedelta(minutes=1)


def window(facts: Facts) -> Decision:
    if Form.FREE in facts.policy.forms and _may_be_free(facts):
        return Send(Form.FREE)
    if Form.TEMPLATE in facts.policy.forms:
        return Send(Form.TEMPLATE)
    return Skip(SkipReason.WINDOW_CLOSED)


def _may_be_free(facts: Facts) -> bool:
    if facts.refused_as_free:
        return False
    if not facts.has_windows:
        return True
    return facts.window_until is not None and facts.now < facts.window_until - MARGIN

"""Which forms a message can take now: what `destination`, `window` and `tier` have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from campaigns.rules.decision import Facts
from campaigns.rules.names import Form

MARGIN: Final = timedelta(minutes=1)
"""The last minute of a window counts as outside: the message must still arrive in time."""


def in_window(facts: Facts) -> bool:
    """Whether the recipient's 24-hour window is open and will be when the message arrives."""
    window = facts.window
    if window.refused_as_free or window.until is None:
        return False
    return facts.now < window.until - MARGIN


def must_ask_window(facts: Facts) -> bool:
    """Whether the free form may be possible, but the provider must be asked."""
    return facts.window.may_ask and not facts.window.refused_as_free and Form.FREE in facts.policy.forms


def may_be_free(facts: Facts) -> bool:
    """Whether the free form can be sent: the campaign has one, and the provider has no windows or this one is open."""
    if Form.FREE not in facts.policy.forms or facts.window.refused_as_free:
        return False
    return not facts.window.applies or in_window(facts)

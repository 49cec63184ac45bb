"""Which forms a message can take now: what `destination`, `window` and `tier` have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from campaigns.rules.decision import Facts, Form

MARGIN: Final = timedelta(minutes=1)
"""The last minute of a window counts as outside: the message must still arrive in time."""


def in_window(facts: Facts) -> bool:
    """Whether the recipient's 24-hour window is open and will be when the message arrives."""
    if facts.refused_as_free or facts.window_until is None:
        return False
    return facts.now < facts.window_until - MARGIN


def must_ask_window(facts: Facts) -> bool:
    """Whether the free form may be possible, but the provider must be asked."""
    return facts.may_ask_window and not facts.refused_as_free and Form.FREE in facts.policy.forms


def may_be_free(facts: Facts) -> bool:
    """Whether the free form can be sent: the campaign has one, and the provider has no windows or this one is open."""
    if Form.FREE not in facts.policy.forms or facts.refused_as_free:
        return False
    return not facts.has_windows or in_window(facts)

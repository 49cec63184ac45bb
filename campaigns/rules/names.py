"""The names that rules, their reasons and the forms of a message have in the database and in reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Rule(StrEnum):
    """The rules, by the name in a waiting job's `held_by`."""

    RUN_STATE = "run_state"
    VARIANT = "variant"
    FREQUENCY_CAP = "frequency_cap"
    MIN_GAP = "min_gap"
    HOURS = "hours"
    WINDOW = "window"
    WINDOW_UNKNOWN = "window_unknown"
    BUDGET = "budget"
    PAIR_LIMIT = "pair_limit"
    TIER = "tier"
    RAMP = "ramp"


WAITS_FOR_EVENT: Final = (Rule.WINDOW, Rule.WINDOW_UNKNOWN, Rule.VARIANT)
"""Rules that hold a job until something happens, such as a reply of the recipient, rather than until a time."""


class SkipReason(StrEnum):
    """Why a message was not sent: the complete list, used by reports and docs."""

    RUN_CANCELLED = "run_cancelled"
    """The campaign was cancelled before the message was sent."""
    EXPIRED = "expired"
    """`expires_after` or `ends_at` passed before the message could be sent."""
    OPTED_OUT = "opted_out"
    """The recipient has opted out of messages of this kind."""
    NO_CONSENT = "no_consent"
    """The campaign requires consent, and the recipient's is missing or too old."""
    HOLDOUT = "holdout"
    """The recipient is in the holdout group, which gets nothing so that the campaign's effect can be measured."""
    DESTINATION_BLOCKED = "destination_blocked"
    """Messages of this kind are not delivered in the recipient's country."""
    FREQUENCY_CAP = "frequency_cap"
    """The recipient has had as many messages as a cap allows, and the cap says to skip."""
    WINDOW_CLOSED = "window_closed"
    """The recipient's 24-hour window is closed and the campaign has no template."""


class Form(StrEnum):
    """The two forms a message can take."""

    FREE = "free"
    """The free-form message of [content]: only inside the recipient's 24-hour window, if the provider has windows."""
    TEMPLATE = "template"
    """The approved template: at any time."""

"""What a provider can do, as data."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from campaigns.frozen import frozen
from campaigns.message.content import Addition, MessageType

PAIR_GAP: Final = timedelta(seconds=6)
"""Meta's pair limit: one message per 6 seconds from one number to one person (10 a minute, 600 an hour); providers
in front of Meta have it too. Source: Cloud API throughput documentation."""


@frozen
class Capabilities:
    """What a provider can do, as `drumbeat provider list` shows it."""

    types: frozenset[MessageType]
    additions: frozenset[Addition] = frozenset()
    batch: int = 1
    """The most recipients in one call; 1: no batches."""
    polls: bool = False
    webhooks: bool = False
    asks_window: bool = False
    """Whether the provider has a call for until when a person's window is open."""
    echoes_reference: bool = False
    """Whether its reports include our reference, so that webhooks identify a message in doubt."""
    looks_up: bool = False
    """Whether an in-doubt message can be found at the provider."""
    idempotent: bool = False
    """Whether the provider recognizes a repeated message by our reference, so that one in doubt may be sent again."""
    user_ids: bool = False
    """Whether a message can be sent to the provider's user id of a person whose number is not known."""
    sessions: bool = False
    reports_cost: bool = False
    shows_limits: bool = False
    """Whether it shows its numbers' messaging limit, quality, throughput and name."""
    quarterly_rates: bool = False
    """Whether its prices may change with each quarter, as Meta's do."""
    service_allowance: bool = False
    """Whether Meta's free allowance of service messages per number and month applies."""
    marketing_messages: bool = False
    """Whether a campaign may choose Meta's Marketing Messages API."""
    windows: bool = True
    """Whether the 24-hour window rule applies."""
    delay_between: timedelta = timedelta()
    """The provider's default gap between two sends."""
    pair_gap: timedelta = timedelta()
    """The provider's least time between two messages from one sender to one person."""

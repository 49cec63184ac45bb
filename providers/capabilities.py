"""What a provider can do, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from campaigns.message.content import Addition, MessageType

if TYPE_CHECKING:
    pass


PAIR_GAP: Final = timedelta(seconds=6)
"""Meta's pair limit: one message to a person in 6 seconds from one number (10 a minute, 600 an hour); a provider in
front of Meta has it too. Source: Cloud API throughput documentation."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, as `drumbeat provider list` shows it."""

    types: frozenset[MessageType]
    additions: frozenset[Addition] = frozenset()
    batch: int = 1
    """The most recipients in one call; 1: no batches."""
    polls: bool = False
    webhooks: bool = False
    asks_window: bool = False
    """Whether the provider can be asked until when a person's window is open."""
    echoes_reference: bool = False
    """Whether what it reports names our own reference: a message in doubt is then known by its webhook."""
    looks_up: bool = False
    """Whether an in-doubt message can be found at the provider."""
    idempotent: bool = False
    """Whether the provider knows a message again by our reference, so that one in doubt may be sent once more."""
    sessions: bool = False
    reports_cost: bool = False
    windows: bool = True
    """Whether the 24-hour window rule applies."""
    delay_between: timedelta = timedelta()
    """The provider's own default gap between two sends."""
    pair_gap: timedelta = timedelta()
    """The provider's least time between two messages from one sender to one person."""

"""What the Messaging API can do; what knows how it is done, its adapter, loads the HTTP client."""

from __future__ import annotations

from typing import Final

from campaigns.message.content import MessageType
from providers.capabilities import PAIR_GAP, Capabilities

CAPABILITIES: Final = Capabilities(
    types=frozenset({MessageType.TEXT, MessageType.TEMPLATE}),
    polls=True,
    asks_window=True,
    pair_gap=PAIR_GAP,
    idempotent=True,
)

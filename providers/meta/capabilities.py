"""What Meta's Cloud API can do; what knows how it is done, its adapter, loads the HTTP client."""

from __future__ import annotations

from typing import Final

from campaigns.message.content import Addition, MessageType
from providers.capabilities import PAIR_GAP, Capabilities

TYPES: Final = frozenset(MessageType) - {MessageType.FILES}
ADDITIONS: Final = frozenset(Addition)

CAPABILITIES: Final = Capabilities(
    types=TYPES,
    additions=ADDITIONS,
    webhooks=True,
    echoes_reference=True,
    pair_gap=PAIR_GAP,
    quarterly_rates=True,
    shows_limits=True,
    user_ids=True,
    service_allowance=True,
    marketing_messages=True,
)

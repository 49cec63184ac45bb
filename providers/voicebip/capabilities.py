"""What Voicebip can do; what knows how it is done, its adapter, loads the HTTP client."""

from __future__ import annotations

from typing import Final

from campaigns.message.content import Addition, MessageType
from providers.capabilities import PAIR_GAP, Capabilities

MEDIA: Final = frozenset({MessageType.IMAGE, MessageType.AUDIO, MessageType.DOCUMENT, MessageType.VIDEO})
TYPES: Final = MEDIA | {MessageType.TEXT, MessageType.LIST, MessageType.TEMPLATE}

CAPABILITIES: Final = Capabilities(
    types=TYPES,
    additions=frozenset({Addition.HEADER, Addition.FOOTER}),
    webhooks=True,
    pair_gap=PAIR_GAP,
)

"""What Bird can do; what knows how it is done, its adapter, loads the HTTP client."""

from __future__ import annotations

from typing import Final

from campaigns.message.content import MessageType
from providers.capabilities import PAIR_GAP, Capabilities

TYPES: Final = frozenset(
    {
        *(MessageType.TEXT, MessageType.IMAGE, MessageType.VIDEO, MessageType.AUDIO, MessageType.DOCUMENT),
        *(
            MessageType.STICKER,
            MessageType.FILES,
            MessageType.LOCATION,
            MessageType.LIST,
            MessageType.TEMPLATE,
        ),
    }
)

CAPABILITIES: Final = Capabilities(
    types=TYPES,
    polls=True,
    webhooks=True,
    asks_window=True,
    pair_gap=PAIR_GAP,
    echoes_reference=True,
    looks_up=True,
)

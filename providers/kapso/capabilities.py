"""What Kapso can do: its current API, which is Meta's, and the older one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from campaigns.message.content import Addition, MessageType
from providers.capabilities import PAIR_GAP, Capabilities
from providers.meta.capabilities import ADDITIONS, TYPES

CAPABILITIES: Final = Capabilities(
    types=TYPES,
    additions=ADDITIONS,
    polls=True,
    webhooks=True,
    asks_window=True,
    pair_gap=PAIR_GAP,
    echoes_reference=True,
    quarterly_rates=True,
    shows_limits=True,
    user_ids=True,
    service_allowance=True,
)
"""Of the current API."""

MEDIA: Final = frozenset({MessageType.IMAGE, MessageType.VIDEO, MessageType.AUDIO, MessageType.DOCUMENT})
LEGACY_TYPES: Final = MEDIA | {
    MessageType.TEXT,
    MessageType.LOCATION,
    MessageType.CONTACTS,
    MessageType.REACTION,
    MessageType.LIST,
    MessageType.TEMPLATE,
}
LEGACY_ADDITIONS: Final = frozenset({Addition.HEADER, Addition.FOOTER, Addition.MEDIA_ID})
LEGACY: Final = replace(
    CAPABILITIES,
    types=LEGACY_TYPES,
    additions=LEGACY_ADDITIONS,
    echoes_reference=False,
    looks_up=True,
    shows_limits=False,
    user_ids=False,
)

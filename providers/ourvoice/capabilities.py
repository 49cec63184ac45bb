"""What Our Voice can do; what knows how it is done, its adapter, loads the HTTP client."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from campaigns.message.content import MessageType
from providers.capabilities import Capabilities

TYPES: Final = frozenset(
    {MessageType.TEXT, MessageType.IMAGE, MessageType.VIDEO, MessageType.AUDIO, MessageType.DOCUMENT}
)
BATCH: Final = 100
"""Our choice: the document states no size limit of `to_number`."""

CAPABILITIES: Final = Capabilities(
    types=TYPES,
    batch=BATCH,
    polls=True,
    looks_up=True,
    sessions=True,
    reports_cost=True,
    windows=False,
    delay_between=timedelta(milliseconds=500),
)

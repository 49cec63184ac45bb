"""The adapters there are, what each can do and the accounts that use it; and what providers reported about accounts."""

from __future__ import annotations

from collections.abc import Sequence

from app.wiring.settings import Settings
from campaigns.frozen import frozen
from providers.capabilities import Capabilities
from providers.registry import ADAPTERS, capabilities_of
from storage.database.engine import Connection
from storage.receipts import notices
from storage.receipts.notices import NoticeRow


@frozen
class AdapterView:
    """One adapter, as `drumbeat provider list` shows it."""

    adapter: str
    """Its name, as the settings give it."""
    types: list[str]
    """Types of messages that it can send."""
    additions: list[str]
    """Additions to a message that it can send."""
    batch: int
    """The most messages in one call."""
    webhooks: bool
    """Whether it learns delivery statuses by webhooks."""
    polls: bool
    """Whether it asks for delivery statuses."""
    doubts: str
    """How a message in doubt is settled."""
    windows: bool
    """Whether the provider has 24-hour windows."""
    asks_window: bool
    """Whether the provider can be asked for a person's window."""
    sessions: bool
    """Whether it has sessions of phones."""
    reports_cost: bool
    """Whether the provider reports what a message costs."""
    accounts: list[str]
    """The accounts of the settings that use it."""


def list_adapters(settings: Settings) -> list[AdapterView]:
    """Every adapter, by name."""
    return [_adapter(name, settings) for name in sorted(ADAPTERS)]


def _adapter(name: str, settings: Settings) -> AdapterView:
    can = capabilities_of(name)
    return AdapterView(
        name,
        sorted(kind.value for kind in can.types),
        sorted(addition.value for addition in can.additions),
        can.batch,
        can.webhooks,
        can.polls,
        _doubts(can),
        can.windows,
        can.asks_window,
        can.sessions,
        can.reports_cost,
        [key for key, account in settings.accounts.items() if account.adapter == name],
    )


def _doubts(can: Capabilities) -> str:
    if can.idempotent:
        return "sent again under its key"
    if can.looks_up:
        return "looked up"
    return "named by a webhook" if can.echoes_reference else "by you"


async def newest_notices(connection: Connection, accounts: Sequence[str], limit: int) -> list[NoticeRow]:
    """What providers reported about templates, numbers and accounts, and how much of their webhooks was not understood,
    the newest first."""
    found = await notices.newest_notices(connection, accounts, limit)
    found += await notices.list_not_understood(connection, accounts)
    return sorted(found, key=lambda notice: notice.at, reverse=True)[:limit]

"""The registered adapters. Each is imported on first use, so that a command imports only those it needs, and where it
sends nothing only the settings of their accounts: an adapter brings the HTTP client with it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from campaigns.errors import UsageError

if TYPE_CHECKING:
    from campaigns.message.content import Addition, MessageType
    from providers.adapter import Adapter
    from providers.capabilities import Capabilities
    from providers.settings import AccountSettings

ADAPTERS: Final = {
    "bird": "providers.bird.adapter:Bird",
    "kapso": "providers.kapso.adapter:Kapso",
    "messaging_api": "providers.messaging_api.adapter:MessagingApi",
    "meta": "providers.meta.adapter:Meta",
    "ourvoice": "providers.ourvoice.adapter:OurVoice",
    "voicebip": "providers.voicebip.adapter:Voicebip",
}
ACCOUNTS: Final = {
    "bird": "providers.bird.settings:BirdAccount",
    "kapso": "providers.kapso.settings:KapsoAccount",
    "messaging_api": "providers.messaging_api.settings:MessagingApiAccount",
    "meta": "providers.meta.settings:MetaAccount",
    "ourvoice": "providers.ourvoice.settings:OurVoiceAccount",
    "voicebip": "providers.voicebip.settings:VoicebipAccount",
}
"""The settings of each adapter's accounts: its `account_settings`."""
CAPABILITIES: Final = {name: f"providers.{name}.capabilities:CAPABILITIES" for name in ADAPTERS}
"""What each can do, without its adapter."""


def adapter_class(name: str) -> type[Adapter]:
    """The adapter with that name. Raises UsageError listing the known ones."""
    return cast("type[Adapter]", _imported(ADAPTERS, name))


def account_settings(name: str) -> type[AccountSettings]:
    """The settings of that adapter's accounts. Raises UsageError listing the known ones."""
    return cast("type[AccountSettings]", _imported(ACCOUNTS, name))


def capabilities_of(name: str) -> Capabilities:
    """What the adapter with that name can do, by its `capabilities.py` or by itself. Raises UsageError as
    `adapter_class` does."""
    if name in CAPABILITIES:
        return cast("Capabilities", _imported(CAPABILITIES, name))
    return adapter_class(name).capabilities


def _imported(places: dict[str, str], name: str) -> Any:
    place = places.get(name)
    if place is None:
        known = ", ".join(sorted(places))
        raise UsageError(f'There is no adapter "{name}".', hint=f"Known adapters: {known}.")
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def open_adapter(account: AccountSettings) -> Adapter:
    """The adapter of an account."""
    make = cast("Callable[[AccountSettings], Adapter]", adapter_class(account.adapter))
    return make(account)


def providers_that_send(kind: MessageType | Addition) -> list[str]:
    """Names of the adapters that can send this, for the error message to a campaign's author."""
    return [name for name in sorted(ADAPTERS) if can_send(name, kind)]


def can_send(name: str, kind: MessageType | Addition) -> bool:
    """Whether the adapter with that name can send this type, or messages with this addition."""
    from campaigns.message.content import Addition

    can = capabilities_of(name)
    return kind in (can.additions if isinstance(kind, Addition) else can.types)

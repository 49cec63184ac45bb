"""Accounts at the emulators for tests of the engine: two numbers at Meta, one at each other provider with a key of its
own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from providers.registry import adapter_class
from providers.settings import AccountSettings

KEYS: Final[dict[str, dict[str, Any]]] = {
    "meta": {
        "base_url": "http://emulator/meta/v24.0",
        "senders": [
            {"name": "one", "phone_number_id": "106540352242922"},
            {"name": "two", "phone_number_id": "106540352242923"},
        ],
    },
    "kapso": {
        "api": "current",
        "base_url": "http://emulator/kapso/meta/whatsapp/v24.0",
        "senders": [{"name": "one", "phone_number_id": "123456789012345"}],
    },
    "bird": {
        "base_url": "http://emulator/bird",
        "workspace_id": "0a5c7a3e-1111-4c7e-9d4b-5d2f1c000001",
        "senders": [{"name": "one", "channel_id": "0a5c7a3e-2222-4c7e-9d4b-5d2f1c000002"}],
    },
    "voicebip": {
        "base_url": "http://emulator/voicebip",
        "senders": [{"name": "one", "agent_id": "agt_PAEZ_njcfm2kycpjs", "number": "+447700900100"}],
    },
    "messaging_api": {
        "base_url": "http://emulator/messaging_api",
        "senders": [{"name": "one", "business_whatsapp_number_id": "f0e1d2c3-1234-4abc-9def-000011113333"}],
    },
    "ourvoice": {
        "base_url": "http://emulator/ourvoice",
        "senders": [{"name": "one", "session_id": "a3f1b2c4-1234-4abc-9def-000011112222"}],
    },
}
TEMPLATE: Final = {"name": "spring_sale", "language": "en", "parameters": ["{{ first_name }}"]}
"""One that the emulators have approved."""


def account_at(provider: str, key_file: Path, **values: Any) -> AccountSettings:
    """An account at that provider's emulator, its key in `key_file`."""
    key_file.write_text("test-key")
    return adapter_class(provider).account_settings.model_validate(
        {"adapter": provider, "api_key": f"file:{key_file}", **KEYS[provider], **values}
    )

"""Accounts at the emulators for tests of the engine: two numbers at Meta, one at Kapso."""

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
}
TEMPLATE: Final = {"name": "spring_sale", "language": "en", "parameters": ["{{ first_name }}"]}
"""One that the emulators have approved."""


def account_at(provider: str, key_file: Path, **values: Any) -> AccountSettings:
    """An account at that provider's emulator, its key in `key_file`."""
    key_file.write_text("test-key")
    return adapter_class(provider).account_settings.model_validate(
        {"adapter": provider, "api_key": f"file:{key_file}", **KEYS[provider], **values}
    )

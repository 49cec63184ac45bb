"""Kapso: its legacy API under `/kapso/api/v1` and its current one under `/kapso/meta/whatsapp/v24.0`.

Built from the provider's pages; both APIs see the same numbers, people, conversations and messages. Where the pages
are silent:

- the legacy list of conversations takes `phone_number` and `whatsapp_config_id`; other unknown parameters are refused;
- what Meta refuses is, in the legacy API, a 422 whose `message` begins with Meta's code, `(#131047) …`;
- a conversation ends after 24 hours without a message, which its webhook page says;
- without a message from the person in the last 24 hours, free form is refused at once with 131047.
"""

from __future__ import annotations

from emulators.kapso.api import Kapso

__all__ = ["Kapso"]

"""The Messaging API: a business's WhatsApp inbox with conversations, texts inside the 24-hour window, and templates.

Built from the provider's one page, under `/messaging_api/v1/messaging`. Where it is silent:

- `Authorization: Bearer KEY`; errors are `{"message": …}`; what is not documented for a request is refused with 422;
- `deliveryStatus` is `sent`, `delivered`, `read` or `failed`;
- a used `Idempotency-Key` gets the first answer again, or 409 with the first message (`…/_control/repeats`); with
  another request behind it, 409 alone. A refused request does not use its key.
"""

from __future__ import annotations

from emulators.messaging_api.api import MessagingApi

__all__ = ["MessagingApi"]

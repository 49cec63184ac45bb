"""Meta's `pricing` object of a message: whether it is billed, but never how much.

{"billable": true, "pricing_model": "PMP", "type": "regular", "category": "marketing"}

`regular` is billed, and a type that begins with `free_` (such as `free_customer_service` and `free_entry_point`) costs
nothing. `billable`, which Meta is going to remove, decides about other types, such as the one of the free allowance of
service messages, whose name is not known, and where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from campaigns.money.costs import NO_CURRENCY, Money
from campaigns.states import JobState
from providers.events import Billed, FreeEntry
from providers.values import first_text, moment, table
from providers.values import phone as phone_in

REFERRAL: Final = "referral_conversion"
NOTHING: Final = Money(Decimal(0), NO_CURRENCY)


def charge_of(pricing: Mapping[str, Any], state: JobState | None) -> Money | None:
    """Zero for a message that is not billed; None for one that is, or if unknown. Meta charges what is delivered: a
    message that failed costs nothing, whatever its earlier statuses named."""
    if state is JobState.FAILED:
        return NOTHING
    kind = pricing.get("type")
    is_named_free = isinstance(kind, str) and kind.startswith("free_")
    is_free = is_named_free or (kind != "regular" and pricing.get("billable") is False)
    return NOTHING if is_free else None


def billed(pricing: Mapping[str, Any], phone: str | None, state: JobState | None) -> Billed | None:
    """What a billed message to `phone` is charged as; `marketing_lite` has marketing's rates. A status to a user id
    names no phone."""
    category = pricing.get("category")
    if charge_of(pricing, state) is not None or not isinstance(category, str):
        return None
    return Billed(category.replace("-", "_").removesuffix("_lite"), phone)


def free_entry_in(status: Mapping[str, Any], number: str | None) -> FreeEntry | None:
    """The free entry point that a status is in: only then Meta still names a conversation, and its end in `sent`.

    {"conversation": {"id": "…", "expiration_timestamp": "1795948403", "origin": {"type": "referral_conversion"}}}
    """
    conversation = table(status.get("conversation"))
    until = moment(conversation.get("expiration_timestamp"))
    if table(conversation.get("origin")).get("type") != REFERRAL or until is None:
        return None
    person, user_id = phone_in(status.get("recipient_id")), first_text(status.get("recipient_user_id"))
    return FreeEntry(person, until, number, user_id) if person or user_id else None

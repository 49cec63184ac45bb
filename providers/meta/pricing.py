"""Meta's `pricing` object of a message: whether it is billed, but never how much.

{"billable": true, "pricing_model": "PMP", "type": "regular", "category": "marketing"}

`type` decides if it is given (`free_customer_service` and `free_entry_point` cost nothing); `billable`, which Meta is
going to remove, is used only without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from campaigns.money.costs import NO_CURRENCY, Money
from providers.events import Billed

NOTHING: Final = Money(Decimal(0), NO_CURRENCY)


def charge_of(pricing: Mapping[str, Any]) -> Money | None:
    """Zero for a message that is not billed; None for one that is, or if unknown."""
    kind = pricing.get("type")
    is_free = kind.startswith("free_") if isinstance(kind, str) else pricing.get("billable") is False
    return NOTHING if is_free else None


def billed(pricing: Mapping[str, Any], phone: str | None) -> Billed | None:
    """What a billed message to `phone` is charged as; `marketing_lite` has marketing's rates. A status to a user id
    names no phone."""
    category = pricing.get("category")
    if charge_of(pricing) is not None or not isinstance(category, str):
        return None
    return Billed(category.replace("-", "_").removesuffix("_lite"), phone)

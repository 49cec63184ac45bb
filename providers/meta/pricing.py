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
from providers.events import Billed

NOTHING: Final = Money(Decimal(0), NO_CURRENCY)


def charge_of(pricing: Mapping[str, Any]) -> Money | None:
    """Zero for a message that is not billed; None for one that is, or if unknown."""
    kind = pricing.get("type")
    is_named_free = isinstance(kind, str) and kind.startswith("free_")
    is_free = is_named_free or (kind != "regular" and pricing.get("billable") is False)
    return NOTHING if is_free else None


def billed(pricing: Mapping[str, Any], phone: str | None) -> Billed | None:
    """What a billed message to `phone` is charged as; `marketing_lite` has marketing's rates. A status to a user id
    names no phone."""
    category = pricing.get("category")
    if charge_of(pricing) is not None or not isinstance(category, str):
        return None
    return Billed(category.replace("-", "_").removesuffix("_lite"), phone)

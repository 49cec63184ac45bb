"""What Meta shows of a number: its portfolio's messaging limit, throughput, quality, name; also through Kapso.

`GET /{phone_number_id}?fields=…` by Meta's pages on messaging limits and business phone numbers as of May 2026, and
`GET /{business_account_id}?fields=owner_business_info` for the portfolio, to which the limit belongs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from campaigns.errors import DrumbeatError
from providers.adapter import UNLIMITED, NumberLimits
from providers.http.client import Http
from providers.values import first_text, table

FIELDS: Final = (
    "display_phone_number,verified_name,name_status,quality_rating,throughput,"
    "whatsapp_business_manager_messaging_limit"
)
PEOPLE: Final[dict[str | int, int]] = {
    "TIER_50": 50,
    "TIER_250": 250,
    "TIER_1K": 1_000,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
    "TIER_UNLIMITED": UNLIMITED,
    -1: UNLIMITED,
}
"""How many people each messaging limit allows. TIER_NOT_SET is of a number that has sent nothing yet."""


def people_in(limit: Any) -> int | None:
    """How many people the limit allows: one of Meta's names, or in some updates the number itself; None: not known."""
    if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
        return limit
    return PEOPLE.get(limit) if isinstance(limit, str | int) else None


async def read_limits(
    http: Http, numbers: Mapping[str, str], business_account_id: str | None
) -> dict[str, NumberLimits]:
    """The limits of the numbers, sender -> id, by sender. Raises Unavailable, AccountError, NotFound where none of them
    can be read."""
    portfolio = await _portfolio(http, business_account_id)
    found: dict[str, NumberLimits] = {}
    for name, number in numbers.items():
        try:
            answer = await http.get(f"/{number}", [("fields", FIELDS)])
        except DrumbeatError as error:
            if len(found) == len(numbers) - 1 and all(one.problem for one in found.values()):
                raise
            found[name] = NumberLimits(portfolio=portfolio, problem=str(error))
        else:
            found[name] = _limits(table(answer.json()), portfolio)
    return found


async def _portfolio(http: Http, business_account_id: str | None) -> str | None:
    """None: it is not known, so the account counts by itself."""
    if business_account_id is None:
        return None
    try:
        answer = await http.get(f"/{business_account_id}", [("fields", "owner_business_info")])
    except DrumbeatError:
        return None
    return first_text(table(table(answer.json()).get("owner_business_info")).get("id"))


def _limits(shown: dict[str, Any], portfolio: str | None) -> NumberLimits:
    return NumberLimits(
        people_in(shown.get("whatsapp_business_manager_messaging_limit")),
        portfolio,
        first_text(shown.get("quality_rating")),
        first_text(table(shown.get("throughput")).get("level")),
        first_text(shown.get("verified_name")),
        first_text(shown.get("name_status")),
    )

"""What can be asked about a number and its account: status, quality, throughput, name, and the portfolio's limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from emulators.base import Refusal
from emulators.meta.errors import refused
from emulators.meta.events import PORTFOLIO_ID, update

STATUSES = (
    *("CONNECTED", "PENDING", "DELETED", "MIGRATED", "BANNED", "RESTRICTED", "RATE_LIMITED", "FLAGGED"),
    *("DISCONNECTED", "UNKNOWN", "UNVERIFIED"),
)
SENDING = ("CONNECTED", "RESTRICTED", "RATE_LIMITED", "FLAGGED")
"""Statuses in which a number still sends."""
LIMITS = ("TIER_250", "TIER_2K", "TIER_10K", "TIER_100K", "TIER_UNLIMITED")
CHOICES = {
    "status": STATUSES,
    "quality_rating": ("GREEN", "YELLOW", "RED", "UNKNOWN"),
    "throughput": ("STANDARD", "HIGH"),
    "name_status": ("APPROVED", "PENDING_REVIEW", "DECLINED", "EXPIRED", "NONE"),
}
DEFAULT_FIELDS = "verified_name,display_phone_number,quality_rating,id"


class Numbers:
    """Every number, id -> (digits, name), and the limit that they share."""

    def __init__(self, numbers: Mapping[str, tuple[str, str]]) -> None:
        self._numbers = numbers
        self._own = {number: {key: known[0] for key, known in CHOICES.items()} for number in numbers}
        for own in self._own.values():
            own["name_status"] = "APPROVED"
        self.limit = "TIER_UNLIMITED"

    def sends(self, number: str) -> str | None:
        """The status in which the number does not send, or None."""
        status = self._own[number]["status"]
        return None if status in SENDING else status

    def show(self, number: str, fields: str = DEFAULT_FIELDS) -> dict[str, Any]:
        """The fields of a number. Raises MetaRefusal for one that there is not."""
        digits, name = self._numbers[number]
        own = self._own[number]
        known = {
            **own,
            "id": number,
            "display_phone_number": f"+{digits}",
            "verified_name": name,
            "throughput": {"level": own["throughput"]},
            "whatsapp_business_manager_messaging_limit": self.limit,
        }
        return _chosen(known, fields.split(","))

    def put(self, number: str, values: Mapping[str, Any], now: float) -> list[bytes]:
        """Change a number, or with `limit` what the portfolio may reach; what Meta reports. Raises Refusal."""
        for key, value in values.items():
            if value not in (LIMITS if key == "limit" else CHOICES.get(key, ())):
                raise Refusal(422, f"{key} is one of {', '.join((*CHOICES, 'limit'))}, and not {value}.")
        updates = []
        if "limit" in values:
            self.limit = values["limit"]
            change = {"max_daily_conversations_per_business": self.limit, "max_phone_numbers_per_waba": 25}
            updates.append(update("business_capability_update", change, now))
        own, about = self._own[number], {"display_phone_number": self._numbers[number][0]}
        if values.get("throughput", own["throughput"]) != own["throughput"]:
            change = {**about, "event": "THROUGHPUT_UPGRADE", "current_limit": "TIER_UNLIMITED"}
            updates.append(update("phone_number_quality_update", change, now))
        if values.get("name_status", own["name_status"]) != own["name_status"]:
            change = {**about, "decision": values["name_status"], "rejection_reason": None}
            updates.append(update("phone_number_name_update", change, now))
        own.update({key: value for key, value in values.items() if key != "limit"})
        return updates


def show_account(waba_id: str, fields: str = "id,name") -> dict[str, Any]:
    """The fields of the business account. Raises MetaRefusal."""
    owner = {"name": "Shop", "id": PORTFOLIO_ID}
    known = {"id": waba_id, "name": "Shop", "owner_business_info": owner, "timezone_id": "1"}
    return _chosen(known, fields.split(","))


def _chosen(known: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    for name in names:
        if name not in known:
            raise refused(100, f"Tried accessing nonexisting field ({name})")
    return {**{name: known[name] for name in names}, "id": known["id"]}

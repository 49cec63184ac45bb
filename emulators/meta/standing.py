"""How the account stands with Meta: disabled, offboarded, without its partner or restricted; what is then refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.base import Refusal
from emulators.cloud_api import Draft
from emulators.meta.errors import refused

STOPS = {
    "ACCOUNT_DELETED": 33,
    "ACCOUNT_OFFBOARDED": 133010,
    "PARTNER_REMOVED": 200,
    "PARTNER_APP_UNINSTALLED": 200,
}
"""The events after which nothing may be sent, and the code of the refusal."""
ENDS = {
    "ACCOUNT_RECONNECTED": "ACCOUNT_OFFBOARDED",
    "PARTNER_ADDED": "PARTNER_REMOVED",
    "PARTNER_APP_INSTALLED": "PARTNER_APP_UNINSTALLED",
}
NOTICES = ("ACCOUNT_VIOLATION", "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE")
BANS = ("DISABLE", "SCHEDULE_FOR_DISABLE", "REINSTATE")
RESTRICTIONS = (
    "RESTRICTED_BIZ_INITIATED_MESSAGING",
    "RESTRICTED_CUSTOMER_INITIATED_MESSAGING",
    "RESTRICTED_ADD_PHONE_NUMBER_ACTION",
    "RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN",
)


class Standing:
    """What of its events is in force."""

    def __init__(self) -> None:
        self._stopped: dict[str, int] = {}
        """Event -> code."""
        self._restricted: dict[str, float] = {}
        """Type -> when it ends."""

    def change(self, value: Mapping[str, Any]) -> None:
        """One `account_update`. Raises Refusal for what Meta does not document."""
        event = str(value.get("event"))
        if event in STOPS:
            self._stopped[event] = STOPS[event]
        elif event in ENDS:
            self._stopped.pop(ENDS[event], None)
        elif event == "DISABLED_UPDATE":
            self._ban(str((value.get("ban_info") or {}).get("waba_ban_state")))
        elif event == "ACCOUNT_RESTRICTION":
            self._restrict(value.get("restriction_info") or [])
        elif event not in NOTICES:
            raise Refusal(422, f"event {event} is not an event of account_update.")

    def check(self, draft: Draft, now: float) -> None:
        """Whether the message may be sent. Raises MetaRefusal."""
        for event, code in self._stopped.items():
            raise refused(code, f"The account: {event}.")
        kind = RESTRICTIONS[0] if draft.template else RESTRICTIONS[1]
        if now < self._restricted.get(kind, 0.0):
            raise refused(368, f"The account: {kind}.")

    def _ban(self, state: str) -> None:
        if state not in BANS:
            raise Refusal(422, f"ban_info.waba_ban_state is one of {', '.join(BANS)}.")
        if state == "DISABLE":
            self._stopped["DISABLED_UPDATE"] = 131031
        elif state == "REINSTATE":
            self._stopped.pop("DISABLED_UPDATE", None)

    def _restrict(self, restrictions: list[Mapping[str, Any]]) -> None:
        for each in restrictions:
            if each.get("restriction_type") not in RESTRICTIONS or not isinstance(
                each.get("expiration"), int
            ):
                raise Refusal(
                    422, f"restriction_type is one of {', '.join(RESTRICTIONS)}, expiration a time."
                )
            self._restricted[str(each["restriction_type"])] = float(each["expiration"])

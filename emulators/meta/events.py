"""Meta's webhooks: their bodies, how several become one, and how they are signed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from emulators.meta.errors import error_object
from emulators.outcomes import Plan
from emulators.spellings import user_id_of

WABA_ID = "102290129340398"
FAILURES = {"not_on_whatsapp": 131026, "expired": 131049}
"""Meta's code for each outcome that fails."""
SERVICE_IS_CHARGED = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
"""From then on messages inside the window are no longer free, as several resellers report."""


@dataclass(frozen=True, slots=True)
class Sender:
    """One of the account's numbers; `number` is digits only."""

    id: str
    number: str
    name: str

    @property
    def metadata(self) -> dict[str, str]:
        """How an update names it."""
        return {"display_phone_number": self.number, "phone_number_id": self.id}


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was taken: what its statuses need."""

    wamid: str
    sender: Sender
    to: str
    type: str
    category: str
    """Of the price: a template's own in lower case, else `service`."""
    reference: str | None

    def status(self, name: str, at: float, failure: int | None = None, *, priced: bool = False) -> bytes:
        """The update with the message's new status."""
        update: dict[str, Any] = {
            "id": self.wamid,
            "status": name,
            "timestamp": str(int(at)),
            "recipient_id": self.to,
        }
        contacts = {}
        if failure is None:
            update["recipient_user_id"] = user_id_of(self.to)
            contact = {"profile": {"name": "Ada"}, "wa_id": self.to, "user_id": user_id_of(self.to)}
            contacts = {"contacts": [contact]}
        if self.reference is not None:
            update["biz_opaque_callback_data"] = self.reference
        if priced:
            update["pricing"] = self._price(at)
        if failure is not None:
            update["errors"] = [error_object(failure)]
        return messages(self.sender, **contacts, statuses=[update])

    def statuses(self, plan: Plan) -> list[tuple[float, bytes]]:
        """Every update that the plan brings, and when. `read` at the same moment takes the place of `delivered`."""
        if self.type == "reaction":
            return [] if plan.sent_at is None else [(plan.sent_at, self.status("sent", plan.sent_at))]
        delivered = None if plan.delivered_at == plan.read_at else plan.delivered_at
        times = {"sent": plan.sent_at, "delivered": delivered, "read": plan.read_at}
        updates = [
            (at, self.status(status, at, priced=status != "read" or delivered is None))
            for status, at in times.items()
            if at is not None
        ]
        if plan.failed_at is not None:
            failure = self.status("failed", plan.failed_at, FAILURES[plan.outcome])
            updates.append((plan.failed_at, failure))
        return updates

    def _price(self, at: float) -> dict[str, Any]:
        free = self.category == "service" and at < SERVICE_IS_CHARGED
        kind = "free_customer_service" if free else "regular"
        return {"billable": not free, "pricing_model": "PMP", "type": kind, "category": self.category}


def inbound(sender: Sender, person: str, text: str, at: float, *, user_id: str | None = None) -> bytes:
    """A person wrote; with `user_id` as one whose number Meta keeps to itself."""
    known = {"from": person} if user_id is None else {"from_user_id": user_id}
    contact = {"wa_id": person} if user_id is None else {"wa_id": "", "user_id": user_id}
    message = {
        **known,
        "id": wamid(person),
        "timestamp": str(int(at)),
        "type": "text",
        "text": {"body": text},
    }
    return messages(sender, contacts=[{"profile": {"name": "Ada"}, **contact}], messages=[message])


def preference(sender: Sender, person: str, choice: str, at: float) -> bytes:
    """A person stopped marketing, or resumed it."""
    entry = {
        "wa_id": person,
        "detail": f"User requested to {choice} marketing messages",
        "category": "marketing_messages",
        "value": choice,
        "timestamp": int(at),
    }
    value = {"messaging_product": "whatsapp", "metadata": sender.metadata, "contacts": [{"wa_id": person}]}
    return update("user_preferences", {**value, "user_preferences": [entry]})


def messages(sender: Sender, **parts: Any) -> bytes:
    """An update of the field `messages`."""
    return update("messages", {"messaging_product": "whatsapp", "metadata": sender.metadata, **parts})


def update(field: str, value: dict[str, Any], at: float | None = None) -> bytes:
    """The body of one update."""
    time = {} if at is None else {"time": int(at)}
    entry = {"id": WABA_ID, **time, "changes": [{"value": value, "field": field}]}
    return orjson.dumps({"object": "whatsapp_business_account", "entry": [entry]})


def join(bodies: Sequence[bytes]) -> bytes:
    """Several updates in one body."""
    if len(bodies) == 1:
        return bodies[0]
    entries = [entry for body in bodies for entry in orjson.loads(body)["entry"]]
    return orjson.dumps({"object": "whatsapp_business_account", "entry": entries})


def sign(body: bytes, secret: str) -> dict[str, str]:
    """The signature header: hex HMAC-SHA256 of the raw body under the app secret."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def wamid(person: str) -> str:
    """A message id of Meta's form."""
    return f"wamid.HBgM{person}{uuid4().hex.upper()}"

"""Meta's webhooks: their bodies, how several become one, and how they are signed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from emulators.base import Refusal
from emulators.meta.errors import error_object
from emulators.meta.templates import CATEGORIES, EVENTS, Template, Templates
from emulators.outcomes import Plan
from emulators.spellings import user_id_of

WABA_ID = "102290129340398"
PORTFOLIO_ID = "2729063490586005"
BACK = {"ARCHIVED": "UNARCHIVED", "DISABLED": "REINSTATED"}
"""The event of a template that is approved again, by what it was."""
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
    """Digits only, or a user id."""
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
        }
        contacts = {}
        known = {"wa_id": self.to} if self.to.isdigit() else {}
        if known:
            update["recipient_id"] = self.to
        if failure is None:
            user_id = user_id_of(self.to) if known else self.to
            update["recipient_user_id"] = user_id
            contacts = {"contacts": [{"profile": {"name": "Ada"}, **known, "user_id": user_id}]}
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


def change_template(
    templates: Templates, values: Mapping[str, Any], now: float
) -> tuple[Template, list[bytes]]:
    """Add or change a template; what it is now, and what Meta reports of it. `correct_category` is announced a day
    ahead, and `event` an event that changes no status. Raises Refusal for what makes no sense."""
    plain = {name: value for name, value in values.items() if name not in ("correct_category", "event")}
    before, after = templates.put(plain)
    updates = list(template_updates(before, after, now))
    if category := values.get("correct_category"):
        updates.append(category_warning(after, _one_of(category, CATEGORIES), now))
    if event := values.get("event"):
        updates.append(template_update(after, _one_of(event, EVENTS), now))
    return after, updates


def _one_of(value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise Refusal(422, f"{value} must be one of {', '.join(known)}.")
    return str(value)


def template_updates(before: Template | None, after: Template, now: float) -> Iterator[bytes]:
    """What Meta reports when a template has been added or changed."""
    if before is None or before.status != after.status:
        event = (
            BACK.get(before.status, after.status) if before and after.status == "APPROVED" else after.status
        )
        yield template_update(after, event, now)
    if before is not None and before.category != after.category:
        yield category_update(after, now, previous_category=before.category, new_category=after.category)


def template_update(template: Template, event: str, now: float) -> bytes:
    """An event of a template."""
    category = {"message_template_category": template.category, "reason": "NONE"}
    return update("message_template_status_update", {"event": event, **_named(template), **category}, now)


def category_warning(template: Template, category: str, now: float) -> bytes:
    """In a day the template will have that category; until then, `new_category` is the present one."""
    at = int(now) + 86_400
    return category_update(
        template, now, new_category=template.category, correct_category=category, category_update_timestamp=at
    )


def category_update(template: Template, now: float, **change: Any) -> bytes:
    """The template's category has changed or will."""
    return update("template_category_update", {**_named(template), **change}, now)


def _named(template: Template) -> dict[str, Any]:
    """How an update names a template: the language with a hyphen, as in Meta's examples."""
    return {
        "message_template_id": 1689556908129832,
        "message_template_name": template.name,
        "message_template_language": template.language.replace("_", "-"),
    }


def account_update(value: dict[str, Any], now: float, waba_id: str = WABA_ID) -> bytes:
    """An event of the account; of one that concerns a partner, with the account that it is about."""
    about = {"waba_id": waba_id, "owner_business_id": PORTFOLIO_ID}
    partner = str(value.get("event")).startswith("PARTNER_")
    return update("account_update", {**({"waba_info": about} if partner else {}), **value}, now)


def of_account(body: bytes, waba_id: str) -> bytes:
    """The same updates of another business account."""
    whole = orjson.loads(body)
    return orjson.dumps({**whole, "entry": [{**entry, "id": waba_id} for entry in whole["entry"]]})


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

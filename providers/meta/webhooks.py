"""Reads Meta's webhooks. One body may hold up to 1,000 updates; those that are not understood are counted.

{"object": "whatsapp_business_account", "entry": [{"id", "changes": [{"field": "messages", "value": {
  "metadata": {"phone_number_id"}, "contacts": […], "messages": […], "statuses": [{"id", "status", "timestamp",
  "recipient_id", "biz_opaque_callback_data", "pricing", "errors"}]}}]}]}
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

from campaigns.states import JobState
from providers.events import Event, Notice, NotUnderstood, Preference, Report, WebhookRequest
from providers.meta.answers import error_code, error_text
from providers.meta.codes import note_of
from providers.meta.inbound import call_in, inbound_in
from providers.meta.notices import SUBJECTS, notice_of
from providers.meta.people import user_id_of, user_ids_in
from providers.meta.pricing import billed, charge_of, free_entry_in
from providers.values import each_apart, first_text, first_text_or_number, moment, phone, table, tables

STATUSES: Final = {
    "accepted": JobState.ACCEPTED,
    "held_for_quality_assessment": JobState.HELD,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "played": JobState.READ,
    "failed": JobState.FAILED,
}
CHOICES: Final[dict[str, Literal["out", "in"]]] = {"stop": "out", "resume": "in", "signup": "in"}
"""What a person chose in WhatsApp's own settings about marketing; `signup` is consent to it."""
_ABOUT_PEOPLE: Final = ("contacts", "statuses", "messages", "user_preferences", "calls")
SIGNATURE: Final = "x-hub-signature-256"


def is_signed(request: WebhookRequest, secret: str) -> bool:
    """Whether the signature is `sha256=` and the hex HMAC-SHA256 of the raw body under the app secret."""
    wanted = "sha256=" + hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), request.headers.get(SIGNATURE, "").encode())


def events_in(data: Any, business_account_id: str | None = None) -> list[Event]:
    """Every update of a body, in its order. `business_account_id`: of the account; None: not known."""
    return [
        event
        for entry in tables(table(data).get("entry"))
        for event in each_apart(
            tables(entry.get("changes")),
            partial(_events, entry=entry, at=moment(entry.get("time")), ours=business_account_id),
        )
    ]


def _events(
    change: dict[str, Any], entry: dict[str, Any], at: datetime | None, ours: str | None
) -> Iterator[Event]:
    value = table(change.get("value"))
    # Meta's own examples have the field of some account updates elsewhere.
    field = first_text(change.get("field"), value.get("field"), entry.get("field"))
    if field is None or not isinstance(change.get("value"), dict):
        return
    if field == "messages":
        yield from _user_ids(value)
        yield from each_apart(tables(value.get("statuses")), partial(_status, number=_number(value)))
        if "messages" in value or "errors" in value:
            number = _number(value)
            yield from each_apart(tables(value.get("messages")), partial(inbound_in, at=at, number=number))
            yield from each_apart(tables(value.get("errors")), partial(_complaint, at=at, number=number))
    elif field == "user_preferences":
        yield from _user_ids(value)
        yield from each_apart(tables(value.get("user_preferences")), partial(_preference, at=at))
    elif field == "calls":
        yield from _user_ids(value)
        ours = phone(table(value.get("metadata")).get("display_phone_number"))
        read = partial(call_in, at=at, number=_number(value), ours=ours)
        yield from each_apart(tables(value.get("calls")), read)
    elif field in SUBJECTS:
        yield notice_of(field, value, at, ours, first_text_or_number(entry.get("id")))
    else:
        yield NotUnderstood(f"field {field}")


def _status(status: dict[str, Any], number: str | None) -> list[Event]:
    message_id, name = first_text(status.get("id")), first_text(status.get("status"))
    if message_id is None or name is None:
        return []
    code, reason = _failure(status)
    pricing = table(status.get("pricing"))
    state = STATUSES.get(name)
    report = Report(
        message_id,
        name,
        state,
        moment(status.get("timestamp")),
        reason=reason,
        cost=charge_of(pricing, state),
        code=code,
        reference=first_text(status.get("biz_opaque_callback_data")),
        billed=billed(pricing, phone(status.get("recipient_id")), state),
    )
    free = free_entry_in(status, number) if "conversation" in status else None
    return [report, free] if free else [report]


def _failure(status: dict[str, Any]) -> tuple[str | None, str | None]:
    """The failure's code and text."""
    errors = tables(status.get("errors"))
    if not errors:
        return None, None
    code = error_code(errors[0])
    return None if code is None else str(code), error_text(errors[0]) or note_of(code) or None


def _user_ids(value: dict[str, Any]) -> list[Event]:
    """A system message names the former number beside the new user id, and so no pair."""
    parts = [part for name in _ABOUT_PEOPLE if name in value for part in tables(value[name])]
    return each_apart([[part for part in parts if part.get("type") != "system"]], user_ids_in)


def _number(value: dict[str, Any]) -> str | None:
    """The id of our number that an update concerns."""
    return first_text(table(value.get("metadata")).get("phone_number_id"))


def _complaint(error: dict[str, Any], at: datetime | None, number: str | None) -> Iterator[Notice]:
    """An error of the account or the app that concerns no message."""
    text = error_text(error) or note_of(error_code(error))
    yield Notice("errors", number or "", f"{error_code(error)}: {text}", at)


def _preference(preference: dict[str, Any], at: datetime | None) -> Iterator[Event]:
    person, user_id = phone(preference.get("wa_id")), user_id_of(preference)
    choice = first_text(preference.get("value")) or "without a value"
    if choice not in CHOICES:
        yield NotUnderstood(f"user preference {choice}")
        return
    if person is None and user_id is None:
        return
    yield Preference(
        person,
        CHOICES[choice],
        "marketing",
        moment(preference.get("timestamp")) or at,
        f"Meta user_preferences: {preference.get('category', 'marketing_messages')} {choice}",
        user_id,
    )

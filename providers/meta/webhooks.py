"""Reads Meta's webhooks. One body may hold up to 1,000 updates; unknown ones are skipped.

{"object": "whatsapp_business_account", "entry": [{"id", "changes": [{"field": "messages", "value": {
  "metadata": {"phone_number_id"}, "contacts": […], "messages": […], "statuses": [{"id", "status", "timestamp",
  "recipient_id", "biz_opaque_callback_data", "pricing", "errors"}]}}]}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final

from campaigns.states import JobState
from providers.events import Event, Inbound, Notice, Preference, Report
from providers.meta.answers import error_code, error_text
from providers.meta.codes import note_of
from providers.meta.notices import SUBJECTS, notice_of
from providers.meta.people import answered_by, payload_of, text_of, user_id_of, user_ids_in
from providers.meta.pricing import billed, charge_of
from providers.values import each_apart, first_text, moment, phone, table, tables

STATUSES: Final = {
    "accepted": JobState.ACCEPTED,
    "held_for_quality_assessment": JobState.HELD,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "played": JobState.READ,
    "failed": JobState.FAILED,
}
_ABOUT_PEOPLE: Final = ("contacts", "statuses", "messages", "user_preferences")


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
        yield from each_apart(tables(value.get("statuses")), _status)
        if "messages" in value or "errors" in value:
            number = _number(value)
            yield from each_apart(tables(value.get("messages")), partial(_inbound, at=at, number=number))
            yield from each_apart(tables(value.get("errors")), partial(_complaint, at=at, number=number))
    elif field == "user_preferences":
        yield from _user_ids(value)
        yield from each_apart(tables(value.get("user_preferences")), partial(_preference, at=at))
    elif field in SUBJECTS:
        yield notice_of(field, value, at, ours)


def _status(status: dict[str, Any]) -> list[Report]:
    message_id, name = first_text(status.get("id")), first_text(status.get("status"))
    if message_id is None or name is None:
        return []
    code, reason = _failure(status)
    pricing = table(status.get("pricing"))
    report = Report(
        message_id,
        name,
        STATUSES.get(name),
        moment(status.get("timestamp")),
        reason=reason,
        cost=charge_of(pricing),
        code=code,
        reference=first_text(status.get("biz_opaque_callback_data")),
        billed=billed(pricing, phone(status.get("recipient_id"))),
    )
    return [report]


def _failure(status: dict[str, Any]) -> tuple[str | None, str | None]:
    """The failure's code and text."""
    errors = tables(status.get("errors"))
    if not errors:
        return None, None
    code = error_code(errors[0])
    return None if code is None else str(code), error_text(errors[0]) or note_of(code) or None


def _user_ids(value: dict[str, Any]) -> list[Event]:
    parts = [part for name in _ABOUT_PEOPLE if name in value for part in tables(value[name])]
    return each_apart([parts], user_ids_in)


def _inbound(message: dict[str, Any], at: datetime | None, number: str | None) -> Iterator[Inbound]:
    person, user_id = phone(message.get("from")), user_id_of(message)
    # System messages come from Meta.
    if (person is None and user_id is None) or message.get("type") == "system":
        return
    yield Inbound(
        person,
        moment(message.get("timestamp")) or at,
        number,
        first_text(message.get("id")),
        text_of(message),
        payload_of(message),
        user_id,
        answered_by(message),
    )


def _number(value: dict[str, Any]) -> str | None:
    """The id of our number that an update concerns."""
    return first_text(table(value.get("metadata")).get("phone_number_id"))


def _complaint(error: dict[str, Any], at: datetime | None, number: str | None) -> Iterator[Notice]:
    """An error of the account or the app that concerns no message."""
    text = error_text(error) or note_of(error_code(error))
    yield Notice("errors", number or "", f"{error_code(error)}: {text}", at)


def _preference(preference: dict[str, Any], at: datetime | None) -> Iterator[Preference]:
    person, user_id = phone(preference.get("wa_id")), user_id_of(preference)
    choice = preference.get("value")
    if (person is None and user_id is None) or choice not in ("stop", "resume"):
        return
    yield Preference(
        person,
        "out" if choice == "stop" else "in",
        "marketing",
        moment(preference.get("timestamp")) or at,
        f"Meta user_preferences: {preference.get('category', 'marketing_messages')} {choice}",
        user_id,
    )

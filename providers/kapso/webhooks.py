"""Kapso's webhooks, of payload version 2 and, where field names differ, 1.

    {"message": {"id": "wamid.…", "timestamp": "1730092888",
                 "kapso": {"direction": "outbound", "status": "delivered", "statuses": [<Meta's own>, …]}},
     "conversation": {"phone_number": "+1…", "kapso": {"last_inbound_at": "2026-10-28T14:25:01Z"}},
     "phone_number_id": "123456789012345"}

A batch is `{"type": …, "batch": true, "data": [<such objects>]}`. Version 1 has `message_type`, `content` and
`message_type_data` in place of Meta's objects. `content` is Kapso's own rendering, such as `STOP Image attached (…)`:
what a person wrote or pressed is read from the message, and `content` only where the message has no other text.

A webhook of kind "meta" passes on Meta's body unchanged: it has Kapso's signature, or only Meta's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from campaigns.states import JobState
from providers.events import (
    Event,
    Inbound,
    Notice,
    NotUnderstood,
    Report,
    UserId,
    WebhookRequest,
    WindowUntil,
)
from providers.meta.answers import error_code, error_text
from providers.meta.inbound import inbound_in
from providers.meta.people import user_ids_in
from providers.meta.pricing import billed, charge_of, free_entry_in
from providers.meta.webhooks import events_in as meta_events_in
from providers.values import WINDOW, each_apart, first_text, moment, phone, table, tables

STATUSES: Final = {
    "pending": JobState.ACCEPTED,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "played": JobState.READ,
    "failed": JobState.FAILED,
}
SIGNATURE: Final = "x-webhook-signature"
EVENT: Final = "x-webhook-event"
META: Final = "whatsapp_business_account"
"""What the body of a webhook of kind "meta" names as its object: Kapso passes on Meta's own."""
MESSAGE_EVENT: Final = "whatsapp.message."
SENDER_EVENTS: Final = ("whatsapp.phone_number.", "whatsapp.config.")
WITHOUT_EFFECT: Final = ("whatsapp.conversation.", "workflow.", "project.")
"""Events about Kapso's own conversations and workflows."""
_WRITTEN: Final = (None, "text", "button", "interactive")
"""Types of messages whose `content` may stand for what a person wrote or pressed."""
_STAGES: Final = (JobState.SENT, JobState.DELIVERED, JobState.READ)


def is_signed(request: WebhookRequest, secret: str) -> bool:
    """Whether the signature is the hex HMAC-SHA256 of the raw body with the webhook's secret."""
    expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), request.headers.get(SIGNATURE, "").lower().encode())


def events_in(request: WebhookRequest, business_account_id: str | None = None) -> list[Event]:
    """The webhook's events, in its order. `business_account_id`: of the account; None: not known."""
    body = request.json()
    if table(body).get("object") == META:
        return meta_events_in(body, business_account_id)
    name = first_text(request.headers.get(EVENT), table(body).get("type"), table(body).get("event")) or ""
    return each_apart(_payloads(body), partial(_events, name))


def state_of(status: str) -> JobState | None:
    """The state of a status; None for an undocumented one."""
    return STATUSES.get(status.lower())


def report_of(message_id: str, status: str, message: Mapping[str, Any]) -> Report:
    """A message's newest status; Meta's own statuses, if included, add times, failure and reference."""
    history = tables(table(message.get("kapso")).get("statuses"))
    state = state_of(status)
    newest: Mapping[str, Any] = next((each for each in reversed(history) if each.get("status") == status), {})
    error = next(iter(tables(newest.get("errors"))), {})
    code = error_code(error)
    pricing = next((found for each in reversed(history) if (found := table(each.get("pricing")))), {})
    return Report(
        message_id,
        status,
        state,
        at=moment(newest.get("timestamp"), message.get("timestamp"), message.get("updated_at")),
        reason=error_text(error) or None,
        cost=charge_of(pricing, state),
        times=_times(history),
        code=None if code is None else str(code),
        reference=first_text(*(each.get("biz_opaque_callback_data") for each in (message, *history))),
        billed=billed(
            pricing, phone(message.get("to"), *(each.get("recipient_id") for each in history)), state
        ),
    )


def _payloads(body: Any) -> list[dict[str, Any]]:
    """The payloads of a batch, of an envelope with one, or the body itself."""
    inner = table(body).get("data")
    if isinstance(inner, list):
        return tables(inner)
    return tables(body) if isinstance(body, list) else [table(inner) or table(body)]


def _events(name: str, payload: dict[str, Any]) -> Iterator[Event]:
    message, conversation = table(payload.get("message")), table(payload.get("conversation"))
    kapso = table(message.get("kapso"))
    number = _sender_in(payload, conversation)
    person = phone(conversation.get("phone_number"), kapso.get("phone_number"), message.get("phone_number"))
    yield from user_ids_in([*tables(kapso.get("statuses")), conversation])
    direction = first_text(kapso.get("direction"), message.get("direction"))
    if direction == "inbound" or name == MESSAGE_EVENT + "received":
        yield from _inbound(message, person, conversation, number)
        return
    message_id = first_text(message.get("whatsapp_message_id"), message.get("id"))
    status = first_text(kapso.get("status"), message.get("status"), _status_in(name))
    if message_id and status:
        yield report_of(message_id, status, message)
    statuses = tables(kapso.get("statuses"))
    yield from filter(None, (free_entry_in(status, number) for status in statuses))
    last_inbound = moment(table(conversation.get("kapso")).get("last_inbound_at"))
    if person and last_inbound:
        yield WindowUntil(person, last_inbound + WINDOW, number)
    if name.startswith(SENDER_EVENTS):
        yield Notice(name, number or "", name.rpartition(".")[2])
    elif name and not name.startswith((MESSAGE_EVENT, *WITHOUT_EFFECT)):
        yield NotUnderstood(f"event {name}")


def _inbound(
    message: dict[str, Any], person: str | None, conversation: dict[str, Any], number: str | None
) -> Iterator[Event]:
    at = moment(message.get("timestamp"), message.get("created_at"))
    given = {
        **_as_meta(message),
        "from": person or message.get("from"),
        "from_user_id": first_text(message.get("from_user_id"), conversation.get("business_scoped_user_id")),
    }
    if message.get("type") == "system":
        given["from"] = message.get("from") or person
    for event in inbound_in(given, at, number):
        if isinstance(event, Inbound):
            if event.phone and event.user_id:
                yield UserId(event.user_id, event.phone)
            event = replace(event, text=first_text(event.text, _rendered(message)))
        yield event


def _as_meta(message: dict[str, Any]) -> dict[str, Any]:
    """The message with Meta's fields: version 1 has a type's object as `message_type_data`."""
    kind = first_text(message.get("message_type"))
    meta_id = first_text(message.get("whatsapp_message_id"), message.get("id"))
    if kind is None or kind in message:
        return {**message, "id": meta_id}
    own = {"caption": message.get("caption"), **table(message.get("message_type_data"))}
    return {**message, "id": meta_id, "type": kind, kind: own}


def _rendered(message: dict[str, Any]) -> str | None:
    if first_text(message.get("type"), message.get("message_type")) not in _WRITTEN:
        return None
    return first_text(table(message.get("kapso")).get("content"), message.get("content"))


def _sender_in(payload: dict[str, Any], conversation: dict[str, Any]) -> str | None:
    config = table(payload.get("whatsapp_config"))
    return first_text(
        payload.get("phone_number_id"),
        conversation.get("phone_number_id"),
        config.get("phone_number_id"),
        conversation.get("whatsapp_config_id"),
        config.get("id"),
    )


def _status_in(name: str) -> str | None:
    return name.removeprefix(MESSAGE_EVENT) if name.startswith(MESSAGE_EVENT) else None


def _times(history: list[dict[str, Any]]) -> tuple[tuple[JobState, Any], ...]:
    """When each state was first reached."""
    found: dict[JobState, Any] = {}
    for each in history:
        state, at = state_of(str(each.get("status"))), moment(each.get("timestamp"))
        if state in _STAGES and at is not None:
            found.setdefault(state, at)
    return tuple(found.items())

"""Reads Voicebip's webhooks: one envelope for voice, SMS and WhatsApp. Only WhatsApp's events and all opt-outs are
used.

Documented are the signature, `message.received`, the names of the other events, and that `window.closing` is sent an
hour before the window's end. The payloads of the others are read by inference, leniently.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from campaigns.states import JobState
from providers.events import Event, Inbound, NotUnderstood, Preference, Report, WebhookRequest, WindowUntil
from providers.values import each_apart, first_text_or_number, moment, phone, table, tables

STATUSES: Final = {
    "queued": JobState.ACCEPTED,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "failed": JobState.FAILED,
    "send_failed": JobState.FAILED,
}
"""Message state by the last part of `event_type`. `failed`: the network refused it; `send_failed`: Voicebip could not
forward it."""

OURS: Final = ("whatsapp", None)
NOTICE_OF_CLOSING: Final = timedelta(minutes=60)
OLDEST: Final = timedelta(minutes=5)
"""Tolerated difference between a signed time and ours."""

_SIGNED_AT: Final = re.compile(r"[0-9]{1,11}")
_PERSON: Final = ("from", "to", "from_number", "to_number", "phone")


def is_signed(request: WebhookRequest, secret: str) -> bool:
    """HMAC-SHA256 of "{timestamp}.{raw body}", in hex behind `sha256=`; not older than five minutes."""
    at = request.headers.get("x-voicebip-timestamp", "")
    if not _SIGNED_AT.fullmatch(at):
        return False
    if abs(request.received_at.timestamp() - int(at)) > OLDEST.total_seconds():
        return False
    wanted = hmac.new(secret.encode(), at.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    given = request.headers.get("x-voicebip-signature", "")
    return hmac.compare_digest(f"sha256={wanted}".encode(), given.encode("utf-8", "surrogatepass"))


def events_in(request: WebhookRequest) -> list[Event]:
    """The events of a body, which holds one event or a list of them."""
    body = request.json()
    items = tables(body if isinstance(body, list) else [body])
    return each_apart(items, partial(_events, received_at=request.received_at))


def _events(event: dict[str, Any], received_at: datetime) -> Iterator[Event]:
    kind, payload = event.get("event_type"), table(event.get("payload"))
    if not isinstance(kind, str):
        return
    told_at = moment(event.get("timestamp"), payload.get("timestamp"))
    at = told_at or received_at
    if kind.endswith("opt_out"):
        yield from _opt_out(event, payload, told_at)
    elif event.get("channel") not in OURS:
        return
    elif kind == "message.received":
        yield from _inbound(event, payload, told_at)
    elif kind == "window.closing":
        person = _person(event, payload)
        if person is not None:
            yield WindowUntil(person, at + NOTICE_OF_CLOSING, phone(event.get("number")))
    elif kind.startswith("message."):
        yield from _report(kind.removeprefix("message."), payload, at)
    else:
        yield NotUnderstood(f"event {kind}")


def _inbound(event: dict[str, Any], payload: dict[str, Any], at: datetime | None) -> Iterator[Event]:
    person, message = phone(event.get("from")), table(payload.get("inbound_message"))
    if person is None:
        return
    yield Inbound(
        person,
        moment(message.get("received_at")) or at,
        phone(event.get("number")),
        first_text_or_number(message.get("message_id"), payload.get("message_id")),
        first_text_or_number(message.get("body")),
    )


def _opt_out(event: dict[str, Any], payload: dict[str, Any], at: datetime | None) -> Iterator[Event]:
    """An opt-out on any channel applies to all, because one agent serves all of them."""
    person = _person(event, payload)
    if person is None:
        return
    text = first_text_or_number(table(payload.get("inbound_message")).get("body"), payload.get("keyword"))
    channel = first_text_or_number(event.get("channel")) or "an unnamed channel"
    yield Preference(
        person, "out", "all", at, f"Voicebip: opted out on {channel}" + (f": {text}" if text else "")
    )


def _report(status: str, payload: dict[str, Any], at: datetime) -> Iterator[Event]:
    message_id = first_text_or_number(payload.get("message_id"))
    if message_id is None:
        return
    error = table(payload.get("error"))
    yield Report(
        message_id,
        status,
        STATUSES.get(status),
        at,
        reason=first_text_or_number(
            error.get("message"), payload.get("error"), payload.get("error_message"), payload.get("reason")
        ),
        code=first_text_or_number(error.get("code"), error.get("error_code"), payload.get("error_code")),
    )


def _person(event: dict[str, Any], payload: dict[str, Any]) -> str | None:
    """The person's number: the first that is not ours."""
    ours = phone(event.get("number"))
    numbers = (phone(place.get(name)) for place in (event, payload) for name in _PERSON)
    return next((number for number in numbers if number not in (None, ours)), None)

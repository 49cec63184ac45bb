"""What Voicebip posts: one envelope for voice, SMS and WhatsApp. Only WhatsApp's events are ours, and every opt-out.

Documented are the signature, `message.received`, the names of the other events and that `window.closing` comes an
hour before the window's end. The payloads of the others are read by inference, leniently.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from campaigns.states import JobState
from providers.base import Event, Inbound, Preference, Report, WebhookRequest, WindowUntil

STATUSES: Final = {
    "queued": JobState.ACCEPTED,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "failed": JobState.FAILED,
    "send_failed": JobState.FAILED,
}
"""The last word of `event_type`. `failed`: the network refused it; `send_failed`: Voicebip could not pass it on."""

OURS: Final = ("whatsapp", None)
NOTICE_OF_CLOSING: Final = timedelta(minutes=60)
OLDEST: Final = timedelta(minutes=5)
"""How far a signed time may be from ours."""

_SIGNED_AT: Final = re.compile(r"[0-9]{1,11}")
_PHONE: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
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
    """What a body tells, one event or a list of them."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return []
    told = body if isinstance(body, list) else [body]
    return [found for each in told if isinstance(each, dict) for found in _events(each, request.received_at)]


def _events(event: dict[str, Any], received_at: datetime) -> Iterator[Event]:
    kind, payload = event.get("event_type"), _dict(event, "payload")
    if not isinstance(kind, str):
        return
    at = _time(event.get("timestamp")) or _time(payload.get("timestamp")) or received_at
    if kind.endswith("opt_out"):
        yield from _opt_out(event, payload, at)
    elif event.get("channel") not in OURS:
        return
    elif kind == "message.received":
        yield from _inbound(event, payload, at)
    elif kind == "window.closing":
        phone = _person(event, payload)
        if phone is not None:
            yield WindowUntil(phone, at + NOTICE_OF_CLOSING, _phone(event.get("number")))
    elif kind.startswith("message."):
        yield from _report(kind.removeprefix("message."), payload, at)


def _inbound(event: dict[str, Any], payload: dict[str, Any], at: datetime) -> Iterator[Event]:
    phone, message = _phone(event.get("from")), _dict(payload, "inbound_message")
    if phone is None:
        return
    yield Inbound(
        phone,
        _time(message.get("received_at")) or at,
        _phone(event.get("number")),
        _text(message.get("message_id")) or _text(payload.get("message_id")),
        _text(message.get("body")),
    )


def _opt_out(event: dict[str, Any], payload: dict[str, Any], at: datetime) -> Iterator[Event]:
    """A person leaves the agent, whatever the channel they said it on: it is one agent for all of them."""
    phone = _person(event, payload)
    if phone is None:
        return
    said = _text(_dict(payload, "inbound_message").get("body")) or _text(payload.get("keyword"))
    channel = _text(event.get("channel")) or "an unnamed channel"
    yield Preference(
        phone, "out", "all", at, f"Voicebip: opted out on {channel}" + (f": {said}" if said else "")
    )


def _report(word: str, payload: dict[str, Any], at: datetime) -> Iterator[Event]:
    message_id = _text(payload.get("message_id"))
    if message_id is None:
        return
    error = _dict(payload, "error")
    code = error.get("code") or error.get("error_code") or payload.get("error_code")
    reason = (
        error.get("message") or payload.get("error") or payload.get("error_message") or payload.get("reason")
    )
    yield Report(
        message_id,
        word,
        STATUSES.get(word),
        at,
        reason=_text(reason),
        code=_text(code),
    )


def _person(event: dict[str, Any], payload: dict[str, Any]) -> str | None:
    """The other side's number: the first that is not our own."""
    own = _phone(event.get("number"))
    told = (_phone(place.get(name)) for place in (event, payload) for name in _PERSON)
    return next((phone for phone in told if phone not in (None, own)), None)


def _dict(place: dict[str, Any], key: str) -> dict[str, Any]:
    value = place.get(key)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return (
        str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
    )


def _phone(value: Any) -> str | None:
    found = _PHONE.fullmatch(value) if isinstance(value, str) else None
    return f"+{found[1]}" if found else None


def _time(value: Any) -> datetime | None:
    """A moment in UTC; None for what is none, or is so far off that one cannot reckon with it."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    if not 1970 <= moment.year < 9999:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)

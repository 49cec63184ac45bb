"""What Meta's webhooks tell. One body may hold up to 1,000 updates; whatever is not understood is left out.

{"object": "whatsapp_business_account", "entry": [{"id", "changes": [{"field": "messages", "value": {
  "metadata": {"phone_number_id"}, "contacts": […], "messages": […], "statuses": [{"id", "status", "timestamp",
  "recipient_id", "biz_opaque_callback_data", "pricing", "errors"}]}}]}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from campaigns.states import JobState
from providers.base import Event, Inbound, Notice, Preference, Report
from providers.meta_answers import error_code, error_text
from providers.meta_codes import note_of

STATUSES: Final = {
    "accepted": JobState.ACCEPTED,
    "held_for_quality_assessment": JobState.HELD,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "played": JobState.READ,
    "failed": JobState.FAILED,
}
SUBJECTS: Final = {
    "account_alerts": "entity_id",
    "account_review_update": "decision",
    "account_update": "event",
    "business_capability_update": "max_daily_conversations_per_business",
    "message_template_components_update": "message_template_name",
    "message_template_quality_update": "message_template_name",
    "message_template_status_update": "message_template_name",
    "phone_number_name_update": "display_phone_number",
    "phone_number_quality_update": "display_phone_number",
    "template_category_update": "message_template_name",
}
"""The updates about our templates, numbers and account, and what each is about."""
WORDS: Final = (
    ("text", "body"),
    ("button", "text"),
    ("interactive", "button_reply", "title"),
    ("interactive", "list_reply", "title"),
    ("image", "caption"),
    ("video", "caption"),
    ("document", "caption"),
    ("reaction", "emoji"),
)
"""Where a person's words are, by the kind of message."""
LONGEST_NOTICE: Final = 500
_LATEST: Final = 4_102_444_800
"""Seconds; a greater timestamp is in milliseconds."""


def events_in(data: Any, received_at: datetime) -> list[Event]:
    """Every update of a body, in its order."""
    return [
        event
        for entry in _dicts(data, "entry")
        for change in _dicts(entry, "changes")
        for event in _events(change, moment(entry.get("time")) or received_at)
    ]


def _events(change: dict[str, Any], at: datetime) -> Iterator[Event]:
    field, value = change.get("field"), change.get("value")
    if not isinstance(field, str) or not isinstance(value, dict):
        return
    if field == "messages":
        yield from _statuses(value)
        yield from _inbound(value, at)
        yield from _complaints(value, at)
    elif field == "user_preferences":
        yield from _preferences(value, at)
    elif field in SUBJECTS:
        yield Notice(field, str(value.get(SUBJECTS[field]) or ""), _told(value, SUBJECTS[field]), at)


def _statuses(value: dict[str, Any]) -> Iterator[Report]:
    for status in _dicts(value, "statuses"):
        message_id, word = status.get("id"), status.get("status")
        if not isinstance(message_id, str) or not isinstance(word, str):
            continue
        error = next(iter(_dicts(status, "errors")), {})
        code = error_code(error)
        reference = status.get("biz_opaque_callback_data")
        yield Report(
            message_id,
            word,
            STATUSES.get(word),
            moment(status.get("timestamp")),
            reason=error_text(error) or note_of(code) or None,
            code=None if code is None else str(code),
            reference=reference if isinstance(reference, str) else None,
        )


def _inbound(value: dict[str, Any], at: datetime) -> Iterator[Inbound]:
    for message in _dicts(value, "messages"):
        phone = e164(message.get("from"))
        # Without a number (a person known by user id alone) there is no window of ours; a system message is Meta's.
        if phone is None or message.get("type") == "system":
            continue
        message_id = message.get("id")
        yield Inbound(
            phone,
            moment(message.get("timestamp")) or at,
            _number(value),
            message_id if isinstance(message_id, str) else None,
            _words(message),
        )


def _number(value: dict[str, Any]) -> str | None:
    """The id of our number that an update is about."""
    metadata = value.get("metadata")
    number = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
    return number if isinstance(number, str) else None


def _words(message: dict[str, Any]) -> str | None:
    """What the person wrote or pressed."""
    for path in WORDS:
        part: Any = message
        for key in path:
            part = part.get(key) if isinstance(part, dict) else None
        if isinstance(part, str):
            return part
    return None


def _complaints(value: dict[str, Any], at: datetime) -> Iterator[Notice]:
    """What is wrong with the account or the app, without a message that it is about."""
    for error in _dicts(value, "errors"):
        text = error_text(error) or note_of(error_code(error))
        yield Notice("errors", _number(value) or "", f"{error_code(error)}: {text}", at)


def _preferences(value: dict[str, Any], at: datetime) -> Iterator[Preference]:
    for preference in _dicts(value, "user_preferences"):
        phone, word = e164(preference.get("wa_id")), preference.get("value")
        if phone is None or word not in ("stop", "resume"):
            continue
        yield Preference(
            phone,
            "out" if word == "stop" else "in",
            "marketing",
            moment(preference.get("timestamp")) or at,
            f"Meta user_preferences: {preference.get('category', 'marketing_messages')} {word}",
        )


def _told(value: dict[str, Any], subject: str) -> str:
    """All that an update says beside its subject, in one line."""
    said = ((name, _plain(part)) for name, part in value.items() if name not in (subject, "metadata"))
    return ", ".join(f"{name}: {text}" for name, text in said)[:LONGEST_NOTICE]


def _plain(part: Any) -> str:
    return part if isinstance(part, str) else orjson.dumps(part).decode()


def moment(value: Any) -> datetime | None:
    """Unix seconds as text or number (some send milliseconds), as an aware time; None for nonsense."""
    try:
        seconds = (
            float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        )
        if seconds is None or seconds <= 0:
            return None
        return datetime.fromtimestamp(seconds / 1000 if seconds > _LATEST else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def e164(value: Any) -> str | None:
    """Meta's bare digits with their plus; None where it is no number."""
    digits = value.lstrip("+") if isinstance(value, str) else ""
    return f"+{digits}" if digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15 else None


def _dicts(data: Any, key: str) -> list[dict[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

"""What Meta's webhooks tell. One body may hold up to 1,000 updates; whatever is not understood is left out.

{"object": "whatsapp_business_account", "entry": [{"id", "changes": [{"field": "messages", "value": {
  "metadata": {"phone_number_id"}, "contacts": […], "messages": […], "statuses": [{"id", "status", "timestamp",
  "recipient_id", "biz_opaque_callback_data", "pricing", "errors"}]}}]}]}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from campaigns.states import JobState
from providers.base import Event, Inbound, Notice, Preference, Report
from providers.meta_answers import error_code, error_text

STATUSES: Final = {
    "accepted": JobState.ACCEPTED,
    "held_for_quality_assessment": JobState.HELD,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "played": JobState.READ,
    "failed": JobState.FAILED,
}
_LATEST: Final = 4_102_444_800
"""Seconds; a greater timestamp is in milliseconds."""


def events_in(data: Any, received_at: datetime) -> list[Event]:
    """Every update of a body, in its order."""
    return [event for value in _values(data) for event in _events(*value, received_at)]


def _values(data: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in _dicts(data, "entry"):
        for change in _dicts(entry, "changes"):
            value = change.get("value")
            if isinstance(value, dict):
                yield str(change.get("field")), value


def _events(field: str, value: dict[str, Any], received_at: datetime) -> Iterator[Event]:
    if field == "messages":
        yield from _statuses(value)
        yield from _inbound(value, received_at)
    elif field == "user_preferences":
        yield from _preferences(value, received_at)
    elif field in NOTICES:
        yield NOTICES[field](field, value, received_at)


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
            reason=error_text(error) or None,
            code=None if code is None else str(code),
            reference=reference if isinstance(reference, str) else None,
        )


def _inbound(value: dict[str, Any], received_at: datetime) -> Iterator[Inbound]:
    metadata = value.get("metadata")
    number = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
    for message in _dicts(value, "messages"):
        phone = e164(message.get("from"))
        if phone is None:
            continue  # a person known by user name alone: no number, no window of ours
        message_id = message.get("id")
        yield Inbound(
            phone,
            moment(message.get("timestamp")) or received_at,
            number if isinstance(number, str) else None,
            message_id if isinstance(message_id, str) else None,
            _words(message),
        )


def _words(message: dict[str, Any]) -> str | None:
    """What the person wrote or pressed."""
    for kind, key in (("text", "body"), ("button", "text")):
        part = message.get(kind)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            return str(part[key])
    interactive = message.get("interactive")
    for reply in ("button_reply", "list_reply"):
        part = interactive.get(reply) if isinstance(interactive, dict) else None
        if isinstance(part, dict) and isinstance(part.get("title"), str):
            return str(part["title"])
    return None


def _preferences(value: dict[str, Any], received_at: datetime) -> Iterator[Preference]:
    for preference in _dicts(value, "user_preferences"):
        phone, word = e164(preference.get("wa_id")), preference.get("value")
        if phone is None or word not in ("stop", "resume"):
            continue
        yield Preference(
            phone,
            "out" if word == "stop" else "in",
            "marketing",
            moment(preference.get("timestamp")) or received_at,
            f"Meta user_preferences: {preference.get('category', 'marketing_messages')} {word}",
        )


def _notice(subject: str, *words: str) -> Callable[[str, dict[str, Any], datetime], Notice]:
    def make(field: str, value: dict[str, Any], received_at: datetime) -> Notice:
        said = [f"{word}: {value[word]}" for word in words if isinstance(value.get(word), str | int)]
        return Notice(field, str(value.get(subject, "")), ", ".join(said), received_at)

    return make


NOTICES: Final = {
    "message_template_status_update": _notice(
        "message_template_name", "event", "message_template_language", "reason"
    ),
    "message_template_quality_update": _notice(
        "message_template_name", "previous_quality_score", "new_quality_score"
    ),
    "template_category_update": _notice("message_template_name", "previous_category", "new_category"),
    "phone_number_quality_update": _notice("display_phone_number", "event", "current_limit"),
    "business_capability_update": _notice(
        "", "max_daily_conversation_per_phone", "max_daily_conversations_per_business"
    ),
    "account_update": _notice("phone_number", "event"),
}


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

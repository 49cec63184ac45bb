"""Who a part of Meta's webhooks is about, and what they wrote or pressed. Kapso passes on the same message objects.

A person with a username may be named by a business-scoped user id alone, such as `US.13491208655302741918`: then
`from`, `wa_id` and `recipient_id` are missing. An id belongs to one number, and where both are given they are learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from providers.events import UserId
from providers.values import first_text, phone, table

TEXT_PATHS: Final = (
    ("text", "body"),
    ("button", "text"),
    ("interactive", "button_reply", "title"),
    ("interactive", "list_reply", "title"),
    ("interactive", "nfm_reply", "body"),
    ("image", "caption"),
    ("video", "caption"),
    ("document", "caption"),
    ("reaction", "emoji"),
)
"""Where the text of an inbound message is, by its type."""
PAYLOAD_PATHS: Final = (
    ("button", "payload"),
    ("interactive", "button_reply", "id"),
    ("interactive", "list_reply", "id"),
)
"""Where the payload or id of a pressed button or list row is: the sender chose it."""
_NAMES: Final = (
    ("wa_id", "user_id"),
    ("recipient_id", "recipient_user_id"),
    ("from", "from_user_id"),
    ("phone_number", "business_scoped_user_id"),
)
"""The fields in which a part names a person: by number, and by user id. The last are of Kapso's conversations."""


def text_of(message: dict[str, Any]) -> str | None:
    """What the person wrote, or the label of what they pressed."""
    return _first(message, TEXT_PATHS)


def payload_of(message: dict[str, Any]) -> str | None:
    return _first(message, PAYLOAD_PATHS)


def answered_by(message: dict[str, Any]) -> str | None:
    """The id of the message that it answers."""
    return first_text(table(message.get("context")).get("id"))


def user_id_of(part: dict[str, Any]) -> str | None:
    return first_text(*(part.get(user_id) for _, user_id in _NAMES))


def user_ids_in(parts: Iterable[dict[str, Any]]) -> Iterator[UserId]:
    """Each person once whom one of the parts names both by number and by user id."""
    found = {}
    for part in parts:
        for number_field, id_field in _NAMES:
            if id_field in part:
                number, user_id = phone(part.get(number_field)), first_text(part[id_field])
                if number is not None and user_id is not None:
                    found[user_id] = UserId(user_id, number)
    yield from found.values()


def _first(message: dict[str, Any], paths: tuple[tuple[str, ...], ...]) -> str | None:
    for path in paths:
        part: Any = message
        for key in path:
            part = part.get(key) if isinstance(part, dict) else None
        if isinstance(part, str):
            return part
    return None

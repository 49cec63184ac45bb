"""Which types of message a table [content] makes: of its model's fields, or as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from campaigns.message.content import MessageType

MEDIA: Final = ("video", "audio", "document", "sticker")
ALONE: Final = ("location", "contacts", "reaction")
INTERACTIVE: Final = ("list", "location_request", "flow", "product", "products", "catalog")
"""Kinds with a text and an action of their own in place of buttons."""
KINDS: Final = ("images", "files", *MEDIA, *INTERACTIVE, *ALONE)
_NAMES: Final = {"images": MessageType.IMAGE, "files": MessageType.FILES}


def kinds_in(content: Mapping[str, Any]) -> list[str]:
    """Keys of the kinds of message that it has beside a text. A catalog without a thumbnail is one."""
    return [kind for kind in KINDS if content.get(kind) not in (None, False, (), [])]


def free_form_in(content: Mapping[str, Any]) -> MessageType | None:
    """The type of the free-form message for open windows; None: only the template."""
    if kinds := kinds_in(content):
        return _NAMES.get(kinds[0]) or MessageType(kinds[0])
    return MessageType.TEXT if content.get("text") is not None else None


def types_in(content: Mapping[str, Any]) -> tuple[MessageType, ...]:
    """The types that it may be sent as: its free form, its template, or both."""
    template = MessageType.TEMPLATE if content.get("template") else None
    return tuple(type_ for type_ in (free_form_in(content), template) if type_ is not None)

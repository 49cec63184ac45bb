"""Builds a message in Meta's format, for Cloud API itself and Kapso's current API.

Fields and limits: Meta's Cloud API documentation, /{phone_number_id}/messages, as of November 2025. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from campaigns.message.content import Contact, Content, MessageType
from campaigns.phones.user_ids import user_id_in
from providers.adapter import Call
from providers.meta.capabilities import TYPES
from providers.meta.interactive_body import (
    ACTIONS,
    BODY,
    FOOTER,
    HEADER,
    MENU_BODY,
    broken_interactive,
    interactive,
)
from providers.meta.parts import known, medium, place_of, too_long, unfit
from providers.meta.template_body import broken_template, template_of

LONGEST_REFERENCE: Final = 512
TEXT, CAPTION, CONTACTS = 4096, 1024, 257

_MEDIA: Final = frozenset(
    {MessageType.IMAGE, MessageType.VIDEO, MessageType.AUDIO, MessageType.DOCUMENT, MessageType.STICKER}
)
_CAPTIONED: Final = frozenset({MessageType.IMAGE, MessageType.VIDEO, MessageType.DOCUMENT})


def envelope(call: Call) -> dict[str, Any]:
    """The body of a send to the call's one recipient."""
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **_addressee(call.to[0]),
        **message(call.content),
    }
    if call.content.reply_to:
        body["context"] = {"message_id": call.content.reply_to}
    if call.references:
        body["biz_opaque_callback_data"] = call.references[0][:LONGEST_REFERENCE]
    return body


def _addressee(phone: str) -> dict[str, str]:
    """`to` for a number, `recipient` for a user id."""
    user_id = user_id_in(phone)
    return {"to": phone} if user_id is None else {"recipient": user_id}


def message(content: Content) -> dict[str, Any]:
    """`type` and the object of that name. Buttons make any text or media `interactive`."""
    if content.buttons or content.type in ACTIONS:
        return {"type": "interactive", "interactive": interactive(content)}
    kind = content.type.value
    return {"type": kind, kind: _OBJECTS[content.type](content)}


def _text(content: Content) -> dict[str, Any]:
    return {"preview_url": content.preview_url, "body": content.text}


def _media(content: Content) -> dict[str, Any]:
    return {
        **medium(content.media[0], named=content.type is MessageType.DOCUMENT),
        **known(
            caption=content.text if content.type in _CAPTIONED else None,
            voice=content.media[0].voice or None,
        ),
    }


def _location(content: Content) -> dict[str, Any]:
    place = content.location
    if place is None:
        raise ValueError("a location message without its location")
    return place_of(place)


def _contacts(content: Content) -> list[dict[str, Any]]:
    return [_contact(contact) for contact in content.contacts]


def first_name_of(contact: Contact) -> str | None:
    """Meta wants one more part of the name beside `formatted_name`: without one, the whole name is the first name."""
    return contact.first_name or (None if contact.last_name else contact.formatted_name)


def _contact(contact: Contact) -> dict[str, Any]:
    name = known(
        formatted_name=contact.formatted_name,
        first_name=first_name_of(contact),
        last_name=contact.last_name,
    )
    phones = [known(phone=phone.phone, type=phone.type) for phone in contact.phones]
    emails = [known(email=email.email, type=email.type) for email in contact.emails]
    return known(name=name, phones=phones or None, emails=emails or None)


def _reaction(content: Content) -> dict[str, Any]:
    reaction = content.reaction
    if reaction is None:
        raise ValueError("a reaction message without its reaction")
    return {"message_id": reaction.message_id, "emoji": reaction.emoji}


_OBJECTS: Final[dict[MessageType, Callable[[Content], Any]]] = {
    MessageType.TEXT: _text,
    **dict.fromkeys(_MEDIA, _media),
    MessageType.LOCATION: _location,
    MessageType.CONTACTS: _contacts,
    MessageType.REACTION: _reaction,
    MessageType.TEMPLATE: template_of,
}


def unsendable(content: Content) -> str | None:
    """Which of Meta's limits the message exceeds, as a sentence that names the field, or None."""
    return next(_broken(content), None)


def _broken(content: Content) -> Iterator[str]:
    if content.type not in TYPES:
        yield f"Meta has no {content.type} message."
    if len(content.media) > 1:
        yield "content.images: Meta sends one image in a message."
    if content.media and not (content.media[0].url or content.media[0].id or content.media[0].file):
        yield f"content.{content.type}: the URL is missing."
    yield from _broken_text(content)
    yield from broken_interactive(content)
    yield from _broken_card(content)
    yield from broken_template(content)
    if content.type is MessageType.REACTION and content.reply_to:
        yield "content.reply_to: a reaction already refers to its message; remove reply_to."


def _broken_text(content: Content) -> Iterator[str]:
    text = content.text or ""
    yield from too_long("content.header", content.header or "", HEADER)
    yield from too_long("content.footer", content.footer or "", FOOTER)
    if content.type is MessageType.LIST:
        yield from unfit("content.text", text, MENU_BODY)
    elif content.buttons:
        if not text.strip():
            yield "content.buttons: buttons need a text."
        yield from too_long("content.text", text, BODY)
    elif content.type in ACTIONS:
        check = too_long if content.type is MessageType.PRODUCT else unfit
        yield from check("content.text", text, BODY)
    elif content.type is MessageType.TEXT:
        yield from unfit("content.text", text, TEXT)
    elif text:
        if content.type not in _CAPTIONED:
            yield f"content.text: {content.type} cannot have a caption."
        yield from too_long("content.text", text, CAPTION)


def _broken_card(content: Content) -> Iterator[str]:
    if len(content.contacts) > CONTACTS:
        yield f"content.contacts: at most {CONTACTS}."
    if any(not contact.formatted_name.strip() for contact in content.contacts):
        yield "content.contacts.formatted_name is empty."
    place = content.location
    if place is not None and not (abs(place.latitude) <= 90 and abs(place.longitude) <= 180):
        yield "content.location: latitude is from -90 to 90, longitude from -180 to 180."
    if content.reaction is not None and not content.reaction.message_id.strip():
        yield "content.reaction.message_id is empty."

"""Builds a message in Meta's format, for Cloud API itself and Kapso's current API.

Fields and limits: Meta's Cloud API documentation, /{phone_number_id}/messages, as of November 2025. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from campaigns.message.content import Addition, Button, Contact, Content, Media, MessageType, Template
from providers.adapter import Call

LONGEST_REFERENCE: Final = 512
TEXT, CAPTION, HEADER, FOOTER = 4096, 1024, 60, 60
BODY, BUTTONS, BUTTON_TITLE, BUTTON_ID = 1024, 3, 20, 256
MENU_BODY, MENU_BUTTON, SECTIONS, SECTION_TITLE = 4096, 20, 10, 24
ROWS, ROW_TITLE, ROW_DESCRIPTION, ROW_ID = 10, 24, 72, 200
CONTACTS, TEMPLATE_NAME = 257, 512

TYPES: Final = frozenset(MessageType) - {MessageType.FILES}
ADDITIONS: Final = frozenset(Addition)
_MEDIA: Final = frozenset(
    {MessageType.IMAGE, MessageType.VIDEO, MessageType.AUDIO, MessageType.DOCUMENT, MessageType.STICKER}
)
_NOT_IN_PARAMETERS: Final = re.compile(r"[\n\r\t]| {5}")
_CAPTIONED: Final = frozenset({MessageType.IMAGE, MessageType.VIDEO, MessageType.DOCUMENT})


def envelope(call: Call) -> dict[str, Any]:
    """The body of a send to the call's one recipient."""
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": call.to[0],
        **message(call.content),
    }
    if call.content.reply_to:
        body["context"] = {"message_id": call.content.reply_to}
    if call.references:
        body["biz_opaque_callback_data"] = call.references[0][:LONGEST_REFERENCE]
    return body


def message(content: Content) -> dict[str, Any]:
    """`type` and the object of that name. Buttons make any text or media `interactive`."""
    if content.buttons or content.type is MessageType.LIST:
        return {"type": "interactive", "interactive": interactive(content)}
    return {"type": content.type.value, content.type.value: _OBJECTS[content.type](content)}


def interactive(content: Content) -> dict[str, Any]:
    """Reply buttons, one link (`cta_url`), or a list."""
    parts = _known(
        header=_text_header(content) or _media_header(content),
        body={"text": content.text},
        footer={"text": content.footer} if content.footer else None,
    )
    if content.type is MessageType.LIST:
        return {"type": "list", **parts, "action": _menu(content)}
    links = [button for button in content.buttons if button.type == "link"]
    if links:
        parameters = {"display_text": links[0].text, "url": links[0].url}
        return {"type": "cta_url", **parts, "action": {"name": "cta_url", "parameters": parameters}}
    buttons = [{"type": "reply", "reply": {"id": button_id(b), "title": b.text}} for b in content.buttons]
    return {"type": "button", **parts, "action": {"buttons": buttons}}


def button_id(button: Button) -> str:
    """What comes back when a reply or postback button is pressed."""
    return button.payload or button.id or button.text


def _menu(content: Content) -> dict[str, Any]:
    menu = content.menu
    if menu is None:
        raise ValueError("a list message without its list")
    sections = [
        _known(
            title=section.title,
            rows=[_known(id=row.id, title=row.title, description=row.description) for row in section.rows],
        )
        for section in menu.sections
    ]
    return {"button": menu.button, "sections": sections}


def _text_header(content: Content) -> dict[str, Any] | None:
    text = content.menu.title if content.menu else content.header
    return {"type": "text", "text": text} if text else None


def _media_header(content: Content) -> dict[str, Any] | None:
    if not content.media:
        return None
    kind = content.type.value
    return {"type": kind, kind: _medium(content.media[0], named=content.type is MessageType.DOCUMENT)}


def _known(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _medium(media: Media, *, named: bool) -> dict[str, Any]:
    return _known(id=media.id, link=media.url, filename=media.filename if named else None)


def _text(content: Content) -> dict[str, Any]:
    return {"preview_url": content.preview_url, "body": content.text}


def _media(content: Content) -> dict[str, Any]:
    medium = _medium(content.media[0], named=content.type is MessageType.DOCUMENT)
    return {
        **medium,
        **_known(
            caption=content.text if content.type in _CAPTIONED else None,
            voice=content.media[0].voice or None,
        ),
    }


def _location(content: Content) -> dict[str, Any]:
    place = content.location
    if place is None:
        raise ValueError("a location message without its location")
    return _known(latitude=place.latitude, longitude=place.longitude, name=place.name, address=place.address)


def _contacts(content: Content) -> list[dict[str, Any]]:
    return [_contact(contact) for contact in content.contacts]


def first_name_of(contact: Contact) -> str | None:
    """Meta wants one more part of the name beside `formatted_name`: without one, the whole name is the first name."""
    return contact.first_name or (None if contact.last_name else contact.formatted_name)


def _contact(contact: Contact) -> dict[str, Any]:
    name = _known(
        formatted_name=contact.formatted_name,
        first_name=first_name_of(contact),
        last_name=contact.last_name,
    )
    phones = [_known(phone=phone.phone, type=phone.type) for phone in contact.phones]
    emails = [_known(email=email.email, type=email.type) for email in contact.emails]
    return _known(name=name, phones=phones or None, emails=emails or None)


def _reaction(content: Content) -> dict[str, Any]:
    reaction = content.reaction
    if reaction is None:
        raise ValueError("a reaction message without its reaction")
    return {"message_id": reaction.message_id, "emoji": reaction.emoji}


def _template(content: Content) -> dict[str, Any]:
    template = content.template
    if template is None:
        raise ValueError("a template message without its template")
    components = [*_header(template), *_body(template), *_buttons(template)]
    return {
        "name": template.name,
        "language": {"code": template_language(template)},
        **({"components": components} if components else {}),
    }


def template_language(template: Template) -> str:
    """As Meta writes it: `en_US`, never `en-US`."""
    return template.language.replace("-", "_")


def _header(template: Template) -> Iterable[dict[str, Any]]:
    header = template.header
    if header is None:
        return
    parameter = _known(type="text", parameter_name=header.name, text=header.text)
    for kind in ("image", "video", "document"):
        media = getattr(header, kind)
        if media is not None:
            parameter = {"type": kind, kind: _medium(media, named=kind == "document")}
    if header.location is not None:
        place = header.location
        where = _known(
            latitude=place.latitude, longitude=place.longitude, name=place.name, address=place.address
        )
        parameter = {"type": "location", "location": where}
    yield {"type": "header", "parameters": [parameter]}


def _body(template: Template) -> Iterable[dict[str, Any]]:
    parameters = [
        _known(type="text", parameter_name=each.name, text=each.text) for each in template.parameters
    ]
    if parameters:
        yield {"type": "body", "parameters": parameters}


def _buttons(template: Template) -> Iterable[dict[str, Any]]:
    for button in template.buttons:
        kind = "payload" if button.type == "quick_reply" else "text"
        yield {
            "type": "button",
            "sub_type": button.type,
            "index": str(button.index),
            "parameters": [{"type": kind, kind: button.parameter}],
        }


_OBJECTS: Final[dict[MessageType, Callable[[Content], Any]]] = {
    MessageType.TEXT: _text,
    **dict.fromkeys(_MEDIA, _media),
    MessageType.LOCATION: _location,
    MessageType.CONTACTS: _contacts,
    MessageType.REACTION: _reaction,
    MessageType.TEMPLATE: _template,
}


def unsendable(content: Content) -> str | None:
    """Which of Meta's limits the message exceeds, as a sentence that names the field, or None."""
    return next(_broken(content), None)


def _broken(content: Content) -> Iterator[str]:
    if content.type not in TYPES:
        yield f"Meta has no {content.type} message."
    if len(content.media) > 1:
        yield "content.images: Meta sends one image in a message."
    if content.media and not (content.media[0].url or content.media[0].id):
        yield f"content.{content.type}: the URL is missing."
    yield from _broken_text(content)
    yield from _broken_buttons(content)
    yield from _broken_menu(content)
    yield from _broken_card(content)
    yield from _broken_template(content)
    if content.type is MessageType.REACTION and content.reply_to:
        yield "content.reply_to: a reaction already refers to its message; remove reply_to."


def _broken_text(content: Content) -> Iterator[str]:
    text = content.text or ""
    yield from _too_long("content.header", content.header or "", HEADER)
    yield from _too_long("content.footer", content.footer or "", FOOTER)
    if content.type is MessageType.LIST:
        yield from _unfit("content.text", text, MENU_BODY)
    elif content.buttons:
        if not text.strip():
            yield "content.buttons: buttons need a text."
        yield from _too_long("content.text", text, BODY)
    elif content.type is MessageType.TEXT:
        yield from _unfit("content.text", text, TEXT)
    elif text:
        if content.type not in _CAPTIONED:
            yield f"content.text: {content.type} cannot have a caption."
        yield from _too_long("content.text", text, CAPTION)


def _broken_buttons(content: Content) -> Iterator[str]:
    if not content.buttons:
        return
    if content.type not in {MessageType.TEXT, MessageType.IMAGE, MessageType.VIDEO, MessageType.DOCUMENT}:
        yield f"content.buttons: {content.type} cannot have buttons."
    links = [button for button in content.buttons if button.type == "link"]
    if links and len(content.buttons) > 1:
        yield "content.buttons: a link button must be the only button."
    if len(content.buttons) > BUTTONS:
        yield f"content.buttons: at most {BUTTONS}."
    titles = [button.text for button in content.buttons]
    if len(set(titles)) < len(titles):
        yield "content.buttons: their texts must differ."
    for place, button in enumerate(content.buttons):
        yield from _unfit(f"content.buttons[{place}].text", button.text, BUTTON_TITLE)
        yield from _too_long(f"content.buttons[{place}].id", button_id(button), BUTTON_ID)


def _broken_menu(content: Content) -> Iterator[str]:
    menu = content.menu
    if menu is None:
        return
    rows = [row for section in menu.sections for row in section.rows]
    if len(menu.sections) > SECTIONS:
        yield f"content.list.sections: at most {SECTIONS}."
    if len(rows) > ROWS:
        yield f"content.list: at most {ROWS} rows in all."
    if len({row.id for row in rows}) < len(rows):
        yield "content.list: the ids of rows must differ."
    if len(menu.sections) > 1 and not all(section.title for section in menu.sections):
        yield "content.list.sections: several sections need titles."
    for field, most, needed, texts in (
        ("title", HEADER, False, [menu.title]),
        ("button", MENU_BUTTON, True, [menu.button]),
        ("sections.title", SECTION_TITLE, False, [section.title for section in menu.sections]),
        ("rows.title", ROW_TITLE, True, [row.title for row in rows]),
        ("rows.id", ROW_ID, True, [row.id for row in rows]),
        ("rows.description", ROW_DESCRIPTION, False, [row.description for row in rows]),
    ):
        check = _unfit if needed else _too_long
        for text in texts:
            yield from check(f"content.list.{field}", text or "", most)


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


def _broken_template(content: Content) -> Iterator[str]:
    template = content.template
    if template is None:
        return
    yield from _unfit("content.template.name", template.name, TEMPLATE_NAME)
    if not template.language.strip():
        yield "content.template.language is empty."
    for place, parameter in enumerate(template.parameters):
        key = f".{parameter.name}" if parameter.name else f"[{place}] (number {place + 1})"
        yield from _broken_parameter(f"content.template.parameters{key}", parameter.text)
    if template.header is not None and template.header.text is not None:
        yield from _broken_parameter("content.template.header.text", template.header.text)
    for place, button in enumerate(template.buttons):
        key = f"content.template.buttons[{place}].parameter"
        if button.type == "url":
            yield from _broken_parameter(key, button.parameter)
        elif not button.parameter.strip():
            yield f"{key} is empty."


def _broken_parameter(key: str, text: str) -> Iterator[str]:
    """Meta's error 132018: a parameter is one line of text without tabs or gaps."""
    if not text.strip():
        yield f"{key} is empty."
    found = _NOT_IN_PARAMETERS.search(text)
    if found:
        what = {"\t": "a tab", " ": "more than four spaces in a row"}.get(found[0][0], "a line break")
        yield f"{key} holds {what}, which Meta refuses in a template's parameter."


def _unfit(field: str, text: str, most: int) -> Iterator[str]:
    if not text.strip():
        yield f"{field} is empty."
    yield from _too_long(field, text, most)


def _too_long(field: str, text: str, most: int) -> Iterator[str]:
    if len(text) > most:
        yield f"{field} has {len(text):,} characters; the limit is {most:,}."

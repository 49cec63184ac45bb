"""The body of a send to Kapso's legacy API: the content as the document's flat `message` object."""

from __future__ import annotations

from typing import Any, Final

from campaigns.message.content import (
    Contact,
    Content,
    Media,
    Menu,
    MessageType,
    Template,
    TemplateHeader,
)
from providers.kapso.capabilities import LEGACY_TYPES
from providers.meta.message_body import first_name_of
from providers.meta.template_body import template_language

CURRENT: Final = 'use api = "current" for it'


def unsendable_here(content: Content) -> str | None:
    """Why the legacy API cannot send content that Meta could, or None."""
    if content.type not in LEGACY_TYPES:
        return f"Kapso's legacy API has no {content.type} message; {CURRENT}."
    if content.reply_to:
        return f"Kapso's legacy API cannot reply to a message (reply_to); {CURRENT}."
    if content.preview_url:
        return f"Kapso's legacy API has no preview_url; {CURRENT}."
    if any(button.type == "link" for button in content.buttons):
        return f"Kapso's legacy API has no link buttons; {CURRENT}."
    if content.buttons and content.type is not MessageType.TEXT:
        return f"Kapso's legacy API has buttons only below a text, not below {content.type}; {CURRENT}."
    if any(medium.file for medium in content.media):
        return f"Kapso's legacy API takes no files, only addresses (file); {CURRENT}."
    if any(medium.voice for medium in content.media):
        return f"Kapso's legacy API has no voice messages (audio.voice); {CURRENT}."
    return _unsendable_template(content.template)


def message_of(content: Content) -> dict[str, Any]:
    """The `message` object; fields that are not set are left out."""
    match content.type:
        case MessageType.TEXT if content.buttons:
            fields = _buttons(content)
        case MessageType.TEXT:
            fields = {"content": content.text}
        case MessageType.LIST:
            fields = _list(content)
        case MessageType.TEMPLATE:
            fields = _template(content.template)
        case MessageType.LOCATION:
            fields = _location(content)
        case MessageType.CONTACTS:
            fields = {"contacts": [_contact(each) for each in content.contacts]}
        case MessageType.REACTION:
            fields = _reaction(content)
        case _:
            fields = _media(content)
    kind = "interactive" if "interactive_type" in fields else content.type.value
    return given({"message_type": kind, **fields})


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are set."""
    return {name: value for name, value in fields.items() if value is not None}


def _unsendable_template(template: Template | None) -> str | None:
    if template is None:
        return None
    if any(parameter.name for parameter in template.parameters):
        return (
            "Kapso's legacy API accepts a template's parameters by position, not by name (template.parameters); "
            f"write them as a list, or {CURRENT}."
        )
    if template.buttons:
        return f"Kapso's legacy API fills no buttons of a template (template.buttons); {CURRENT}."
    if template.cards or template.offer_ends is not None:
        what = "carousels and limited-time offers (template.cards, template.offer_ends)"
        return f"Kapso's legacy API has no {what}; {CURRENT}."
    header = template.header or TemplateHeader()
    if header.location:
        return f"Kapso's legacy API has no location in a template's header (template.header); {CURRENT}."
    if header.name:
        return f"Kapso's legacy API accepts a header's text only without a name (template.header.name); {CURRENT}."
    if any(medium and (medium.id or medium.file) for medium in (header.image, header.video, header.document)):
        return f"Kapso's legacy API accepts a header's media file only by URL (template.header); {CURRENT}."
    return None


def _media(content: Content) -> dict[str, Any]:
    [medium] = content.media[:1] or (Media(),)
    return {
        "media_url": medium.url,
        "media_id": medium.id,
        "caption": content.text,
        "filename": medium.filename,
    }


def _location(content: Content) -> dict[str, Any]:
    place = content.location
    if place is None:
        return {}
    return {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "location_name": place.name,
        "location_address": place.address,
    }


def _reaction(content: Content) -> dict[str, Any]:
    reaction = content.reaction
    if reaction is None:
        return {}
    return {"reaction_emoji": reaction.emoji, "reacted_to_message_id": reaction.message_id}


def _buttons(content: Content) -> dict[str, Any]:
    return {
        "interactive_type": "button",
        **_text_header(content.header),
        "body_text": content.text,
        "footer_text": content.footer,
        "buttons": [
            {"id": button.payload or button.id or button.text, "title": button.text}
            for button in content.buttons
        ],
    }


def _list(content: Content) -> dict[str, Any]:
    menu = content.menu or Menu("", ())
    return {
        "interactive_type": "list",
        **_text_header(menu.title),
        "body_text": content.text,
        "footer_text": content.footer,
        "list_button_text": menu.button,
        "sections": [
            given(
                {
                    "title": section.title,
                    "rows": [
                        given({"id": row.id, "title": row.title, "description": row.description})
                        for row in section.rows
                    ],
                }
            )
            for section in menu.sections
        ],
    }


def _text_header(text: str | None) -> dict[str, Any]:
    return {"header_type": "text", "header_text": text} if text else {}


def _template(template: Template | None) -> dict[str, Any]:
    if template is None:
        return {}
    return {
        "template_name": template.name,
        "template_language": template_language(template),
        "template_params": [parameter.text for parameter in template.parameters] or None,
        **_header(template),
    }


def _header(template: Template) -> dict[str, Any]:
    """`header_params` is the text, or the media file's URL."""
    header = template.header
    if header is None:
        return {}
    if header.text is not None:
        return {"header_type": "text", "header_params": header.text}
    for kind in ("image", "video", "document"):
        medium: Media | None = getattr(header, kind)
        if medium is not None:
            return {"header_type": kind, "header_params": medium.url, "header_filename": medium.filename}
    return {}


def _contact(contact: Contact) -> dict[str, Any]:
    return given(
        {
            "formatted_name": contact.formatted_name,
            "first_name": first_name_of(contact),
            "last_name": contact.last_name,
            "phones": [given({"phone": each.phone, "type": each.type}) for each in contact.phones] or None,
            "emails": [given({"email": each.email, "type": each.type}) for each in contact.emails] or None,
        }
    )

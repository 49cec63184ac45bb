"""Builds the message in Bird's Channels API format, and checks what Bird cannot send.

The formats are from Bird's page on sending WhatsApp messages. The limits of lists' descriptions and buttons
and of coordinates are Bird's; the others are WhatsApp's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from campaigns.message.content import Button, Content, Media, Menu, MessageType, Row, Template
from providers.bird.capabilities import TYPES

FILE_TYPES: Final = frozenset({MessageType.VIDEO, MessageType.AUDIO, MessageType.DOCUMENT, MessageType.FILES})

CONTENT_TYPES: Final = {
    ".aac": "audio/aac",
    ".amr": "audio/amr",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".3gp": "video/3gpp",
    ".mp4": "video/mp4",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".pdf": "application/pdf",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
"""Content types by file extension, for files without content_type: Bird requires one."""

LONGEST_TEXT: Final = 4096
LONGEST_CAPTION: Final = 1024
"""Also the limit of the text above buttons."""
MOST_BUTTONS: Final = 3
LONGEST_BUTTON: Final = 20
LONGEST_PAYLOAD: Final = 256
LONGEST_LIST_TITLE: Final = 60
MOST_ROWS: Final = 10
"""Limit of rows in all sections, and of sections."""
LONGEST_ROW: Final = 24
LONGEST_DESCRIPTION: Final = 72
LONGEST_ROW_ID: Final = 200

Json = dict[str, Any]


def written(content: Content) -> Json:
    """The part of the request that is the message: `body` or `template`, and `replyTo`."""
    reply = {"replyTo": {"id": content.reply_to, "type": "message"}} if content.reply_to else {}
    if content.template is not None:
        return {"template": _template(content.template)} | reply
    return {"body": _BODIES[content.type](content)} | reply


def problem(content: Content) -> str | None:
    """The first reason why Bird cannot send this, as a sentence, or None."""
    return next(_problems(content), None)


def content_type(media: Media) -> str | None:
    """A file's content type: as given, else by the extension of its name or URL; None if unknown."""
    if media.content_type:
        return media.content_type
    name = media.filename or urlsplit(media.url or "").path
    return CONTENT_TYPES.get(PurePosixPath(name).suffix.lower())


def _text(content: Content) -> Json:
    text: Json = {"text": content.text} | _actions(content)
    if content.preview_url:
        text["metadata"] = {"whatsapp": {"previewUrl": True}}
    return {"type": "text", "text": text}


def _image(content: Content) -> Json:
    images = [_present({"altText": image.alt, "mediaUrl": image.url}) for image in content.media]
    return {"type": "image", "image": {"images": images} | _caption(content) | _actions(content)}


def _file(content: Content) -> Json:
    files = [
        _present({"contentType": content_type(file), "mediaUrl": file.url, "filename": file.filename})
        for file in content.media
    ]
    return {"type": "file", "file": {"files": files} | _caption(content) | _actions(content)}


def _location(content: Content) -> Json:
    place = content.location
    assert place is not None  # noqa: S101
    labels = _present({"address": place.address, "label": place.name})
    body: Json = {"coordinates": {"latitude": place.latitude, "longitude": place.longitude}}
    return {"type": "location", "location": body | ({"location": labels} if labels else {})}


def _list(content: Content) -> Json:
    menu = content.menu
    assert menu is not None  # noqa: S101
    items = [
        _present({"title": section.title, "actions": [_row(row) for row in section.rows]})
        for section in menu.sections
    ]
    body: Json = {"items": items} | _present({"title": menu.title, "altText": menu.alt, "text": content.text})
    if menu.button:
        body["metadata"] = {"button": {"label": menu.button}}
    return {"type": "list", "list": body}


def _row(row: Row) -> Json:
    postback: Json = {"payload": row.id, "text": row.title}
    if row.description:
        postback["metadata"] = {"description": {"label": row.description}}
    return {"type": "postback", "postback": postback}


def _template(template: Template) -> Json:
    """Bird's locales are written with a hyphen (BCP 47) where Meta's have an underscore."""
    parameters = [{"type": "string", "key": each.name, "value": each.text} for each in template.parameters]
    return {
        "projectId": template.project_id,
        "version": template.version or "latest",
        "locale": template.language.replace("_", "-"),
    } | ({"parameters": parameters} if parameters else {})


def _caption(content: Content) -> Json:
    return {"text": content.text} if content.text else {}


def _actions(content: Content) -> Json:
    return {"actions": [_action(button) for button in content.buttons]} if content.buttons else {}


def _action(button: Button) -> Json:
    inner = {"text": button.text, "payload": button.payload, "url": button.url}
    return {"type": button.type, button.type: _present(inner)}


def _present(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None and value != ""}


_BODIES: Final[dict[MessageType, Callable[[Content], Json]]] = {
    MessageType.TEXT: _text,
    MessageType.IMAGE: _image,
    MessageType.STICKER: _image,
    MessageType.LOCATION: _location,
    MessageType.LIST: _list,
    **dict.fromkeys(FILE_TYPES, _file),
}


def _problems(content: Content) -> Iterator[str]:
    if content.type not in TYPES:
        yield f"Bird cannot send {content.type} messages."
    elif content.template is not None:
        yield from _template_problems(content.template)
    elif content.type is MessageType.TEMPLATE:
        yield "content.template is missing."
    else:
        yield from _text_problems(content)
        yield from _media_problems(content)
        yield from _button_problems(content)
        yield from _place_problems(content)
        yield from _list_problems(content)


def _text_problems(content: Content) -> Iterator[str]:
    needs_text = content.type in (MessageType.TEXT, MessageType.LIST)
    if needs_text and not (content.text or "").strip():
        yield f"content.text is empty; a {content.type} message needs one."
    longest = LONGEST_CAPTION if content.media or content.buttons else LONGEST_TEXT
    if len(content.text or "") > longest:
        place = "as a caption or above buttons " if longest == LONGEST_CAPTION else ""
        yield f"content.text has {len(content.text or '')} characters; {place}the limit is {longest}."
    if content.preview_url and content.type is not MessageType.TEXT:
        yield "content.preview_url works only with a text message."


def _media_problems(content: Content) -> Iterator[str]:
    of_media = content.type in FILE_TYPES | {MessageType.IMAGE, MessageType.STICKER}
    if of_media and not (content.media and all(file.url for file in content.media)):
        yield f"The {content.type} message has no public URL of a file."
    if content.type in FILE_TYPES:
        for file in content.media:
            if content_type(file) is None:
                yield f'The file {file.url} needs its content_type, such as content_type = "application/pdf".'


def _button_problems(content: Content) -> Iterator[str]:
    if content.buttons and not (content.text or "").strip():
        yield "content.buttons need a content.text."
    if len(content.buttons) > MOST_BUTTONS:
        yield f"content.buttons has {len(content.buttons)} buttons; WhatsApp shows at most {MOST_BUTTONS}."
    titles = [button.text for button in content.buttons]
    if len(set(titles)) < len(titles):
        yield "content.buttons has two buttons with the same text, which WhatsApp refuses."
    for place, button in enumerate(content.buttons):
        if not 1 <= len(button.text) <= LONGEST_BUTTON:
            yield f"content.buttons[{place}].text must have 1 to {LONGEST_BUTTON} characters."
        if button.id:
            yield f'content.buttons[{place}]: Bird\'s reply buttons have no id; use type = "postback" and payload.'
        if len(button.payload or "") > LONGEST_PAYLOAD:
            yield f"content.buttons[{place}].payload may have {LONGEST_PAYLOAD} characters."


def _place_problems(content: Content) -> Iterator[str]:
    if content.type is not MessageType.LOCATION:
        return
    place = content.location
    if place is None:
        yield "content.location is missing."
    elif not (-90 <= place.latitude <= 90 and -180 <= place.longitude <= 180):
        yield "content.location: latitude must be from -90 to 90, longitude from -180 to 180."


def _list_problems(content: Content) -> Iterator[str]:
    if content.type is not MessageType.LIST:
        return
    if content.menu is None:
        yield "content.list is missing."
        return
    menu = content.menu
    if len(menu.title or "") > LONGEST_LIST_TITLE:
        yield f"content.list.title may have {LONGEST_LIST_TITLE} characters."
    if len(menu.button) > LONGEST_BUTTON:
        yield f"content.list.button may have {LONGEST_BUTTON} characters."
    yield from _section_problems(menu)


def _section_problems(menu: Menu) -> Iterator[str]:
    rows = sum(len(section.rows) for section in menu.sections)
    if not 1 <= rows <= MOST_ROWS:
        yield f"content.list has {rows} rows in all; WhatsApp allows 1 to {MOST_ROWS}."
    for place, section in enumerate(menu.sections):
        key = f"content.list.sections[{place}]"
        if not section.title and len(menu.sections) > 1:
            yield f"{key}.title is needed where there are several sections."
        if len(section.title or "") > LONGEST_ROW:
            yield f"{key}.title may have {LONGEST_ROW} characters."
        for index, row in enumerate(section.rows):
            yield from _row_problems(row, f"{key}.rows[{index}]")
    ids = [row.id for section in menu.sections for row in section.rows]
    if len(set(ids)) < len(ids):
        yield "content.list has two rows with the same id."


def _row_problems(row: Row, key: str) -> Iterator[str]:
    for name, value, least, most in (
        ("id", row.id, 1, LONGEST_ROW_ID),
        ("title", row.title, 1, LONGEST_ROW),
        ("description", row.description or "", 0, LONGEST_DESCRIPTION),
    ):
        if not least <= len(value) <= most:
            yield f"{key}.{name} must have {least} to {most} characters."


def _template_problems(template: Template) -> Iterator[str]:
    if not template.project_id:
        yield "content.template.project_id is needed: the id of the template's project in Bird's Studio."
    if any(parameter.name is None for parameter in template.parameters):
        yield "Bird's templates have named placeholders: write content.template.parameters as a table."
    if template.header is not None or template.buttons or template.cards or template.offer_ends:
        yield (
            "Bird fills a template's header and buttons by named parameters too: "
            "add their values to content.template.parameters."
        )

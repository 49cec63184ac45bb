"""A message in the shape of Meta's Cloud API, read strictly: Meta takes it, and Kapso passes it on unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}")
MEDIA_ID = re.compile(r"[0-9]{1,30}")
ENVELOPE = {"messaging_product", "recipient_type", "to", "type", "context", "biz_opaque_callback_data"}
LONGEST = {"body": 4096, "caption": 1024, "biz_opaque_callback_data": 512}
MEDIA: Mapping[str, set[str]] = {
    "image": {"caption"},
    "video": {"caption"},
    "audio": {"voice"},
    "document": {"caption", "filename"},
    "sticker": set(),
}
MOST_BUTTONS, MOST_SECTIONS, MOST_ROWS = 3, 10, 10
LONGEST_BUTTON, LONGEST_ROW, LONGEST_DESCRIPTION, LONGEST_HEADER, LONGEST_FOOTER = 20, 24, 72, 60, 60


class MetaRefusal(Exception):
    """What Meta refuses, with its own code; each API shows it in its way."""

    def __init__(self, code: int, title: str, details: str, status: int = 400) -> None:
        super().__init__(title)
        self.code, self.title, self.details, self.status = code, title, details, status


@dataclass(frozen=True, slots=True)
class Draft:
    """A valid send request: what goes to whom. `body` is the message in Meta's words or in the legacy ones."""

    to: str
    """Digits only."""
    type: str
    text: str | None
    media_url: str | None
    body: dict[str, Any]
    template: bool = False
    reference: str | None = None


def error_body(code: int, title: str, details: str = "", subcode: int | None = None) -> bytes:
    """The body of an error answer."""
    error: dict[str, Any] = {"message": f"(#{code}) {title}", "type": "OAuthException", "code": code}
    if details:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    if subcode is not None:
        error["error_subcode"] = subcode
    return orjson.dumps({"error": {**error, "fbtrace_id": uuid4().hex[:23]}})


def parse_envelope(body: Any) -> Draft:
    """The draft of a send. Raises MetaRefusal 100 or 131009 for what Meta's document does not allow."""
    envelope = _object(body, "body")
    kind = envelope.get("type", "text")
    if kind not in READERS:
        raise wrong("type", f"must be one of {', '.join(READERS)}")
    _names(envelope, {"messaging_product", "to", kind}, ENVELOPE | {kind}, "body")
    if envelope["messaging_product"] != "whatsapp":
        raise wrong("messaging_product", "must be whatsapp")
    if envelope.get("recipient_type", "individual") != "individual":
        raise wrong("recipient_type", "must be individual")
    to = envelope["to"]
    if not isinstance(to, str) or not NUMBER.fullmatch(to):
        raise wrong("to", "must be a phone number")
    if "context" in envelope:
        _names(_object(envelope["context"], "context"), {"message_id"}, {"message_id"}, "context")
    reference = envelope.get("biz_opaque_callback_data")
    if reference is not None:
        _text(reference, "biz_opaque_callback_data", LONGEST["biz_opaque_callback_data"])
    text, url = READERS[kind](envelope[kind], kind)
    content = {kind: envelope[kind], "context": envelope.get("context")}
    return Draft(
        to.removeprefix("+"), kind, text, url, content, template=kind == "template", reference=reference
    )


def wrong(name: str, how: str) -> MetaRefusal:
    """Meta's refusal of a parameter."""
    return MetaRefusal(100, "Invalid parameter", f"Param {name} {how}.")


def _read_text(value: Any, kind: str) -> tuple[str, None]:
    text = _names(_object(value, kind), {"body"}, {"body", "preview_url"}, kind)
    if not isinstance(text.get("preview_url", False), bool):
        raise wrong("text['preview_url']", "must be a boolean")
    return _text(text["body"], "text['body']", LONGEST["body"]), None


def _read_medium(value: Any, kind: str) -> tuple[str | None, str | None]:
    medium = _names(_object(value, kind), set(), {"id", "link", *MEDIA[kind]}, kind)
    url = _place(medium, kind)
    if not isinstance(medium.get("voice", False), bool):
        raise wrong(f"{kind}['voice']", "must be a boolean")
    caption = medium.get("caption")
    if caption is not None:
        _text(caption, f"{kind}['caption']", LONGEST["caption"])
    if "filename" in medium:
        _text(medium["filename"], f"{kind}['filename']")
    return caption, url


def _place(medium: dict[str, Any], kind: str) -> str | None:
    """The address of a medium; None: it is named by the id of an upload."""
    if ("id" in medium) == ("link" in medium):
        raise wrong(kind, "needs one of id and link")
    if "id" in medium and not MEDIA_ID.fullmatch(_text(medium["id"], f"{kind}['id']")):
        raise wrong(f"{kind}['id']", "is not a valid whatsapp business account media attachment ID")
    url: str | None = medium.get("link")
    if url is not None and not _text(url, f"{kind}['link']").startswith(("http://", "https://")):
        raise wrong(f"{kind}['link']", "must be a public address")
    return url


def _read_location(value: Any, kind: str) -> tuple[None, None]:
    place = _names(
        _object(value, kind), {"latitude", "longitude"}, {"latitude", "longitude", "name", "address"}, kind
    )
    for name, most in (("latitude", 90), ("longitude", 180)):
        try:
            fits = not isinstance(place[name], bool) and -most <= float(place[name]) <= most
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise wrong(f"location['{name}']", f"must be from -{most} to {most}")
    return None, None


def _read_contacts(value: Any, kind: str) -> tuple[None, None]:
    if not isinstance(value, list) or not value:
        raise wrong(kind, "must be an array with something in it")
    known = {"name", "phones", "emails", "addresses", "org", "urls", "birthday"}
    for contact in value:
        name = _object(_names(_object(contact, kind), {"name"}, known, kind)["name"], "name")
        _text(name.get("formatted_name"), "contacts['name']['formatted_name']")
        if len(name) < 2:
            raise wrong("contacts['name']", "needs one more name beside formatted_name")
        for phone in contact.get("phones", []):
            _names(_object(phone, "phones"), set(), {"phone", "type", "wa_id"}, "phones")
        for email in contact.get("emails", []):
            _names(_object(email, "emails"), set(), {"email", "type"}, "emails")
    return None, None


def _read_reaction(value: Any, kind: str) -> tuple[str, None]:
    reaction = _names(_object(value, kind), {"message_id", "emoji"}, {"message_id", "emoji"}, kind)
    _text(reaction["message_id"], "reaction['message_id']")
    if not isinstance(reaction["emoji"], str):
        raise wrong("reaction['emoji']", "must be a string")
    return reaction["emoji"], None


def _read_interactive(value: Any, kind: str) -> tuple[str | None, None]:
    known = {"type", "header", "body", "footer", "action"}
    interactive = _names(_object(value, kind), {"type", "body", "action"}, known, kind)
    check = ACTIONS.get(str(interactive["type"]))
    if check is None:
        raise wrong("interactive['type']", f"must be one of {', '.join(ACTIONS)}")
    body = _names(_object(interactive["body"], "body"), {"text"}, {"text"}, "body")
    longest = LONGEST["body"] if interactive["type"] == "list" else LONGEST["caption"]
    if "header" in interactive:
        _check_header(_object(interactive["header"], "header"), of_list=interactive["type"] == "list")
    if "footer" in interactive:
        footer = _names(_object(interactive["footer"], "footer"), {"text"}, {"text"}, "footer")
        _text(footer["text"], "interactive['footer']['text']", LONGEST_FOOTER)
    check(_object(interactive["action"], "action"))
    return _text(body["text"], "interactive['body']['text']", longest), None


def _check_header(header: dict[str, Any], *, of_list: bool) -> None:
    kind = header.get("type")
    if kind != "text" and (of_list or kind not in ("image", "video", "document")):
        raise wrong("interactive['header']['type']", "does not fit")
    _names(header, {"type", kind}, {"type", kind}, "header")
    if kind == "text":
        _text(header["text"], "interactive['header']['text']", LONGEST_HEADER)
    else:
        allowed = {"id", "link"} | ({"filename"} if kind == "document" else set())
        _place(_names(_object(header[kind], kind), set(), allowed, "header"), kind)


def _check_buttons(action: dict[str, Any]) -> None:
    buttons = _names(action, {"buttons"}, {"buttons"}, "action")["buttons"]
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= MOST_BUTTONS:
        raise wrong("action['buttons']", f"must hold 1 to {MOST_BUTTONS} buttons")
    titles = []
    for button in buttons:
        found = _names(_object(button, "button"), {"type", "reply"}, {"type", "reply"}, "button")
        reply = _names(_object(found["reply"], "reply"), {"id", "title"}, {"id", "title"}, "reply")
        _text(reply["id"], "reply['id']", 256)
        titles.append(_text(reply["title"], "reply['title']", LONGEST_BUTTON))
    if len(set(titles)) < len(titles):
        raise wrong("action['buttons']", "must have titles of their own")


def _check_list(action: dict[str, Any]) -> None:
    _names(action, {"button", "sections"}, {"button", "sections"}, "action")
    _text(action["button"], "action['button']", LONGEST_BUTTON)
    sections, rows = action["sections"], []
    if not isinstance(sections, list) or not 1 <= len(sections) <= MOST_SECTIONS:
        raise wrong("action['sections']", f"must hold 1 to {MOST_SECTIONS} sections")
    for section in sections:
        rows += _names(_object(section, "section"), {"rows"}, {"title", "rows"}, "section")["rows"]
        if "title" in section or len(sections) > 1:
            _text(section.get("title"), "section['title']", LONGEST_ROW)
    if not 1 <= len(rows) <= MOST_ROWS:
        raise wrong("action['sections']", f"must hold 1 to {MOST_ROWS} rows")
    for row in rows:
        _names(_object(row, "row"), {"id", "title"}, {"id", "title", "description"}, "row")
        _text(row["title"], "row['title']", LONGEST_ROW)
        _text(row.get("description", "-"), "row['description']", LONGEST_DESCRIPTION)


def _check_link(action: dict[str, Any]) -> None:
    _names(action, {"name", "parameters"}, {"name", "parameters"}, "action")
    found = _object(action["parameters"], "parameters")
    _names(found, {"display_text", "url"}, {"display_text", "url"}, "parameters")
    _text(found["display_text"], "parameters['display_text']", LONGEST_BUTTON)


def _read_template(value: Any, kind: str) -> tuple[str, None]:
    template = _names(_object(value, kind), {"name", "language"}, {"name", "language", "components"}, kind)
    language = _names(_object(template["language"], "language"), {"code"}, {"code", "policy"}, "language")
    _text(language["code"], "template['language']['code']")
    components = template.get("components", [])
    if not isinstance(components, list):
        raise wrong("template['components']", "must be an array")
    for component in components:
        allowed = {"type", "parameters", "sub_type", "index"}
        found = _names(_object(component, "component"), {"type"}, allowed, "component")
        if found["type"] not in ("header", "body", "button"):
            raise wrong("component['type']", "must be one of header, body, button")
        for parameter in found.get("parameters", []):
            _object(parameter, "parameter")
            if parameter.get("type") == "text":
                _text(parameter.get("text"), "parameter['text']")
            kind_of = parameter.get("type")
            if found["type"] == "header" and kind_of in ("image", "video", "document"):
                _read_medium(parameter.get(kind_of), kind_of)
    return _text(template["name"], "template['name']"), None


def _object(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise wrong(name, "must be an object")


def _names(value: dict[str, Any], needed: set[str], allowed: set[str], where: str) -> dict[str, Any]:
    for name in sorted(needed - set(value)):
        raise MetaRefusal(131008, "Required parameter is missing", f"Param {name} of {where} is missing.")
    for name in sorted(set(value) - allowed):
        raise MetaRefusal(100, "Invalid parameter", f"Unexpected key {name} on param {where}.")
    return value


def _text(value: Any, name: str, longest: int | None = None) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(name, "must be a string with something in it")
    if longest is not None and len(value) > longest:
        raise MetaRefusal(131009, "Parameter value is not valid", f"{name} is longer than {longest}.")
    return value


ACTIONS: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "button": _check_buttons,
    "list": _check_list,
    "cta_url": _check_link,
}
READERS: Mapping[str, Callable[[Any, str], tuple[str | None, str | None]]] = {
    "text": _read_text,
    **dict.fromkeys(MEDIA, _read_medium),
    "location": _read_location,
    "contacts": _read_contacts,
    "reaction": _read_reaction,
    "interactive": _read_interactive,
    "template": _read_template,
}
"""For each type, who reads its object: the text and the medium's address that the ledger shows."""

"""A message in the shape of Meta's Cloud API, read strictly: Meta takes it, and Kapso passes it on unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from emulators.base import is_url

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
LONGEST_BUTTON, LONGEST_HEADER, LONGEST_FOOTER = 20, 60, 60
LONGEST_ROW, LONGEST_DESCRIPTION, LONGEST_ROW_ID = 24, 72, 200
NAMES = {"formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"}
CARD: Mapping[str, set[str]] = {"phones": {"phone", "type", "wa_id"}, "emails": {"email", "type"}}
COMPONENTS = ("header", "body", "button")
SUB_TYPES = ("url", "quick_reply", "copy_code", "flow", "catalog")
PARAMETERS: Mapping[str, set[str]] = {
    "text": {"parameter_name"},
    **{
        kind: set() for kind in ("payload", "image", "video", "document", "location", "currency", "date_time")
    },
}
"""The types of a template's parameters, and what they may have beside the value under the type's own name."""


class MetaRefusal(Exception):
    """What Meta refuses, with its own code; each API shows it in its way."""

    def __init__(self, code: int, title: str, details: str, status: int = 400) -> None:
        super().__init__(title)
        self.code, self.title, self.details, self.status = code, title, details, status


@dataclass(frozen=True, slots=True)
class Draft:
    """A valid send request. `body` is the message with the field names of Meta or of the legacy API."""

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
    if not isinstance(kind, str) or kind not in READERS:
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
        context = _names(_object(envelope["context"], "context"), {"message_id"}, {"message_id"}, "context")
        _text(context["message_id"], "context['message_id']")
    if "biz_opaque_callback_data" in envelope:
        _text(
            envelope["biz_opaque_callback_data"],
            "biz_opaque_callback_data",
            LONGEST["biz_opaque_callback_data"],
        )
    text, url = READERS[kind](envelope[kind], kind)
    content = {kind: envelope[kind], "context": envelope.get("context")}
    return Draft(
        to.removeprefix("+"),
        kind,
        text,
        url,
        content,
        template=kind == "template",
        reference=envelope.get("biz_opaque_callback_data"),
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
    if "caption" in medium:
        _text(medium["caption"], f"{kind}['caption']", LONGEST["caption"])
    return medium.get("caption"), url


def _place(medium: dict[str, Any], kind: str) -> str | None:
    """The address of a medium; None: it is named by the id of an upload. A document may have a filename."""
    if ("id" in medium) == ("link" in medium):
        raise wrong(kind, "needs one of id and link")
    if "id" in medium and not MEDIA_ID.fullmatch(_text(medium["id"], f"{kind}['id']")):
        raise wrong(f"{kind}['id']", "is not a valid whatsapp business account media attachment ID")
    if "filename" in medium:
        _text(medium["filename"], f"{kind}['filename']")
    return _address(medium["link"], f"{kind}['link']") if "link" in medium else None


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
    _texts({name: place[name] for name in ("name", "address") if name in place}, "location")
    return None, None


def _read_contacts(value: Any, kind: str) -> tuple[None, None]:
    known = {"name", "phones", "emails", "addresses", "org", "urls", "birthday"}
    for contact in _list(value, kind):
        name = _object(_names(_object(contact, kind), {"name"}, known, kind)["name"], "name")
        _texts(_names(name, {"formatted_name"}, NAMES, "name"), "contacts['name']")
        if len(name) < 2:
            raise wrong("contacts['name']", "needs one more name beside formatted_name")
        for part, allowed in CARD.items():
            for each in _list(contact[part], part) if part in contact else ():
                _texts(_names(_object(each, part), set(), allowed, part), f"contacts['{part}']")
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
        if found["type"] != "reply":
            raise wrong("button['type']", "must be reply")
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
        found = _names(_object(section, "section"), {"rows"}, {"title", "rows"}, "section")
        rows += _list(found["rows"], "section['rows']")
        if "title" in section or len(sections) > 1:
            _text(section.get("title"), "section['title']", LONGEST_ROW)
    if not 1 <= len(rows) <= MOST_ROWS:
        raise wrong("action['sections']", f"must hold 1 to {MOST_ROWS} rows")
    for row in rows:
        _names(_object(row, "row"), {"id", "title"}, {"id", "title", "description"}, "row")
        _text(row["id"], "row['id']", LONGEST_ROW_ID)
        _text(row["title"], "row['title']", LONGEST_ROW)
        _text(row.get("description", "-"), "row['description']", LONGEST_DESCRIPTION)


def _check_link(action: dict[str, Any]) -> None:
    if _names(action, {"name", "parameters"}, {"name", "parameters"}, "action")["name"] != "cta_url":
        raise wrong("action['name']", "must be cta_url")
    found = _object(action["parameters"], "parameters")
    _names(found, {"display_text", "url"}, {"display_text", "url"}, "parameters")
    _text(found["display_text"], "parameters['display_text']", LONGEST_BUTTON)
    _address(found["url"], "parameters['url']")


def _read_template(value: Any, kind: str) -> tuple[str, None]:
    template = _names(_object(value, kind), {"name", "language"}, {"name", "language", "components"}, kind)
    language = _names(_object(template["language"], "language"), {"code"}, {"code", "policy"}, "language")
    _text(language["code"], "template['language']['code']")
    components = template.get("components", [])
    for component in _list(components, "template['components']") if components != [] else ():
        _check_component(_object(component, "component"))
    return _text(template["name"], "template['name']"), None


def _check_component(component: dict[str, Any]) -> None:
    if component.get("type") not in COMPONENTS:
        raise wrong("component['type']", f"must be one of {', '.join(COMPONENTS)}")
    of_button = {"sub_type", "index"} if component["type"] == "button" else set()
    _names(component, {"type", "parameters", *of_button}, {"type", "parameters", *of_button}, "component")
    if of_button and component["sub_type"] not in SUB_TYPES:
        raise wrong("component['sub_type']", f"must be one of {', '.join(SUB_TYPES)}")
    if of_button and not _text(component["index"], "component['index']").isdecimal():
        raise wrong("component['index']", "must be a number")
    parameters = component["parameters"]
    for parameter in _list(parameters, "component['parameters']") if parameters != [] else ():
        _check_parameter(_object(parameter, "parameter"), in_header=component["type"] == "header")


def _check_parameter(parameter: dict[str, Any], *, in_header: bool) -> None:
    kind = parameter.get("type")
    if not isinstance(kind, str) or kind not in PARAMETERS:
        raise wrong("parameter['type']", f"must be one of {', '.join(PARAMETERS)}")
    _names(parameter, {"type", kind}, {"type", kind, *PARAMETERS[kind]}, "parameter")
    if kind in ("text", "payload"):
        _texts({name: value for name, value in parameter.items() if name != "type"}, "parameter")
    elif in_header and kind in MEDIA:
        _read_medium(parameter[kind], kind)


def _address(value: Any, name: str) -> str:
    if not is_url(url := _text(value, name)):
        raise wrong(name, "must be a public address")
    return url


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise wrong(name, "must be an array with something in it")
    return value


def _texts(value: dict[str, Any], where: str) -> None:
    for name, text in value.items():
        _text(text, f"{where}['{name}']")


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

"""What a client may ask of the legacy API: strict readers of the send body and of the list queries."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams

from emulators.base import Refusal
from emulators.cloud_api import NUMBER, Draft

MEDIA = ("image", "video", "audio", "document")
LONGEST_TEXT, LONGEST_CAPTION, LONGEST_TITLE, LONGEST_LINE = 4096, 1024, 20, 60
MOST_BUTTONS, MOST_ROWS = 3, 10

_MEDIA_FIELDS = {"media_url", "media_id", "caption", "filename"}
_INTERACTIVE = {"interactive_type", "body_text", "header_type", "header_text", "footer_text"}
_TEMPLATE = {"template_params", "header_type", "header_params", "header_filename"}
FIELDS: Mapping[str, tuple[set[str], set[str]]] = {
    "text": ({"content"}, set()),
    **{kind: (set(), _MEDIA_FIELDS) for kind in MEDIA},
    "location": ({"latitude", "longitude"}, {"location_name", "location_address"}),
    "interactive": (
        {"interactive_type", "body_text"},
        _INTERACTIVE | {"buttons", "sections", "list_button_text"},
    ),
    "template": ({"template_name", "template_language"}, _TEMPLATE),
    "reaction": ({"reaction_emoji", "reacted_to_message_id"}, set()),
    "contacts": ({"contacts"}, set()),
}
"""The fields of each message type: those needed, and those that may be there."""

NUMBERS = {"latitude": 90, "longitude": 180}
LISTS = ("buttons", "sections", "template_params", "contacts")
HEADERS = ("text", "image", "video", "document")


def parse_message(body: Any, *, to: str | None) -> Draft:
    """The draft of a send; `to` is the conversation's person. Raises `Refusal` 400 or 422."""
    if not isinstance(body, dict) or set(body) != {"message"} or not isinstance(body["message"], dict):
        raise invalid("The body must be an object with message and nothing else")
    message = dict(body["message"])
    number = _number(message.pop("phone_number", None)) if to is None else to
    kind = str(message.get("message_type"))
    if kind not in FIELDS:
        raise invalid(f"message_type must be one of {', '.join(FIELDS)}")
    _check_names(message, kind)
    for name, value in message.items():
        _check_value(name, value)
    if kind in MEDIA:
        _check_medium(message)
    if kind == "interactive":
        _check_interactive(message)
    if message.get("header_type", "text") not in HEADERS:
        raise invalid(f"header_type must be one of {', '.join(HEADERS)}")
    text = next((message[name] for name in ("content", "caption", "body_text") if name in message), None)
    if len(message.get("content", "")) > LONGEST_TEXT or len(message.get("caption", "")) > LONGEST_CAPTION:
        raise Refusal(422, "The text is too long")
    return Draft(number, kind, text, message.get("media_url"), message, template=kind == "template")


def parse_page(params: QueryParams, known: Collection[str]) -> tuple[int, int]:
    """`page` and `per_page`. Raises `Refusal` 400 for them and for parameters that are not `known`."""
    for unknown in sorted(set(params) - {"page", "per_page", *known}):
        raise invalid(f"Parameter {unknown} is not known")
    return _whole(params, "page", 1, 10**6), _whole(params, "per_page", 20, 100)


def parse_moment(params: QueryParams, name: str) -> float | None:
    """An ISO 8601 time as unix seconds. Raises `Refusal` 400."""
    if (value := params.get(name)) is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise invalid(f"Parameter {name} must be an ISO 8601 time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def invalid(message: str) -> Refusal:
    """A 400: the request itself is wrong."""
    return Refusal(400, message)


def _number(value: Any) -> str:
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise invalid("Parameter phone_number must be a phone number in E.164 format")
    return value.removeprefix("+")


def _check_names(message: Mapping[str, Any], kind: str) -> None:
    needed, allowed = FIELDS[kind]
    for name in sorted(needed - set(message)):
        raise invalid(f"Parameter {name} is required for {kind}")
    for name in sorted(set(message) - needed - allowed - {"message_type"}):
        raise invalid(f"Parameter {name} is not known for {kind}")


def _check_value(name: str, value: Any) -> None:
    if name in NUMBERS:
        most = NUMBERS[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
            raise invalid(f"Parameter {name} must be a number from -{most} to {most}")
    elif name in LISTS:
        if not isinstance(value, list) or not value:
            raise invalid(f"Parameter {name} must be an array with something in it")
        if name == "template_params" and not all(isinstance(each, str) and each for each in value):
            raise invalid("Parameter template_params must hold strings, none empty")
        if name == "contacts":
            _check_contacts(value)
    elif not isinstance(value, str) or not value.strip():
        raise invalid(f"Parameter {name} must be a string with something in it")


def _check_medium(message: Mapping[str, Any]) -> None:
    if ("media_url" in message) == ("media_id" in message):
        raise invalid("One of media_url and media_id is required")
    if "media_url" in message and not message["media_url"].startswith(("http://", "https://")):
        raise invalid("Parameter media_url must be a public address")


def _check_interactive(message: Mapping[str, Any]) -> None:
    if ("header_text" in message) != (message.get("header_type") == "text"):
        raise invalid("Parameter header_text goes with header_type text")
    for name in ("header_text", "footer_text"):
        if len(message.get(name, "")) > LONGEST_LINE:
            raise Refusal(422, f"{name} is too long")
    match message["interactive_type"]:
        case "button":
            _check_buttons(message.get("buttons", []))
        case "list":
            if "list_button_text" not in message:
                raise invalid("Parameter list_button_text is required for list")
            _check_sections(message.get("sections", []))
        case _:
            raise invalid("interactive_type must be one of button, list")


def _check_buttons(buttons: list[Any]) -> None:
    if not 1 <= len(buttons) <= MOST_BUTTONS:
        raise Refusal(422, f"There must be 1 to {MOST_BUTTONS} buttons")
    for button in buttons:
        _check_strings(button, {"id", "title"}, set(), "buttons")
        if len(button["title"]) > LONGEST_TITLE:
            raise Refusal(422, f"A button's title has at most {LONGEST_TITLE} characters")


def _check_sections(sections: list[Any]) -> None:
    rows = []
    for section in sections:
        if not isinstance(section, dict) or set(section) - {"title", "rows"} or not section.get("rows"):
            raise invalid("Each of sections has title and rows")
        if "title" in section:
            _check_strings({"title": section["title"]}, {"title"}, set(), "sections")
        if not isinstance(section["rows"], list):
            raise invalid("rows must be an array")
        rows += section["rows"]
    if not 1 <= len(rows) <= MOST_ROWS:
        raise Refusal(422, f"There must be 1 to {MOST_ROWS} rows")
    for row in rows:
        _check_strings(row, {"id", "title"}, {"description"}, "rows")


def _check_contacts(contacts: list[Any]) -> None:
    for contact in contacts:
        if not isinstance(contact, dict):
            raise invalid("Each of contacts must be an object")
        plain = {name: value for name, value in contact.items() if name not in ("phones", "emails")}
        _check_strings(plain, {"formatted_name"}, {"first_name", "last_name"}, "contacts")
        for part, field in (("phones", "phone"), ("emails", "email")):
            if not isinstance(contact.get(part, []), list):
                raise invalid(f"{part} must be an array")
            for each in contact.get(part, []):
                _check_strings(each, {field}, {"type"}, part)


def _check_strings(value: Any, needed: set[str], allowed: set[str], where: str) -> None:
    if not isinstance(value, dict) or not needed <= set(value) <= needed | allowed:
        raise invalid(f"Each of {where} has {', '.join(sorted(needed | allowed))}")
    if not all(isinstance(each, str) and each.strip() for each in value.values()):
        raise invalid(f"Each of {where} holds strings")


def _whole(params: QueryParams, name: str, default: int, most: int) -> int:
    value = params.get(name, str(default))
    if not re.fullmatch("[0-9]{1,7}", value) or not 1 <= int(value) <= most:
        raise invalid(f"Parameter {name} must be a whole number from 1 to {most}")
    return int(value)

"""What a client may ask of Voicebip: strict readers of the two send bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from emulators.base import is_url
from emulators.ledger import digest
from emulators.outcomes import is_refused
from emulators.voicebip.errors import CodedRefusal
from emulators.voicebip.interactive import interactive_problem

ADDRESS = ("agent_id", "from_number", "to_number")
FIELDS = {
    "text": ("body",),
    "image": ("media_url", "media_caption"),
    "audio": ("media_url",),
    "document": ("media_url", "media_caption"),
    "video": ("media_url",),
    "interactive": ("interactive",),
}
TEMPLATE_FIELDS = (*ADDRESS, "template_name", "language_code", "parameters")
LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
NAME = re.compile(r"[a-z0-9_]{1,512}")
LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")


@dataclass(frozen=True, slots=True)
class Order:
    """A valid send request; numbers have their plus. `free_form` needs an open window."""

    agent: str
    from_number: str
    to_number: str
    type: str
    content: str
    media_url: str | None
    free_form: bool

    @property
    def digest(self) -> str:
        return digest(self.type, self.content, self.media_url)


def parse_message(body: Any) -> Order:
    """A request to /v1/messages. Raises `CodedRefusal` INVALID_ARGUMENT naming the field."""
    fields = _object(body)
    _require(fields.get("channel") == "whatsapp", "channel", "must be whatsapp")
    kind = fields.get("message_type")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise _invalid("message_type", f"must be one of {', '.join(FIELDS)}")
    _only(fields, ("channel", "message_type", *ADDRESS, *FIELDS[kind]))
    content, media_url = _content(kind, fields)
    return Order(*_address(fields), kind, content, media_url, free_form=True)


def parse_template(body: Any) -> Order:
    """A request to /v1/messages/template. Raises `CodedRefusal` INVALID_ARGUMENT naming the field."""
    fields = _object(body)
    _only(fields, TEMPLATE_FIELDS)
    name, language, parameters = (fields.get(key) for key in TEMPLATE_FIELDS[len(ADDRESS) :])
    _require(isinstance(name, str) and NAME.fullmatch(name), "template_name", "must be a template's name")
    _require(
        isinstance(language, str) and LANGUAGE.fullmatch(language),
        "language_code",
        "must be like en or en_US",
    )
    filled = isinstance(parameters, list) and all(isinstance(each, str) and each for each in parameters)
    _require(filled, "parameters", "must be an array of strings, none empty")
    content = f"{name} {language} {orjson.dumps(parameters).decode()}"
    return Order(*_address(fields), "template", content, None, free_form=False)


def phone_in(value: Any, field: str) -> str:
    """A phone number in E.164. Raises `CodedRefusal` INVALID_ARGUMENT."""
    if not isinstance(value, str) or not PHONE.fullmatch(value):
        raise _invalid(field, "must be a phone number in E.164")
    return value


def _content(kind: str, fields: Mapping[str, Any]) -> tuple[str, str | None]:
    if kind == "text":
        return _text(fields, "body", 1, LONGEST_TEXT), None
    if kind == "interactive":
        problem = interactive_problem(fields.get("interactive"))
        if problem is not None:
            raise _invalid("interactive", problem)
        return orjson.dumps(fields["interactive"], option=orjson.OPT_SORT_KEYS).decode(), None
    url = fields.get("media_url")
    _require(isinstance(url, str) and is_url(url), "media_url", "must be a public http or https address")
    caption = _text(fields, "media_caption", 0, LONGEST_CAPTION) if "media_caption" in fields else ""
    return caption, str(url)


def _address(fields: Mapping[str, Any]) -> tuple[str, str, str]:
    agent = fields.get("agent_id")
    if not isinstance(agent, str) or not agent.startswith("agt_"):
        raise _invalid("agent_id", "must be an agent's id")
    to_number = phone_in(fields.get("to_number"), "to_number")
    _require(not is_refused(to_number), "to_number", "cannot receive messages")
    return agent, phone_in(fields.get("from_number"), "from_number"), to_number


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise CodedRefusal("INVALID_ARGUMENT", "The body must be a JSON object.")
    return body


def _only(fields: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in fields:
        _require(name in known, name, "is not a field of this message")


def _text(fields: Mapping[str, Any], name: str, least: int, most: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not least <= len(value.strip()) <= len(value) <= most:
        raise _invalid(name, f"must be a string of {least} to {most} characters")
    return value


def _require(holds: object, field: str, problem: str) -> None:
    if not holds:
        raise _invalid(field, problem)


def _invalid(field: str, problem: str) -> CodedRefusal:
    return CodedRefusal("INVALID_ARGUMENT", f"{field} {problem}.")

"""Checking JSON against shapes, and the shapes of Bird's OpenAPI description of a message to be sent.

A shape is a function that notes what is wrong with a value under the value's path. Of the message kinds, those
for WhatsApp that our document names are here; the others are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emulators.base import is_url

Wrong = dict[str, list[str]]
Shape = Callable[[Any, str, Wrong], None]


def text(least: int = 0, most: int | None = None) -> Shape:
    """A string of so many characters."""

    def check(value: Any, path: str, wrong: Wrong) -> None:
        if not isinstance(value, str):
            _note(wrong, path, "must be a string")
        elif len(value) < least or (most is not None and len(value) > most):
            _note(wrong, path, f"must have {least} to {most or 'any number of'} characters")

    return check


def number(least: float, most: float) -> Shape:
    """A number in a range."""

    def check(value: Any, path: str, wrong: Wrong) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            _note(wrong, path, "must be a number")
        elif not least <= value <= most:
            _note(wrong, path, f"must be from {least} to {most}")

    return check


def flag(value: Any, path: str, wrong: Wrong) -> None:
    """True or false."""
    if not isinstance(value, bool):
        _note(wrong, path, "must be a boolean")


def anything(value: Any, path: str, wrong: Wrong) -> None:
    """Whatever it is."""


def uri(value: Any, path: str, wrong: Wrong) -> None:
    """A web address."""
    if not isinstance(value, str) or not is_url(value):
        _note(wrong, path, "must be a valid URI")


def choice(*allowed: str) -> Shape:
    """One of several fixed texts."""

    def check(value: Any, path: str, wrong: Wrong) -> None:
        if value not in allowed:
            _note(wrong, path, f"must be one of {', '.join(allowed)}")

    return check


def several(shape: Shape, least: int = 0) -> Shape:
    """A list of equal things."""

    def check(value: Any, path: str, wrong: Wrong) -> None:
        if not isinstance(value, list):
            _note(wrong, path, "must be an array")
            return
        if len(value) < least:
            _note(wrong, path, f"must have at least {least} items")
        for index, item in enumerate(value):
            shape(item, f"{path}.{index}", wrong)

    return check


def table(fields: Mapping[str, Shape], *required: str, closed: bool = True) -> Shape:
    """An object with some fields; `closed`: and no others."""

    def check(value: Any, path: str, wrong: Wrong) -> None:
        if not isinstance(value, dict):
            _note(wrong, path, "must be an object")
            return
        for name in required:
            if name not in value:
                _note(wrong, _join(path, name), "is required")
        for name, item in value.items():
            if name in fields:
                fields[name](item, _join(path, name), wrong)
            elif closed:
                _note(wrong, _join(path, name), "is not allowed")

    return check


def tagged(kinds: Mapping[str, Shape], *, closed: bool = True) -> Shape:
    """An object whose `type` names the one other field that it has."""

    def check(value: Any, path: str, wrong: Wrong) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            _note(wrong, _join(path, "type"), f"must be one of {', '.join(kinds)}")
            return
        table({"type": anything, kind: kinds[kind]}, "type", kind, closed=closed)(value, path, wrong)

    return check


def nullable(shape: Shape) -> Shape:
    """The same, or null."""

    def check(value: Any, path: str, wrong: Wrong) -> None:
        if value is not None:
            shape(value, path, wrong)

    return check


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _note(wrong: Wrong, path: str, problem: str) -> None:
    wrong.setdefault(path or "body", []).append(problem)


STRING = text()
ROW_DESCRIPTION = table({"description": table({"label": text(1, 72)}, "label")}, "description")
ACTIONS = nullable(
    several(
        tagged(
            {
                "link": table({"text": text(1), "url": uri}, "text", "url"),
                "reply": table({"text": text(1), "metadata": ROW_DESCRIPTION}, "text"),
                "postback": table({"text": text(1), "payload": text(1), "metadata": ROW_DESCRIPTION}, "text"),
            }
        )
    )
)
IMAGES = several(table({"mediaUrl": uri, "altText": STRING}, "mediaUrl"), 1)
FILE = {"mediaUrl": uri, "contentType": text(1), "filename": STRING, "altText": STRING, "metadata": anything}
BODY = tagged(
    {
        "text": table(
            {
                "text": text(1),
                "attachments": anything,
                "actions": ACTIONS,
                "metadata": table(
                    {"subject": STRING, "headers": anything, "whatsapp": table({"previewUrl": flag})}
                ),
            },
            "text",
        ),
        "image": table(
            {"text": STRING, "images": IMAGES, "actions": ACTIONS, "metadata": anything}, "images"
        ),
        "file": table(
            {
                "text": STRING,
                "files": several(table(FILE, "mediaUrl", "contentType"), 1),
                "actions": ACTIONS,
                "metadata": anything,
            },
            "files",
        ),
        "location": table(
            {
                "coordinates": table(
                    {"latitude": number(-90, 90), "longitude": number(-180, 180)}, "latitude", "longitude"
                ),
                "location": table({"address": STRING, "label": STRING}),
            },
            "coordinates",
        ),
        "list": table(
            {
                "title": STRING,
                "text": STRING,
                "altText": STRING,
                "items": several(
                    table(
                        {
                            "title": STRING,
                            "mediaUrl": nullable(uri),
                            "description": STRING,
                            "altText": STRING,
                            "actions": ACTIONS,
                        }
                    )
                ),
                "actions": ACTIONS,
                "metadata": table({"button": table({"label": text(1, 20)}, "label")}, "button"),
            },
            "text",
            "items",
        ),
    }
)
PARAMETER = table({"type": choice("string"), "key": text(1), "value": STRING}, "type", "key")
TEMPLATE = table(
    {
        "name": STRING,
        "projectId": STRING,
        "version": STRING,
        "locale": STRING,
        "attachments": anything,
        "variables": anything,
        "parameters": nullable(several(PARAMETER, 1)),
        "settings": anything,
    }
)
MESSAGE = table(
    {
        "sender": anything,
        "receiver": table(
            {
                "contacts": several(
                    table({"id": STRING, "identifierKey": STRING, "identifierValue": STRING}), 1
                )
            }
        ),
        "reference": STRING,
        "template": nullable(TEMPLATE),
        "meta": table({"extraInformation": table({"useCase": STRING}, closed=False)}),
        "replyTo": table({"id": text(1), "type": choice("message")}, "id", "type"),
        "body": nullable(BODY),
        "capFrequency": flag,
        "ignoreQuietHours": flag,
        "tags": anything,
    },
    "receiver",
)

"""A message template as its provider has it: what it consists of, the parameters that it needs, and its filled text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from pydantic import TypeAdapter

from campaigns.frozen import frozen
from campaigns.message.content import Parameter, Template
from campaigns.untrusted import LONGEST_NAME, LONGEST_TEXT, clean_fields

MOST_BUTTONS: Final = 20
MOST_CARDS: Final = 10
LONGEST_LANGUAGE: Final = 32
"""Characters: name and language are a key, and no database takes keys of any length."""
_PLACEHOLDER: Final = re.compile(r"\{\{\s*(\w{1,64})\s*\}\}")


@frozen
class HeaderPart:
    kind: str
    """text, image, video, document, location, or another of the provider's."""
    text: str = ""
    """Its text; empty: it is none."""

    def __post_init__(self) -> None:
        clean_fields(self, kind=LONGEST_NAME, text=LONGEST_TEXT)


@frozen
class ButtonPart:
    kind: str
    """url, quick_reply, phone_number, copy_code, otp, or another of the provider's."""
    text: str = ""
    """What it shows."""
    url: str = ""
    """The address that it opens; empty: it opens none."""

    def __post_init__(self) -> None:
        clean_fields(self, kind=LONGEST_NAME, text=LONGEST_NAME, url=LONGEST_TEXT)

    @property
    def needs_text(self) -> bool:
        """Whether every message must give the end of its address."""
        return self.kind == "otp" or (self.kind == "url" and bool(placeholders(self.url)))


@frozen
class TemplateParts:
    """What a template consists of, from top to bottom."""

    header: HeaderPart | None = None
    """Its header; null: it has none."""
    body: str = ""
    """Its text, with placeholders such as {{1}}."""
    footer: str = ""
    """The line below; empty: it has none."""
    buttons: tuple[ButtonPart, ...] = ()
    """Its buttons."""
    others: tuple[str, ...] = ()
    """Kinds of other parts, such as carousel."""
    cards: tuple[TemplateParts, ...] = ()
    """What each card of its carousel consists of."""

    def __post_init__(self) -> None:
        clean_fields(self, body=LONGEST_TEXT, footer=LONGEST_TEXT)

    @property
    def body_alone(self) -> bool:
        return not (self.header or self.footer or self.buttons or self.others)


@frozen
class ProviderTemplate:
    """One template in one language."""

    name: str
    language: str
    status: str
    """The provider's own, in capitals: APPROVED, PAUSED, …"""
    category: str
    """marketing, utility or authentication."""
    parts: TemplateParts
    previous_category: str | None = None
    quality: str | None = None
    reason: str | None = None
    """Why it was rejected."""

    def __post_init__(self) -> None:
        names = ("name", "status", "category", "previous_category", "quality")
        clean_fields(
            self, **dict.fromkeys(names, LONGEST_NAME), language=LONGEST_LANGUAGE, reason=LONGEST_TEXT
        )

    @property
    def title(self) -> str:
        return f"{self.name} ({self.language})"


def placeholders(text: str) -> list[str]:
    """The names or numbers of the placeholders in a text, each once: numbers in their order, names as they come."""
    found = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    return sorted(found, key=int) if all(map(_is_number, found)) else found


def are_named(found: list[str]) -> bool:
    return not all(map(_is_number, found))


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def same_language(one: str, other: str) -> bool:
    """`en-US` is `en_US`."""
    return one.replace("-", "_") == other.replace("-", "_")


def filled_text(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders replaced; one without a value stays."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def filled_lines(parts: TemplateParts, message: Template) -> Iterator[str]:
    """What a person reads, from top to bottom; media in the header are the caller's."""
    header = message.header
    if parts.header is not None and parts.header.text:
        given = {name: header.text for name in placeholders(parts.header.text) if header and header.text}
        yield filled_text(parts.header.text, given)
    if parts.body:
        yield filled_text(parts.body, body_values(message.parameters))
    if parts.footer:
        yield parts.footer
    ends = {button.index: button.parameter for button in message.buttons}
    for place, button in enumerate(parts.buttons):
        yield f"[ {button.text} ]" + (f"  {filled_address(button, ends.get(place))}" if button.url else "")


def body_values(parameters: Sequence[Parameter]) -> dict[str, str]:
    """The values of the body's placeholders, by name or number."""
    return {each.name or str(place): each.text for place, each in enumerate(parameters, start=1)}


def filled_address(button: ButtonPart, end: str | None) -> str:
    return filled_text(button.url, {name: end for name in placeholders(button.url) if end is not None})


@cache
def _json() -> TypeAdapter[TemplateParts]:
    return TypeAdapter(TemplateParts)


def write_parts(parts: TemplateParts) -> str:
    """The parts as JSON, as stored."""
    return _json().dump_json(parts, exclude_defaults=True).decode()


def read_parts(stored: str) -> TemplateParts:
    """The parts from JSON that `write_parts` returned."""
    return _json().validate_json(stored)

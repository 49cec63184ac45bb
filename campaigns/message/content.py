"""A message rendered for one recipient, without variables. Frozen, so that messages can be compared and hashed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Literal

from pydantic import TypeAdapter


class MessageType(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    STICKER = "sticker"
    FILES = "files"
    """Several files of any kind in one message."""
    LOCATION = "location"
    CONTACTS = "contacts"
    REACTION = "reaction"
    LIST = "list"
    TEMPLATE = "template"


class Addition(StrEnum):
    """Additions to a message, of any type, that only some providers support."""

    HEADER = "header"
    """A line above the text of a message with buttons."""
    FOOTER = "footer"
    """A line below a message with buttons or a list."""
    MEDIA_ID = "id"
    """A file already uploaded to the provider, given by its id there."""
    VOICE = "voice"
    """An audio file that is shown as a voice message."""


@dataclass(frozen=True, slots=True)
class Media:
    """A file, given by its URL or by its id at the provider."""

    url: str | None = None
    alt: str | None = None
    filename: str | None = None
    content_type: str | None = None
    id: str | None = None
    voice: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    type: Literal["reply", "postback", "link"]
    text: str
    id: str | None = None
    payload: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Location:
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    message_id: str
    emoji: str


@dataclass(frozen=True, slots=True)
class ContactPhone:
    phone: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class ContactEmail:
    email: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    formatted_name: str
    first_name: str | None = None
    last_name: str | None = None
    phones: tuple[ContactPhone, ...] = ()
    emails: tuple[ContactEmail, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    title: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    rows: tuple[Row, ...]
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Menu:
    """A list of options; its body is the message's text."""

    button: str
    sections: tuple[Section, ...]
    title: str | None = None
    alt: str | None = None
    """A description for devices that cannot show the list."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """The value of one placeholder of a template, by position or by name."""

    text: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateHeader:
    text: str | None = None
    name: str | None = None
    """The name of the header text's placeholder, if the template has named placeholders."""
    image: Media | None = None
    video: Media | None = None
    document: Media | None = None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class TemplateButton:
    index: int
    type: Literal["url", "quick_reply"]
    parameter: str


@dataclass(frozen=True, slots=True)
class Template:
    name: str
    """The approved template's name, or its key at providers that use keys."""
    language: str
    parameters: tuple[Parameter, ...] = ()
    header: TemplateHeader | None = None
    buttons: tuple[TemplateButton, ...] = ()
    project_id: str | None = None
    version: str | None = None
    customer_name: str | None = None
    """The name to store for a person who is not in the provider's address book yet."""


@dataclass(frozen=True, slots=True)
class Content:
    """One message. Which fields are set follows from `type`; `text` is the caption if there is media."""

    type: MessageType
    text: str | None = None
    media: tuple[Media, ...] = ()
    buttons: tuple[Button, ...] = ()
    location: Location | None = None
    contacts: tuple[Contact, ...] = ()
    reaction: Reaction | None = None
    menu: Menu | None = None
    template: Template | None = None
    preview_url: bool = False
    reply_to: str | None = None
    """The provider's id of the message that this one replies to."""
    header: str | None = None
    footer: str | None = None

    @property
    def media_url(self) -> str | None:
        """The URL of the only or first media file."""
        return self.media[0].url if self.media else None


@cache
def _json() -> TypeAdapter[Content]:
    return TypeAdapter(Content)


def write_content(content: Content) -> str:
    """The content as JSON, as stored with an attempt."""
    return _json().dump_json(content, exclude_defaults=True).decode()


def read_content(stored: str) -> Content:
    """The content from JSON that `write_content` returned."""
    return _json().validate_json(stored)

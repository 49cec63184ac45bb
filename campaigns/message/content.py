"""A message as it goes to one recipient: rendered, no variable left. Frozen, so that equal messages are seen to be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
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
    """What only some providers have, of any kind of message."""

    HEADER = "header"
    """A line above the text of a message with buttons."""
    FOOTER = "footer"
    """A line below a message with buttons or a list."""
    MEDIA_ID = "id"
    """A file that was uploaded to the provider beforehand, named by its id there."""
    VOICE = "voice"
    """An audio file that is shown as a voice message."""


@dataclass(frozen=True, slots=True)
class Media:
    """A file, by its address or by the provider's id of it."""

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
    """A list to choose from; its text is the message's."""

    button: str
    sections: tuple[Section, ...]
    title: str | None = None
    alt: str | None = None
    """What the list is, for where it cannot be shown."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One placeholder of a template: by its place, or by its name."""

    text: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateHeader:
    text: str | None = None
    name: str | None = None
    """Of the text's placeholder, where the template's placeholders have names."""
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
    """The approved template's name, or its key where the provider has keys."""
    language: str
    parameters: tuple[Parameter, ...] = ()
    header: TemplateHeader | None = None
    buttons: tuple[TemplateButton, ...] = ()
    project_id: str | None = None
    version: str | None = None
    customer_name: str | None = None
    """What to call a person whom the provider's address book does not know yet."""


@dataclass(frozen=True, slots=True)
class Content:
    """One message. Which fields are set follows from `type`; `text` is the caption where there is a medium."""

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
    """The provider's id of the message that this one answers."""
    header: str | None = None
    footer: str | None = None

    @property
    def media_url(self) -> str | None:
        """The address of the only, or first, medium."""
        return self.media[0].url if self.media else None


_JSON = TypeAdapter(Content)


def write_content(content: Content) -> str:
    """As JSON, for an attempt's row."""
    return _JSON.dump_json(content, exclude_defaults=True).decode()


def read_content(stored: str) -> Content:
    """What `write_content` wrote."""
    return _JSON.validate_json(stored)

"""A message rendered for one recipient, without variables. Frozen, so that messages can be compared and hashed."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Literal

from pydantic import TypeAdapter

from campaigns.frozen import frozen


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
    LOCATION_REQUEST = "location_request"
    """A text with a button by which the person shares where they are."""
    FLOW = "flow"
    """A text with a button that opens a WhatsApp Flow, a form inside the chat."""
    PRODUCT = "product"
    """One product of a catalog."""
    PRODUCTS = "products"
    """Several products of a catalog, in sections."""
    CATALOG = "catalog"
    """A text with a button that opens the whole catalog."""
    TEMPLATE = "template"


class Addition(StrEnum):
    """Additions to a message, of any type, that only some providers support."""

    HEADER = "header"
    """A line above the text of a message with buttons."""
    FOOTER = "footer"
    """A line below a message with buttons or a list."""
    MEDIA_ID = "id"
    """A file already uploaded to the provider, given by its id there."""
    MEDIA_FILE = "file"
    """A file of ours that is uploaded to the provider before the first message goes."""
    VOICE = "voice"
    """An audio file that is shown as a voice message."""
    TEMPLATE_BUTTON = "template_button"
    """A template's button of another type than url and quick_reply."""
    TEMPLATE_PRODUCT = "template_product"
    """A product in a template's header."""
    CAROUSEL = "carousel"
    """Cards beside each other in a template."""
    OFFER = "limited_time_offer"
    """The time when a template's offer ends."""


@frozen
class Media:
    """A file, given by its URL, by its id at the provider, or as one that is still to be uploaded there."""

    url: str | None = None
    alt: str | None = None
    filename: str | None = None
    content_type: str | None = None
    id: str | None = None
    voice: bool = False
    file: str | None = None
    digest: str | None = None
    """SHA-256 of the file, by which it is stored."""


@frozen
class Button:
    type: Literal["reply", "postback", "link"]
    text: str
    id: str | None = None
    payload: str | None = None
    url: str | None = None


@frozen
class Location:
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


@frozen
class Reaction:
    message_id: str
    emoji: str


@frozen
class ContactPhone:
    phone: str
    type: str | None = None


@frozen
class ContactEmail:
    email: str
    type: str | None = None


@frozen
class Contact:
    formatted_name: str
    first_name: str | None = None
    last_name: str | None = None
    phones: tuple[ContactPhone, ...] = ()
    emails: tuple[ContactEmail, ...] = ()


@frozen
class Row:
    id: str
    title: str
    description: str | None = None


@frozen
class Section:
    rows: tuple[Row, ...]
    title: str | None = None


@frozen
class Menu:
    """A list of options; its body is the message's text."""

    button: str
    sections: tuple[Section, ...]
    title: str | None = None
    alt: str | None = None
    """A description for devices that cannot show the list."""


@frozen
class Parameter:
    """The value of one placeholder of a template, by position or by name."""

    text: str
    name: str | None = None


@frozen
class TemplateHeader:
    text: str | None = None
    name: str | None = None
    """The name of the header text's placeholder, if the template has named placeholders."""
    image: Media | None = None
    video: Media | None = None
    document: Media | None = None
    location: Location | None = None
    product: Product | None = None


@frozen
class Value:
    """A named value for the first screen of a flow."""

    name: str
    text: str


@frozen
class TemplateButton:
    index: int
    type: Literal["url", "quick_reply", "code", "copy_code", "catalog", "products", "flow"]
    parameter: str = ""
    """The end of the address, what comes back, the one-time password, the coupon code, the product whose picture is
    shown, or the flow's token."""
    data: tuple[Value, ...] = ()
    sections: tuple[ProductSection, ...] = ()
    """The products that a button of type products opens."""


@frozen
class Card:
    """One card of a template's carousel."""

    header: TemplateHeader
    parameters: tuple[Parameter, ...] = ()
    buttons: tuple[TemplateButton, ...] = ()


@frozen
class Flow:
    """A WhatsApp Flow, by its id or name, and the button that opens it."""

    button: str
    id: str | None = None
    name: str | None = None
    token: str | None = None
    """What comes back with the person's answers."""
    screen: str | None = None
    """The first screen; None: the flow's endpoint chooses it."""
    data: tuple[Value, ...] = ()
    draft: bool = False


@frozen
class Product:
    catalog_id: str
    id: str


@frozen
class ProductSection:
    products: tuple[str, ...]
    title: str | None = None


@frozen
class Products:
    catalog_id: str
    title: str
    sections: tuple[ProductSection, ...]


@frozen
class Catalog:
    thumbnail: str | None = None
    """The product whose picture is shown; None: the first of the catalog."""


@frozen
class Template:
    name: str
    """The approved template's name, or its key at providers that use keys."""
    language: str
    parameters: tuple[Parameter, ...] = ()
    header: TemplateHeader | None = None
    buttons: tuple[TemplateButton, ...] = ()
    project_id: str | None = None
    version: str | None = None
    cards: tuple[Card, ...] = ()
    offer_ends: str | None = None
    """When its limited-time offer ends, such as 2026-12-24T18:00+01:00."""
    customer_name: str | None = None
    """The name to store for a person who is not in the provider's address book yet."""


@frozen
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
    flow: Flow | None = None
    product: Product | None = None
    products: Products | None = None
    catalog: Catalog | None = None
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

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
    """Its address; null: it has none."""
    alt: str | None = None
    """A description for people who cannot see it; null: there is none."""
    filename: str | None = None
    """The name that people see; null: that of the address."""
    content_type: str | None = None
    """Its media type, such as image/png; null: not given."""
    id: str | None = None
    """The provider's id of a file that is there already; null: it has none."""
    voice: bool = False
    """Whether an audio file is shown as a voice message."""
    file: str | None = None
    """A file of the campaign that is uploaded to the provider; null: it is none."""
    digest: str | None = None
    """SHA-256 of the file, by which it is stored; None: it is none of ours."""


@frozen
class Button:
    type: Literal["reply", "postback", "link"]
    """What pressing it does: reply and postback send something back, link opens an address."""
    text: str
    """What it shows."""
    id: str | None = None
    """What a reply sends back; null: it is none."""
    payload: str | None = None
    """What a postback sends back; null: it is none."""
    url: str | None = None
    """The address that a link opens; null: it is none."""


@frozen
class Location:
    latitude: float
    """In degrees, north of the equator."""
    longitude: float
    """In degrees, east of Greenwich."""
    name: str | None = None
    """Of the place; null: not given."""
    address: str | None = None
    """Of the place; null: not given."""


@frozen
class Reaction:
    message_id: str
    """The provider's id of the message that it is about."""
    emoji: str
    """The sign that is shown below it."""


@frozen
class ContactPhone:
    phone: str
    """The number."""
    type: str | None = None
    """Such as WORK; null: not given."""


@frozen
class ContactEmail:
    email: str
    """The address."""
    type: str | None = None
    """Such as WORK; null: not given."""


@frozen
class Contact:
    formatted_name: str
    """The whole name."""
    first_name: str | None = None
    """Null: not given."""
    last_name: str | None = None
    """Null: not given."""
    phones: tuple[ContactPhone, ...] = ()
    """Its numbers."""
    emails: tuple[ContactEmail, ...] = ()
    """Its email addresses."""


@frozen
class Row:
    id: str
    """What choosing it sends back."""
    title: str
    """What it shows."""
    description: str | None = None
    """The text below; null: there is none."""


@frozen
class Section:
    rows: tuple[Row, ...]
    """Its options."""
    title: str | None = None
    """Its heading; null: there is none."""


@frozen
class Menu:
    """A list of options; its body is the message's text."""

    button: str
    """What opens it."""
    sections: tuple[Section, ...]
    """Its options, in sections."""
    title: str | None = None
    """Its heading; null: there is none."""
    alt: str | None = None
    """A description for devices that cannot show the list; None: there is none."""


@frozen
class Parameter:
    """The value of one placeholder of a template, by position or by name."""

    text: str
    """The value."""
    name: str | None = None
    """The placeholder's name; null: it goes by its position."""


@frozen
class TemplateHeader:
    text: str | None = None
    """The value of its text's placeholder; null: there is none."""
    name: str | None = None
    """The name of the header text's placeholder; None: the template has no named placeholders."""
    image: Media | None = None
    """Its picture; null: it is no picture."""
    video: Media | None = None
    """Its video; null: it is no video."""
    document: Media | None = None
    """Its document; null: it is no document."""
    location: Location | None = None
    """Its place; null: it is no place."""
    product: Product | None = None
    """Its product; null: it is no product."""


@frozen
class Value:
    """A named value for the first screen of a flow."""

    name: str
    """Its name."""
    text: str
    """Its value."""


@frozen
class TemplateButton:
    index: int
    """Which of the template's buttons it is, from 0."""
    type: Literal["url", "quick_reply", "code", "copy_code", "catalog", "products", "flow"]
    """What kind of button it is."""
    parameter: str = ""
    """The end of the address, what comes back, the one-time password, the coupon code, the product whose picture is
    shown, or the flow's token."""
    data: tuple[Value, ...] = ()
    """Values for the flow that it opens."""
    sections: tuple[ProductSection, ...] = ()
    """The products that a button of type products opens."""


@frozen
class Card:
    """One card of a template's carousel."""

    header: TemplateHeader
    """Its picture, video or product."""
    parameters: tuple[Parameter, ...] = ()
    """The values of its text."""
    buttons: tuple[TemplateButton, ...] = ()
    """What its buttons are filled with."""


@frozen
class Flow:
    """A WhatsApp Flow, by its id or name, and the button that opens it."""

    button: str
    """What opens it."""
    id: str | None = None
    """Its id; null: it goes by its name."""
    name: str | None = None
    """Its name; null: it goes by its id."""
    token: str | None = None
    """What comes back with the person's answers; None: nothing."""
    screen: str | None = None
    """The first screen; None: the flow's endpoint chooses it."""
    data: tuple[Value, ...] = ()
    """Values for its first screen."""
    draft: bool = False
    """Whether its draft is opened, not what is published."""


@frozen
class Product:
    catalog_id: str
    """The catalog that has it."""
    id: str
    """Its id there."""


@frozen
class ProductSection:
    products: tuple[str, ...]
    """Their ids."""
    title: str | None = None
    """Its heading; null: there is none."""


@frozen
class Products:
    catalog_id: str
    """The catalog that has them."""
    title: str
    """The heading."""
    sections: tuple[ProductSection, ...]
    """The products, in sections."""


@frozen
class Catalog:
    thumbnail: str | None = None
    """The product whose picture is shown; None: the first of the catalog."""


@frozen
class Template:
    name: str
    """The approved template's name, or its key at providers that use keys."""
    language: str
    """Such as en or pt_BR."""
    parameters: tuple[Parameter, ...] = ()
    """The values of its text."""
    header: TemplateHeader | None = None
    """What its header is filled with; null: nothing."""
    buttons: tuple[TemplateButton, ...] = ()
    """What its buttons are filled with."""
    project_id: str | None = None
    """Bird's id of it; null: it goes by its name."""
    version: str | None = None
    """Bird's version of it; null: the newest."""
    cards: tuple[Card, ...] = ()
    """What the cards of its carousel are filled with."""
    offer_ends: str | None = None
    """When its limited-time offer ends, such as 2026-12-24T18:00+01:00; None: it has none."""
    customer_name: str | None = None
    """The name to store for a person who is not in the provider's address book yet; None: none is stored."""


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

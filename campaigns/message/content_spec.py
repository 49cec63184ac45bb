"""[content] of the campaign file: one kind of message, a template for closed windows, or both. Every string may hold
{{ variables }}. What a provider cannot send, its adapter refuses at load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from campaigns.message.action_spec import CatalogSpec, FlowSpec, ProductSectionSpec, ProductSpec, ProductsSpec
from campaigns.message.content import Addition, MessageType
from campaigns.message.media_spec import AudioSpec, FileSpec, ImageSpec, MediaSpec, Url
from campaigns.message.message_types import ALONE, INTERACTIVE, MEDIA, free_form_in, kinds_in, types_in
from campaigns.message.part import Part, WhenMet

Number = float | str
"""A number, or a text with a variable that renders to one."""


class ButtonSpec(Part):
    type: Literal["reply", "postback", "link"] = Field(description="what pressing it does")
    text: str = Field(description="what the button says")
    id: str | None = Field(default=None, description="reply: what comes back")
    payload: str | None = Field(default=None, description="postback: what comes back")
    url: Url | None = Field(default=None, description="link: where it leads")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wanted = {"postback": "payload", "link": "url"}.get(self.type)
        for name in ("id", "payload", "url"):
            belongs = name == wanted or (name == "id" and self.type == "reply")
            if getattr(self, name) is not None and not belongs:
                raise ValueError(f"a {self.type} button has no {name}")
        if self.type == "link" and self.url is None:
            raise ValueError("a link button needs its url")
        return self


class LocationSpec(Part):
    latitude: Number = Field(description="degrees north")
    longitude: Number = Field(description="degrees east")
    name: str | None = Field(default=None, description="what is there")
    address: str | None = Field(default=None, description="its address")


class ReactionSpec(Part):
    message_id: str = Field(description="the provider's id of the message")
    emoji: str = Field(description="one emoji")


class PhoneSpec(Part):
    phone: str = Field(description="the number")
    type: str | None = Field(default=None, description="such as WORK")


class EmailSpec(Part):
    email: str = Field(description="the address")
    type: str | None = Field(default=None, description="such as WORK")


class ContactSpec(Part):
    formatted_name: str = Field(description="the name as shown")
    first_name: str | None = Field(default=None, description="the given name")
    last_name: str | None = Field(default=None, description="the family name")
    phones: list[PhoneSpec] = Field(default=[], description="[{ phone, type }]")
    emails: list[EmailSpec] = Field(default=[], description="[{ email, type }]")


class RowSpec(Part):
    id: str = Field(description="what comes back when it is chosen")
    title: str = Field(description="what it says")
    description: str | None = Field(default=None, description="a line below it")


class SectionSpec(Part):
    title: str | None = Field(default=None, description="the heading; needed where there are several")
    rows: list[RowSpec] = Field(min_length=1, description="[{ id, title, description }]")


class ListSpec(Part):
    title: str | None = Field(default=None, description="the heading above the text")
    button: str = Field(description="what opens the list")
    sections: list[SectionSpec] = Field(min_length=1, description="[{ title, rows }]")
    alt: str | None = Field(default=None, description="what the list is, where the provider takes it")


class TemplateHeaderSpec(Part):
    text: str | None = Field(default=None, description="the header's one variable")
    name: str | None = Field(default=None, description="its name, where the template's variables are named")
    image: MediaSpec | None = Field(default=None, description="{ url }")
    video: MediaSpec | None = Field(default=None, description="{ url }")
    document: MediaSpec | None = Field(default=None, description="{ url, filename }")
    location: LocationSpec | None = Field(default=None, description="{ latitude, longitude, name, address }")
    product: ProductSpec | None = Field(
        default=None, description="{ catalog_id, id }, of a single-product template"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        kinds = type(self).model_fields.keys() - {"name"}
        if sum(getattr(self, name) is not None for name in kinds) != 1:
            raise ValueError("a header is one of text, image, video, document, location, product")
        if self.name is not None and self.text is None:
            raise ValueError("only the variable of a header's text has a name")
        return self


class TemplateButtonSpec(Part):
    index: StrictInt = Field(ge=0, le=9, description="its place among the template's buttons, from 0")
    type: Literal["url", "quick_reply", "code", "copy_code", "catalog", "products", "flow"] = Field(
        description="what kind of button it is; code is the one-time password of an authentication template, "
        "copy_code a coupon's code, products the button of a multi-product template"
    )
    parameter: str = Field(
        default="",
        description="the end of the address, what comes back, the code, the product whose picture a catalog or "
        "products show, or a flow's token",
    )
    data: dict[str, str] = Field(
        default={}, description="flow: values for its first screen, where it takes any"
    )

    sections: list[ProductSectionSpec] = Field(
        default=[], description="products: what it opens, [{ title, products }]"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.sections) != (self.type == "products"):
            raise ValueError("a button of type products has sections, and no other")
        if not self.parameter and self.type not in ("catalog", "flow"):
            raise ValueError(f"a {self.type} button needs its parameter")
        if self.data and self.type != "flow":
            raise ValueError("only a flow button has data")
        return self


class CardHeaderSpec(Part):
    image: MediaSpec | None = Field(default=None, description="{ url }")
    video: MediaSpec | None = Field(default=None, description="{ url }")

    @model_validator(mode="before")
    @classmethod
    def _no_product(cls, data: Any) -> Any:
        if isinstance(data, dict) and "product" in data:
            raise ValueError(
                "cards of products cannot be sent yet; a card shows an image or a video, and several products go "
                "into a template with a button of type products"
            )
        return data

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.image is None) == (self.video is None):
            raise ValueError("a card's header is an image or a video")
        return self


class CardSpec(Part):
    """One card of a template's carousel."""

    header: CardHeaderSpec = Field(description="{ image = { url } } or { video = { url } }")
    parameters: list[str] = Field(default=[], description="of the card's text, by place")
    buttons: list[TemplateButtonSpec] = Field(default=[], description="as a template's buttons")


class TemplateSpec(Part):
    """An approved template, for people whose 24-hour window is closed."""

    name: str = Field(description="the approved name; `key` says the same where the provider has keys")
    language: str = Field(default="en", description="the approved language, such as en or pt_BR")
    parameters: list[str] | dict[str, str] = Field(
        default=[], description="by place, or a table of named ones"
    )
    header: TemplateHeaderSpec | None = Field(default=None, description="what its header shows")
    buttons: list[TemplateButtonSpec] = Field(default=[], description="[{ index, type, parameter }]")
    cards: list[CardSpec] = Field(default=[], description="of a carousel: [{ header, parameters, buttons }]")
    offer_ends: str | None = Field(
        default=None,
        description="when a limited-time offer ends, such as 2026-12-24T18:00+01:00; may hold variables",
    )
    project_id: str | None = Field(default=None, description="Bird")
    version: str | None = Field(default=None, description="Bird")
    customer_name: str | None = Field(
        default=None, description="messaging_api: the name of a contact that the template creates"
    )

    @model_validator(mode="before")
    @classmethod
    def _key_is_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and "key" in data and "name" not in data:
            return {**{key: value for key, value in data.items() if key != "key"}, "name": data["key"]}
        return data


_UNCAPTIONED: Final = ("audio", "sticker")


class ContentSpec(Part):
    """What to send: a text, another kind of message with an optional text, a template, or a free-form message and a
    template."""

    text: str | None = Field(default=None, description="the message, or the caption of a medium")
    preview_url: StrictBool = Field(default=False, description="show a preview of the first link")
    reply_to: str | None = Field(default=None, description="the provider's id of the message answered")
    buttons: tuple[WhenMet[ButtonSpec], ...] = Field(
        default=(), description="reply, postback and link buttons"
    )
    header: str | None = Field(default=None, description="a line above the text of a message with buttons")
    footer: str | None = Field(default=None, description="a line below a message with buttons or a list")
    images: tuple[WhenMet[ImageSpec], ...] = Field(default=(), description="[{ url, alt }]")
    files: tuple[WhenMet[MediaSpec], ...] = Field(default=(), description="several files in one message")
    video: WhenMet[MediaSpec] | None = Field(
        default=None, description="{ url, caption, filename, content_type }"
    )
    audio: WhenMet[AudioSpec] | None = Field(default=None, description="{ url, content_type, voice }")
    document: WhenMet[MediaSpec] | None = Field(
        default=None, description="{ url, caption, filename, content_type }"
    )
    sticker: WhenMet[MediaSpec] | None = Field(default=None, description="{ url }")
    location: WhenMet[LocationSpec] | None = Field(
        default=None, description="{ latitude, longitude, name, address }"
    )
    contacts: tuple[WhenMet[ContactSpec], ...] = Field(default=(), description="contact cards")
    reaction: WhenMet[ReactionSpec] | None = Field(default=None, description="{ message_id, emoji }")
    list: WhenMet[ListSpec] | None = Field(
        default=None, description="rows to choose from; text is the message"
    )
    location_request: StrictBool = Field(
        default=False, description="a button by which the person shares where they are"
    )
    flow: WhenMet[FlowSpec] | None = Field(default=None, description="a form inside the chat")
    product: WhenMet[ProductSpec] | None = Field(default=None, description="{ catalog_id, id }: one product")
    products: WhenMet[ProductsSpec] | None = Field(default=None, description="several products of a catalog")
    catalog: WhenMet[CatalogSpec] | None = Field(
        default=None, description="{ thumbnail } or {}: a button for the catalog"
    )
    template: WhenMet[TemplateSpec] | None = Field(default=None, description="an approved template")
    prefer: Literal["free", "cheapest"] = Field(
        default="free",
        description="which goes while the window is open, where there is a template too: the free form, or "
        "whichever costs less",
    )
    closed_window: Literal["skip", "wait"] = Field(
        default="skip",
        description="without a template: skip a person whose window is closed, or wait until they write",
    )
    literal_placeholders: StrictBool = Field(
        default=False,
        description="send {name}, [name], *|NAME|*, %name%, <<name>> and {{1}} unchanged; default: refuse them",
    )
    defaults: dict[str, str] = Field(default={}, description="what a variable is where its cell is blank")

    @property
    def free_form(self) -> MessageType | None:
        """The type of the free-form message for open windows; None: only the template."""
        return free_form_in(vars(self))

    @property
    def types(self) -> tuple[MessageType, ...]:
        """The types that the campaign may send: its free form, its template, or both."""
        return types_in(vars(self))

    @property
    def additions(self) -> dict[Addition, str]:
        """The additions that only some providers support -> the first key that uses each."""
        found = {Addition(name): f"content.{name}" for name in ("header", "footer") if getattr(self, name)}
        for addition, given in ((Addition.MEDIA_ID, "id"), (Addition.MEDIA_FILE, "file")):
            if used := next((key for key, part in self.media_files if getattr(part, given)), None):
                found[addition] = f"content.{used}.{given}"
        if self.audio is not None and self.audio.voice:
            found[Addition.VOICE] = "content.audio.voice"
        return {**found, **dict(self._template_additions)}

    @property
    def _template_additions(self) -> Iterator[tuple[Addition, str]]:
        template = self.template
        if template is None:
            return
        for place, button in enumerate(template.buttons):
            if button.type not in ("url", "quick_reply"):
                yield Addition.TEMPLATE_BUTTON, f"content.template.buttons[{place}].type = {button.type}"
                break
        if template.header is not None and template.header.product is not None:
            yield Addition.TEMPLATE_PRODUCT, "content.template.header.product"
        if template.cards:
            yield Addition.CAROUSEL, "content.template.cards"
        if template.offer_ends is not None:
            yield Addition.OFFER, "content.template.offer_ends"

    @property
    def media_files(self) -> Iterator[tuple[str, FileSpec]]:
        """Every media file, including the template header's, and its key."""
        for name in ("images", "files"):
            yield from ((f"{name}[{place}]", part) for place, part in enumerate(getattr(self, name)))
        yield from ((name, part) for name in MEDIA if (part := getattr(self, name)))
        for name, part in (self.template and self.template.header) or ():
            if isinstance(part, FileSpec):
                yield f"template.header.{name}", part
        for place, card in enumerate(self.template.cards if self.template else ()):
            for name, part in card.header:
                if isinstance(part, FileSpec):
                    yield f"template.cards[{place}].header.{name}", part

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = kinds_in(vars(self))
        if len(given) > 1:
            raise ValueError(f"a message has one kind, but this one has {' and '.join(given)}")
        blank = not (self.text or "").strip()
        if not given and blank and self.template is None:
            raise ValueError('there is nothing to send; add text = "…", an image, another kind or a template')
        if given and given[0] in INTERACTIVE and given != ["product"] and blank:
            raise ValueError(f"{'a list' if given == ['list'] else given[0]} needs its text")
        if given and given[0] in INTERACTIVE and self.buttons:
            raise ValueError(f"{given[0]} cannot have buttons of its own")
        if given and given[0] in ALONE and (self.text is not None or self.buttons):
            raise ValueError(f"{given[0]} cannot have text or buttons")
        if self.buttons and blank and not given:
            raise ValueError("buttons need a text, an image or a file")
        return self

    @model_validator(mode="after")
    def _header_and_footer(self) -> Self:
        for name in ("list", "products"):
            if self.header is not None and getattr(self, name) is not None:
                raise ValueError(f"the header of {name} is its title; write it as {name}.title")
        of_flow = self.flow is not None
        if self.header is not None and not of_flow and self.free_form is not MessageType.TEXT:
            raise ValueError("a header needs a text; with buttons, the media file itself is the header")
        if self.header is not None and not of_flow and not self.buttons:
            raise ValueError("a header needs buttons")
        acts = any(kind in INTERACTIVE for kind in kinds_in(vars(self)) if kind != "location_request")
        if self.footer is not None and not self.buttons and not acts:
            raise ValueError("a footer needs buttons, a list, a flow, products or a catalog")
        return self

    @model_validator(mode="after")
    def _one_caption(self) -> Self:
        media = [part for kind in MEDIA if (part := getattr(self, kind)) is not None]
        if any(part.caption for part in (*media, *self.files)) and self.text:
            raise ValueError("the caption is given twice; keep either text or caption")
        if sum(bool(part.caption) for part in self.files) > 1:
            raise ValueError("several files share one caption; write it as content.text")
        for kind in _UNCAPTIONED:
            part = getattr(self, kind)
            if part is not None and (part.caption or self.text):
                raise ValueError(f"{'an' if kind == 'audio' else 'a'} {kind} message has no caption")
        return self

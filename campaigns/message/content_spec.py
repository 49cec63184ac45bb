"""[content] of the campaign file: one kind of message, a template for closed windows, or both. Every string may hold
{{ variables }}. What a provider cannot send, its adapter refuses at load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import Field, StrictBool, model_validator

from campaigns.message.content import Addition, MessageType
from campaigns.message.message_types import ALONE, INTERACTIVE, MEDIA, free_form_in, kinds_in, types_in
from campaigns.message.part import Part, Unmet, WhenMet

if TYPE_CHECKING:
    from campaigns.message.action_spec import CatalogSpec, FlowSpec, ProductSpec, ProductsSpec
    from campaigns.message.free_form_spec import ButtonSpec, ContactSpec, ListSpec, LocationSpec, ReactionSpec
    from campaigns.message.media_spec import AudioSpec, FileSpec, ImageSpec, MediaSpec
    from campaigns.message.template_spec import TemplateSpec
else:
    ButtonSpec = Unmet("campaigns.message.free_form_spec", "ButtonSpec")
    ContactSpec = Unmet("campaigns.message.free_form_spec", "ContactSpec")
    ListSpec = Unmet("campaigns.message.free_form_spec", "ListSpec")
    LocationSpec = Unmet("campaigns.message.free_form_spec", "LocationSpec")
    ReactionSpec = Unmet("campaigns.message.free_form_spec", "ReactionSpec")
    AudioSpec = Unmet("campaigns.message.media_spec", "AudioSpec")
    ImageSpec = Unmet("campaigns.message.media_spec", "ImageSpec")
    MediaSpec = Unmet("campaigns.message.media_spec", "MediaSpec")
    CatalogSpec = Unmet("campaigns.message.action_spec", "CatalogSpec")
    FlowSpec = Unmet("campaigns.message.action_spec", "FlowSpec")
    ProductSpec = Unmet("campaigns.message.action_spec", "ProductSpec")
    ProductsSpec = Unmet("campaigns.message.action_spec", "ProductsSpec")
    TemplateSpec = Unmet("campaigns.message.template_spec", "TemplateSpec")

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
        from campaigns.message.media_spec import FileSpec

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

"""A message as a phone shows it: the parts of its bubble, from top to bottom. `web/look/bubble.html` draws it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from campaigns.frozen import frozen
from campaigns.message.content import (
    Button,
    Contact,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Template,
    TemplateButton,
    TemplateHeader,
)
from campaigns.message.content import Card as TemplateCard
from campaigns.message.marks import Block, Inline, Value, marked_value, parse, unstyled, without_borders
from campaigns.message.provider_templates import (
    ButtonPart,
    HeaderPart,
    ProviderTemplate,
    TemplateParts,
    body_values,
    filled_address,
    filled_text,
    placeholders,
)

_ACTIONS = {"reply": "reply", "postback": "reply", "link": "link"}
_TEMPLATE_ACTIONS = {
    "url": "link",
    "quick_reply": "reply",
    "phone_number": "call",
    "copy_code": "copy",
    "otp": "copy",
}
_HEADER_MEDIA = ("image", "video", "document")


@frozen
class Tile:
    """A media file or a place, which is not fetched: its kind and its address."""

    kind: str
    """image, video, audio, voice, document, sticker, file or location."""
    title: Inline = ()
    detail: str = ""
    """The address, or where the place is."""
    file: str = ""
    """The name of a file beside the campaign file; empty: it is elsewhere."""


@frozen
class Action:
    """A button."""

    kind: str
    """reply, link, call, copy or other."""
    text: Inline
    detail: str = ""
    """Where it leads."""


@frozen
class OptionRow:
    title: Inline
    description: Inline


@frozen
class OptionSection:
    title: Inline
    rows: tuple[OptionRow, ...]


@frozen
class OptionList:
    """What the button of a list opens."""

    button: Inline
    sections: tuple[OptionSection, ...]


@frozen
class Card:
    """A contact."""

    name: Inline
    lines: tuple[str, ...]


@frozen
class Slide:
    """One card of a carousel."""

    tiles: tuple[Tile, ...]
    body: tuple[Block, ...] = ()
    buttons: tuple[Action, ...] = ()
    parameters: tuple[tuple[str, Inline], ...] = ()
    """What its text is filled with, where that is not known."""


@frozen
class Bubble:
    kind: MessageType
    answers: str | None = None
    """The provider's id of the message that it replies to."""
    header: Inline = ()
    tiles: tuple[Tile, ...] = ()
    body: tuple[Block, ...] = ()
    footer: Inline = ()
    buttons: tuple[Action, ...] = ()
    options: OptionList | None = None
    cards: tuple[Card, ...] = ()
    emoji: str | None = None
    template: str | None = None
    """The template that it is made from: its name and language."""
    parameters: tuple[tuple[str, Inline], ...] = ()
    """What a template is filled with whose text is not known."""
    slides: tuple[Slide, ...] = ()
    """The cards of a carousel, which are beside each other below the message."""


def bubble_of(content: Content, known: ProviderTemplate | None = None) -> Bubble:
    """`content` may be a marked one (`Renderer.render_marked`). `known`: the template that it is made from, if the
    account's templates are known."""
    if content.template is not None:
        return _of_template(content.template, known)
    titled = content.menu or content.products
    heading = titled.title if titled else content.header
    return Bubble(
        content.type,
        content.reply_to,
        unstyled(heading or ""),
        tuple(_tiles(content)),
        _body(content.text),
        unstyled(content.footer or ""),
        (*map(_action, content.buttons), *_opening(content)),
        _options(content.menu) if content.menu else None,
        tuple(map(_card, content.contacts)),
        content.reaction.emoji if content.reaction else None,
    )


def _body(text: str | None) -> tuple[Block, ...]:
    return parse(text) if text else ()


def _tiles(content: Content) -> Iterator[Tile]:
    kind = "file" if content.type is MessageType.FILES else content.type.value
    for medium in content.media:
        yield _medium("voice" if medium.voice else kind, medium)
    if content.location is not None:
        yield _place(content.location)
    if content.product is not None:
        yield Tile("file", unstyled("Product"), content.product.id)
    for section in content.products.sections if content.products else ():
        yield Tile("file", unstyled(section.title or "Products"), ", ".join(section.products))


def _opening(content: Content) -> Iterator[Action]:
    """The one button of a location request, a flow or a catalog."""
    if content.type is MessageType.LOCATION_REQUEST:
        yield Action("other", unstyled("Send location"))
    if content.flow is not None:
        yield Action("other", unstyled(content.flow.button), f"flow {content.flow.id or content.flow.name}")
    if content.products is not None:
        yield Action("other", unstyled("View items"))
    if content.catalog is not None:
        yield Action("other", unstyled("View catalog"))


def _medium(kind: str, medium: Media) -> Tile:
    title = medium.filename or medium.alt or ""
    place = medium.url or (medium.file if medium.file else f"file {medium.id} at the provider")
    return Tile(kind, unstyled(title), place, medium.file or "")


def _place(place: Location) -> Tile:
    title = ", ".join(filter(None, (place.name, place.address)))
    return Tile("location", unstyled(title), f"{place.latitude:g}, {place.longitude:g}")


def _action(button: Button) -> Action:
    return Action(_ACTIONS[button.type], unstyled(button.text), button.url or "")


def _options(menu: Menu) -> OptionList:
    return OptionList(
        unstyled(menu.button),
        tuple(
            OptionSection(
                unstyled(section.title or ""),
                tuple(
                    OptionRow(unstyled(row.title), unstyled(row.description or "")) for row in section.rows
                ),
            )
            for section in menu.sections
        ),
    )


def _card(contact: Contact) -> Card:
    details = [phone.phone for phone in contact.phones] + [email.email for email in contact.emails]
    return Card(unstyled(contact.formatted_name), tuple(details))


def _of_template(message: Template, known: ProviderTemplate | None) -> Bubble:
    title = without_borders(f"{message.name} ({message.language})")
    header = known.parts.header if known is not None else None
    bubble = Bubble(
        MessageType.TEMPLATE,
        template=title,
        tiles=tuple(_header_tiles(message.header, header)),
        slides=tuple(_slides(message, known)),
    )
    if known is None:
        given = _numbered(message.parameters)
        if message.header is not None and message.header.text:
            given.insert(0, ("header", message.header.text))
        given += [(f"button {button.index}", button.parameter) for button in message.buttons]
        return replace(bubble, parameters=tuple((name, unstyled(text)) for name, text in given))
    parts = known.parts
    return replace(
        bubble,
        header=unstyled(_header_text(parts, message)),
        body=_body(_filled(parts.body, body_values(message.parameters))),
        footer=unstyled(parts.footer),
        buttons=tuple(_template_actions(parts, message.buttons)),
    )


def _slides(message: Template, known: ProviderTemplate | None) -> Iterator[Slide]:
    """The cards that the template has, with what the message fills them with."""
    for card, parts in zip_longest(message.cards, known.parts.cards if known is not None else ()):
        filled = card or TemplateCard(TemplateHeader())
        if parts is None:
            kinds = {"url": "link"}
            buttons = [
                Action(
                    kinds.get(each.type, "reply"),
                    unstyled(f"Button {each.index + 1}"),
                    without_borders(each.parameter),
                )
                for each in filled.buttons
            ]
            given = tuple((name, unstyled(text)) for name, text in _numbered(filled.parameters))
            yield Slide(tuple(_header_tiles(filled.header, None)), (), tuple(buttons), given)
        else:
            yield Slide(
                tuple(_header_tiles(filled.header, parts.header)),
                _body(_filled(parts.body, body_values(filled.parameters))),
                tuple(_template_actions(parts, filled.buttons)),
            )


def _numbered(parameters: Sequence[Parameter]) -> list[tuple[str, str]]:
    return [(each.name or str(place), each.text) for place, each in enumerate(parameters, start=1)]


def _header_text(parts: TemplateParts, message: Template) -> str:
    if parts.header is None:
        return ""
    given = message.header.text if message.header else None
    names = placeholders(parts.header.text)
    return _filled(parts.header.text, dict.fromkeys(names, given) if given else {})


def _filled(text: str, values: dict[str, str]) -> str:
    """The text with its values; a placeholder without one is flagged."""
    blanks = {name: marked_value(f"{{{{{name}}}}}", Value.BLANK) for name in placeholders(text)}
    return filled_text(text, {**blanks, **{name: value for name, value in values.items() if value}})


def _header_tiles(header: TemplateHeader | None, known: HeaderPart | None) -> Iterator[Tile]:
    given = [(kind, medium) for kind in _HEADER_MEDIA if (medium := getattr(header, kind, None)) is not None]
    yield from (_medium(kind, medium) for kind, medium in given)
    if header is not None and header.location is not None:
        yield _place(header.location)
    elif not given and known is not None and known.kind != "text":
        yield Tile(known.kind)


def _template_actions(parts: TemplateParts, given: Sequence[TemplateButton]) -> Iterator[Action]:
    ends = {button.index: button.parameter for button in given}
    for place, button in enumerate(parts.buttons):
        yield Action(
            _TEMPLATE_ACTIONS.get(button.kind, "other"), unstyled(button.text), _leads_to(button, ends, place)
        )


def _leads_to(button: ButtonPart, ends: dict[int, str], place: int) -> str:
    return without_borders(filled_address(button, ends.get(place))) if button.url else ""

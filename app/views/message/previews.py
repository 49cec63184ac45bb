"""A message as a person reads it before it is sent: a line for each of its parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from campaigns.message.content import (
    Button,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Template,
    TemplateHeader,
)
from campaigns.message.provider_templates import ProviderTemplate, filled_lines


def preview_lines(content: Content, known: ProviderTemplate | None = None) -> list[str]:
    """What would arrive, from top to bottom. `known`: the template that it is made from, if the account's templates are
    known: its text, filled in."""
    return [line for part in _parts(content, known) for line in part.split("\n")]


def _parts(content: Content, known: ProviderTemplate | None) -> Iterator[str]:
    if content.reply_to:
        yield f"(in answer to {content.reply_to})"
    yield from map(_file, content.media)
    titled = content.menu or content.products
    if heading := titled.title if titled else content.header:
        yield heading
    if content.text:
        yield content.text
    if content.location:
        yield _place(content.location)
    for contact in content.contacts:
        yield f"contact: {contact.formatted_name}, {', '.join(phone.phone for phone in contact.phones)}"
    if content.reaction:
        yield f"{content.reaction.emoji}  on {content.reaction.message_id}"
    if content.footer:
        yield content.footer
    if content.menu:
        yield from _menu(content.menu)
    yield from _action(content)
    if content.template:
        yield from _template(content.template, known)
    yield from map(_button, content.buttons)


def _action(content: Content) -> Iterator[str]:
    """What a location request, a flow or products show below the text."""
    if content.type is MessageType.LOCATION_REQUEST:
        yield "[ Send location ]"
    if content.flow:
        yield f"[ {content.flow.button} ]  flow {content.flow.id or content.flow.name}"
    if content.product:
        yield f"product: {content.product.id}"
    for section in content.products.sections if content.products else ():
        yield f"{section.title or 'products'}: {', '.join(section.products)}"
    if content.catalog:
        yield "[ View catalog ]"


def _place(location: Location) -> str:
    label = ", ".join(filter(None, (location.name, location.address)))
    return f"place: {location.latitude}, {location.longitude}  {label}".rstrip()


def _menu(menu: Menu) -> Iterator[str]:
    yield f"[ {menu.button} ]"
    for section in menu.sections:
        if section.title:
            yield f"  {section.title}"
        for row in section.rows:
            yield f"  - {row.title}" + (f": {row.description}" if row.description else "")


def _template(template: Template, known: ProviderTemplate | None) -> Iterator[str]:
    yield f"template {template.name} ({template.language})"
    if known is not None:
        media = replace(template.header, text=None) if template.header else None
        lines = [*(_header(media) if media else ()), *filled_lines(known.parts, template), *_more(template)]
        yield from (f"  {line}" for part in lines for line in part.split("\n"))
        return
    if template.header:
        yield from (f"  header: {line}" for line in _header(template.header))
    for number, parameter in enumerate(template.parameters, start=1):
        yield f"  {parameter.name or number}: {parameter.text}"
    for button in template.buttons:
        yield f"  button {button.index}: {button.parameter}"
    yield from (f"  {line}" for line in _more(template))


def _more(template: Template) -> Iterator[str]:
    """The end of its offer, and its cards."""
    if template.offer_ends is not None:
        yield f"offer ends: {template.offer_ends}"
    for number, card in enumerate(template.cards, start=1):
        ends = [button.parameter for button in card.buttons]
        texts = [*_header(card.header), *(each.text for each in card.parameters), *ends]
        yield f"card {number}: {'  '.join(texts)}"


def _header(header: TemplateHeader) -> Iterator[str]:
    if header.text:
        yield header.text
    yield from (_file(medium) for medium in (header.image, header.video, header.document) if medium)
    if header.location:
        yield _place(header.location)


def _file(medium: Media) -> str:
    place = medium.url or medium.file or f"(the file {medium.id} at the provider)"
    return f"{place}  {medium.filename or ''}".rstrip()


def _button(button: Button) -> str:
    return f"[ {button.text} ]" + (f"  {button.url}" if button.url else "")

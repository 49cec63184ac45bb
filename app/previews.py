"""A message as a person reads it before it is sent: a line for each of its parts."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.content import Button, Content, Location, Menu, Template


def preview_lines(content: Content) -> list[str]:
    """What would arrive, from top to bottom."""
    return [line for part in _parts(content) for line in part.split("\n")]


def _parts(content: Content) -> Iterator[str]:
    if content.reply_to:
        yield f"(in answer to {content.reply_to})"
    for medium in content.media:
        yield f"{medium.url}  {medium.filename or ''}".rstrip()
    if content.text:
        yield content.text
    if content.location:
        yield _place(content.location)
    for contact in content.contacts:
        yield f"contact: {contact.formatted_name}, {', '.join(phone.phone for phone in contact.phones)}"
    if content.reaction:
        yield f"{content.reaction.emoji}  on {content.reaction.message_id}"
    if content.menu:
        yield from _menu(content.menu)
    if content.template:
        yield from _template(content.template)
    yield from map(_button, content.buttons)


def _place(location: Location) -> str:
    words = ", ".join(filter(None, (location.name, location.address)))
    return f"place: {location.latitude}, {location.longitude}  {words}".rstrip()


def _menu(menu: Menu) -> Iterator[str]:
    yield f"[ {menu.button} ]"
    for section in menu.sections:
        if section.title:
            yield f"  {section.title}"
        for row in section.rows:
            yield f"  - {row.title}" + (f": {row.description}" if row.description else "")


def _template(template: Template) -> Iterator[str]:
    yield f"template {template.name} ({template.language})"
    for number, parameter in enumerate(template.parameters, start=1):
        yield f"  {parameter.name or number}: {parameter.text}"
    for button in template.buttons:
        yield f"  button {button.index}: {button.parameter}"


def _button(button: Button) -> str:
    return f"[ {button.text} ]" + (f"  {button.url}" if button.url else "")

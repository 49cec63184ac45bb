"""Whether a campaign fits the template that it names, as the provider has it: name, language, status, category, and
the number and kind of its parameters. Limits of length: Meta's Cloud API reference of template messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.message.content import Content, Template
from campaigns.message.content_spec import ContentSpec
from campaigns.message.provider_templates import (
    ProviderTemplate,
    are_named,
    filled_address,
    placeholders,
    same_language,
)
from campaigns.message.template_category import AUTO
from campaigns.nearest import nearest

if TYPE_CHECKING:
    from campaigns.message.template_spec import TemplateSpec

KEY: Final = "content.template"
UNSENDABLE: Final = {
    "ARCHIVED": "is archived",
    "DELETED": "was deleted",
    "DISABLED": "is disabled",
    "IN_APPEAL": "was rejected, and the appeal is not decided yet",
    "LIMIT_EXCEEDED": "is over the account's number of templates",
    "LOCKED": "is locked",
    "PAUSED": "is paused for its quality",
    "PENDING": "is not approved yet",
    "PENDING_DELETION": "is being deleted",
    "REJECTED": "was rejected",
}
"""Statuses in which a template is not sent. A status that is not known here hinders nothing."""
CATEGORIES: Final = ("marketing", "utility", "authentication")
MEDIA: Final = ("image", "video", "document", "location", "product")
FILLED: Final = {
    **{kind: kind for kind in ("quick_reply", "copy_code", "catalog", "flow")},
    "mpm": "products",
}
"""Kinds of buttons -> the type by which a campaign fills them."""
PARTS: Final = {"carousel": "cards", "limited_time_offer": "offer_ends"}
"""Other parts of a template -> the key that fills them."""
HEADER, BODY, BODY_ALONE, ADDRESS = 60, 1024, 32_768, 2000
"""The most characters of the header's parameter, of a parameter of a body with other parts beside it and of one alone,
and of a filled address."""


@frozen
class Mismatch:
    """One way in which a campaign does not fit its template."""

    key: str
    """The key of the campaign file, such as `content.template.parameters`."""
    text: str
    hint: str = ""


def find_template(templates: Sequence[ProviderTemplate], name: str, language: str) -> ProviderTemplate | None:
    """The template of that name in that language."""
    named = (each for each in templates if each.name == name)
    return next((each for each in named if same_language(each.language, language)), None)


def used_templates(
    templates: Iterable[ProviderTemplate], contents: Iterable[ContentSpec]
) -> list[ProviderTemplate]:
    """The few that these messages are made from, among thousands; a name that a row fills in may be any of them."""
    names = {content.template.name for content in contents if content.template}
    anyone = any("{" in name for name in names)
    return [each for each in templates if anyone or each.name in names]


def contents_mismatches(
    contents: Mapping[str | None, ContentSpec], category: str, templates: Sequence[ProviderTemplate]
) -> Iterator[tuple[str | None, Mismatch]]:
    """Why the account's templates do not allow what a campaign sends, and the variant that it is about. A template that
    a row names is not known here."""
    for variant, content in contents.items():
        if content.template is not None and not named_by_row(content.template):
            for each in mismatches(content.template, category, templates):
                yield variant, each


def named_by_row(template: TemplateSpec | None) -> bool:
    """Whether the template's name or language depends on the row."""
    return template is not None and "{" in template.name + template.language


def mismatches(
    spec: TemplateSpec, category: str, templates: Sequence[ProviderTemplate]
) -> Iterator[Mismatch]:
    """Why the account's templates do not allow a message; nothing: they do."""
    found = find_template(templates, spec.name, spec.language)
    if found is None:
        yield _unknown(spec, templates)
        return
    if found.status in UNSENDABLE:
        hint = "Wait until the provider has approved it, or name another template."
        yield Mismatch(f"{KEY}.name", _not_sent(found), hint)
    if found.category in CATEGORIES and category not in (found.category, AUTO):
        yield Mismatch(
            "category",
            f"the campaign is {category}, but {found.title} is {found.category}, and is charged as that.",
            f'Write category = "{found.category}" or "{AUTO}", or name another template.',
        )
    yield from _wrong_body(spec, found)
    yield from _wrong_header(spec, found)
    yield from _wrong_buttons(spec, found)
    yield from _wrong_parts(spec, found)


def _wrong_parts(spec: TemplateSpec, found: ProviderTemplate) -> Iterator[Mismatch]:
    for kind, key in PARTS.items():
        given, has, what = bool(getattr(spec, key)), kind in found.parts.others, kind.replace("_", " ")
        if has and not given:
            yield Mismatch(f"{KEY}.{key}", f"it is missing; {found.title} has a {what}.", f"Add {key}.")
        elif given and not has:
            yield Mismatch(f"{KEY}.{key}", f"{found.title} has no {what}.", f"Remove {key}.")


def _not_sent(found: ProviderTemplate) -> str:
    why = f" ({found.reason})" if found.reason else ""
    return f"{found.title} {UNSENDABLE[found.status]}{why}: its status is {found.status}."


def _unknown(spec: TemplateSpec | Template, templates: Sequence[ProviderTemplate]) -> Mismatch:
    languages = sorted(each.language for each in templates if each.name == spec.name)
    if languages:
        text = f"{spec.name} is not there in {spec.language}, only in {', '.join(languages)}."
        return Mismatch(f"{KEY}.language", text, f'Write language = "{languages[0]}".')
    near = nearest(spec.name, {each.name for each in templates})
    text = f"the account has no template {spec.name}."
    return Mismatch(f"{KEY}.name", text, f"Did you mean {near}?" if near else "")


def _wrong_body(spec: TemplateSpec, found: ProviderTemplate) -> Iterator[Mismatch]:
    key, wanted = f"{KEY}.parameters", placeholders(found.parts.body)
    written = ", ".join(f"{{{{{name}}}}}" for name in wanted)
    if not are_named(wanted):
        if isinstance(spec.parameters, dict) and spec.parameters:
            text = f"they are named, but the placeholders of {found.title} are numbered: {written or 'it has none'}."
            yield Mismatch(key, text, 'Write a list: parameters = ["…"].')
        elif len(spec.parameters) != len(wanted):
            needs = f"{counted(len(wanted), 'value')}: {written}" if wanted else "none"
            yield Mismatch(key, f"there are {len(spec.parameters)}, but {found.title} needs {needs}.")
        return
    if not isinstance(spec.parameters, dict):
        example = ", ".join(f'{name} = "…"' for name in wanted)
        text = f"they are a list, but the placeholders of {found.title} have names: {written}."
        yield Mismatch(key, text, f"Write a table: parameters = {{ {example} }}.")
        return
    for name in wanted:
        if name not in spec.parameters:
            yield Mismatch(key, f"{name} is missing; {found.title} has {written}.")
    for name in spec.parameters:
        if name not in wanted:
            yield Mismatch(f"{key}.{name}", f"{found.title} has no placeholder {name}, only {written}.")


def _wrong_header(spec: TemplateSpec, found: ProviderTemplate) -> Iterator[Mismatch]:
    header, key = spec.header, f"{KEY}.header"
    given = next((kind for kind in ("text", *MEDIA) if header and getattr(header, kind) is not None), None)
    part = found.parts.header
    wanted = placeholders(part.text) if part and part.kind == "text" else []
    needs = part.kind if part and (part.kind in MEDIA or wanted) else None
    if given != needs:
        if needs is None:
            yield Mismatch(key, f"the header of {found.title} takes nothing.", "Remove header.")
        else:
            what = f"it has {given}" if given else "it is missing"
            value = '"…"' if needs == "text" else "{ … }"
            text = f"{what}, but the header of {found.title} needs {needs}."
            yield Mismatch(key, text, f"Write header = {{ {needs} = {value} }}.")
    elif header is not None and wanted:
        name = wanted[0] if are_named(wanted) else None
        if header.name != name:
            how = f"is named {name}" if name else "has no name"
            text = f"the placeholder in the header of {found.title} {how}."
            yield Mismatch(f"{key}.name", text, f'Write name = "{name}".' if name else "Remove name.")


def _wrong_buttons(spec: TemplateSpec, found: ProviderTemplate) -> Iterator[Mismatch]:
    given = {button.index: place for place, button in enumerate(spec.buttons)}
    for index, part in enumerate(found.parts.buttons):
        about = f"button {index} of {found.title}, {part.text!r},"
        if part.kind == "mpm" and index not in given:
            add = f'Add {{ index = {index}, type = "products", parameter = "…", sections = […] }}.'
            yield Mismatch(f"{KEY}.buttons", f"{about} needs the products that it opens.", add)
        elif part.needs_text and index not in given:
            kind = "code" if part.kind == "otp" else "url"
            yield Mismatch(
                f"{KEY}.buttons",
                f"{about} needs the end of its address: {part.url or 'the one-time password'}.",
                f'Add {{ index = {index}, type = "{kind}", parameter = "…" }}.',
            )
        elif part.kind == "copy_code" and index not in given:
            add = f'Add {{ index = {index}, type = "copy_code", parameter = "…" }}.'
            yield Mismatch(f"{KEY}.buttons", f"{about} needs the coupon's code.", add)
    for index, place in given.items():
        yield from _wrong_button(found, index, place, spec.buttons[place].type)


def _wrong_button(found: ProviderTemplate, index: int, place: int, kind: str) -> Iterator[Mismatch]:
    key, parts = f"{KEY}.buttons[{place}]", found.parts.buttons
    if index >= len(parts):
        text = f"{found.title} has {counted(len(parts), 'button')}, and the first is number 0."
        yield Mismatch(f"{key}.index", text)
        return
    part = parts[index]
    wanted = "url" if part.needs_text else FILLED.get(part.kind)
    kind = "url" if kind == "code" and part.needs_text else kind
    if wanted is None:
        yield Mismatch(key, f"button {index} of {found.title}, {part.text!r}, takes nothing.", "Remove it.")
    elif kind != wanted:
        text = f"button {index} of {found.title}, {part.text!r}, is of type {wanted}."
        yield Mismatch(f"{key}.type", text, f'Write type = "{wanted}".')


def template_of(content: Content, templates: Sequence[ProviderTemplate]) -> ProviderTemplate | None:
    """The template that a filled message is made from, if it is known."""
    used = content.template
    return find_template(templates, used.name, used.language) if used else None


def misfit(content: Content, templates: Sequence[ProviderTemplate]) -> str | None:
    """Why the template that a row has named cannot be sent with its values, as a sentence, or None."""
    message, found = content.template, template_of(content, templates)
    if message is None:
        return None
    if found is None:
        unknown = _unknown(message, templates)
        return f"{unknown.key}: {unknown.text}"
    if found.status in UNSENDABLE:
        return f"{KEY}.name: {_not_sent(found)}"
    given, wanted = [each.name for each in message.parameters], placeholders(found.parts.body)
    if set(given) != set(wanted) if are_named(wanted) else len(given) != len(wanted):
        written = ", ".join(f"{{{{{name}}}}}" for name in wanted) or "nothing"
        return f"{KEY}.parameters: there are {len(given)}, but {found.title} needs {written}."
    return None


def too_long(content: Content, templates: Sequence[ProviderTemplate]) -> str | None:
    """Which parameter of a filled message its template has no room for, as a sentence, or None."""
    message, found = content.template, template_of(content, templates)
    if message is None or found is None:
        return None
    most = BODY_ALONE if found.parts.body_alone else BODY
    texts = [
        (
            f"{KEY}.parameters{f'.{each.name}' if each.name else f'[{place}] (number {place + 1})'}",
            each.text,
            most,
        )
        for place, each in enumerate(message.parameters)
    ]
    if message.header is not None and message.header.text is not None:
        texts.append((f"{KEY}.header.text", message.header.text, HEADER))
    for place, button in enumerate(message.buttons):
        part = found.parts.buttons[button.index] if button.index < len(found.parts.buttons) else None
        if part is not None and part.url and button.type == "url":
            address = filled_address(part, button.parameter)
            texts.append((f"{KEY}.buttons[{place}].parameter, as an address,", address, ADDRESS))
    for key, text, limit in texts:
        if len(text) > limit:
            return f"{key} has {len(text):,} characters; the limit of {found.title} is {limit:,}."
    return None

"""The message of a draft as a person would get it, while it is written: its bubble, what its provider would refuse, and
how much room is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, Final

import orjson
from pydantic import ValidationError

from app.views.drafts.rows import ListRow
from app.views.message.bubbles import Bubble, bubble_of
from app.views.message.previews import preview_lines
from app.views.message.sampling import Choice
from app.wiring.settings import Settings
from campaigns.errors import NotFound, SpecError
from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.message.content import Addition, Button, Content, Media, MessageType
from campaigns.message.content_spec import ContentSpec
from campaigns.message.placeholders import foreign_placeholders
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.message.template_match import mismatches, template_of, too_long
from campaigns.message.templates import Renderer
from campaigns.spec.toml_files import TomlFile, dotted
from campaigns.spec.variants_spec import with_whole_variants
from providers.adapter import Adapter
from providers.registry import open_adapter
from storage.audience.templates import find_templates
from storage.database.engine import Engine, reading

ENOUGH: Final = 1 << 16
"""Characters: a limit above this is none."""


@frozen
class Room:
    """The characters of one text of the message, and the most that its provider takes."""

    name: str
    used: int
    most: int | None

    @property
    def over(self) -> bool:
        return self.most is not None and self.used > self.most


@frozen
class ShownMessage:
    """One form of one variant."""

    variant: str | None
    form: str
    """free or template; empty: there is only one form."""
    bubble: Bubble | None
    rooms: tuple[Room, ...] = ()
    problems: tuple[str, ...] = ()
    """Why it cannot be sent as it is."""


@frozen
class Outlet:
    """The account that a draft is sent through, as far as it is chosen."""

    adapter: Adapter | None = None
    templates: Sequence[ProviderTemplate] = ()
    """As they were listed last; empty: there are none, or they were never listed."""

    @property
    def types(self) -> tuple[MessageType, ...]:
        """What may be chosen; without an account, everything."""
        types = self.adapter.capabilities.types if self.adapter else frozenset(MessageType)
        return tuple(kind for kind in MessageType if kind in types)

    @property
    def additions(self) -> frozenset[Addition]:
        return self.adapter.capabilities.additions if self.adapter else frozenset(Addition)

    @property
    def several_images(self) -> bool:
        """Whether a message may have more than one image."""
        two = (Media("https://files.example/a.png"), Media("https://files.example/b.png"))
        return self._takes(Content(MessageType.IMAGE, "-", two))

    @property
    def buttons(self) -> bool:
        """Whether a text may have buttons."""
        button = Button("reply", "Yes", id="yes")
        return self._takes(Content(MessageType.TEXT, "-", buttons=(button,)))

    @property
    def link_previews(self) -> bool:
        return self._takes(Content(MessageType.TEXT, "https://a.example", preview_url=True))

    @property
    def replies(self) -> bool:
        """Whether a message may answer an earlier one."""
        return self._takes(Content(MessageType.TEXT, "-", reply_to="1"))

    def _takes(self, content: Content) -> bool:
        return self.adapter is None or self.adapter.unsendable(content) is None


async def outlet_of(engine: Engine, settings: Settings, provider: str) -> Outlet:
    account = settings.accounts.get(provider)
    if account is None:
        return Outlet()
    async with reading(engine) as connection:
        return Outlet(open_adapter(account), await find_templates(connection, provider))


@frozen
class DraftPreview:
    row: ListRow | None
    """None: there is no list yet, so every variable is blank."""
    messages: tuple[ShownMessage, ...]
    blank: tuple[str, ...] = ()
    """Variables whose cells are blank in this row."""
    notes: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    """Folded names of all variables of the message."""


def contents_of(file: TomlFile) -> dict[str | None, ContentSpec]:
    """The contents of an unfinished campaign file, by variant. Raises SpecError naming the key."""
    whole = with_whole_variants(file.data)
    variants = whole.get("variants")
    tables = (
        {str(each.get("name", place)): each.get("content") for place, each in enumerate(variants)}
        if isinstance(variants, list) and all(isinstance(each, dict) for each in variants) and variants
        else {None: whole.get("content")}
    )
    return {name: _content(table) for name, table in tables.items()}


def _content(table: Any) -> ContentSpec:
    if not table:
        raise SpecError("There is no message yet.")
    try:
        return ContentSpec.model_validate(table)
    except ValidationError as error:
        detail = error.errors()[0]
        key = dotted(("content", *detail["loc"]))
        message = str(detail["ctx"]["error"] if detail["type"] == "value_error" else detail["msg"])
        raise SpecError(f"{key}: {message[:1].lower()}{message[1:]}.") from error


def preview_draft(
    contents: Mapping[str | None, ContentSpec],
    rows: Sequence[ListRow],
    choice: Choice,
    number: int,
    outlet: Outlet,
    *,
    category: str = "marketing",
    blanks: Mapping[str, int] | None = None,
    whole: bool = True,
) -> DraftPreview:
    """The message of one row. `number`: the line, or the seed of a random choice. `blanks`: in how many rows each
    variable is blank; `whole`: whether all rows of the list were looked at for that.
    Raises SpecError where a text cannot be compiled, NotFound where no row is on that line."""
    renderers = {name: Renderer(content, shares_defaults=True) for name, content in contents.items()}
    row = _chosen(rows, choice, number, list(renderers.values()))
    vars: dict[str, str] = orjson.loads(row.vars) if row else {}
    names = sorted({name for renderer in renderers.values() for name in renderer.names})
    return DraftPreview(
        row,
        tuple(
            _shown(name, renderer, template, contents[name], vars, outlet, category)
            for name, renderer in renderers.items()
            for template in _forms(renderer)
        ),
        tuple(name for name in names if not vars.get(name)) if row else (),
        (*_rows_without(renderers.values(), blanks or {}, whole), *_notes(contents, outlet.adapter)),
        tuple(names),
    )


def _forms(renderer: Renderer) -> tuple[bool, ...]:
    return (
        (False, True) if renderer.has_free_form and renderer.has_template else (not renderer.has_free_form,)
    )


def _chosen(
    rows: Sequence[ListRow], choice: Choice, number: int, renderers: Sequence[Renderer]
) -> ListRow | None:
    if not rows:
        return None
    match choice:
        case Choice.LINE:
            found = next((row for row in rows if row.line == number), None)
            if found is None:
                raise NotFound(f"No accepted row is on line {number}.")
            return found
        case Choice.RANDOM:
            return rows[Random(number).randrange(len(rows))]  # noqa: S311
        case Choice.LONGEST:
            return max(rows, key=lambda row: max(_length(each, row) for each in renderers))
        case Choice.MISSING:
            return max(rows, key=lambda row: max(_blanks(each, row) for each in renderers))
    return rows[0]


def _length(renderer: Renderer, row: ListRow) -> int:
    try:
        vars = orjson.loads(row.vars)
        forms = [renderer.render(vars, template=template) for template in _forms(renderer)]
    except SpecError:
        return 0
    return max(sum(map(len, preview_lines(form))) for form in forms)


def _blanks(renderer: Renderer, row: ListRow) -> int:
    vars = orjson.loads(row.vars)
    return sum(not vars.get(name) for name in renderer.names)


def _shown(
    variant: str | None,
    renderer: Renderer,
    template: bool,
    spec: ContentSpec,
    vars: Mapping[str, str],
    outlet: Outlet,
    category: str,
) -> ShownMessage:
    adapter, templates = outlet.adapter, outlet.templates
    form = ("template" if template else "free") if len(_forms(renderer)) > 1 else ""
    problems = list(_template_problems(spec, category, templates)) if template and templates else []
    try:
        marked = renderer.render_marked(vars, template=template)
    except SpecError as error:
        return ShownMessage(variant, form, None, problems=(*problems, str(error)))
    bubble = bubble_of(marked, template_of(marked, templates))
    try:
        content = renderer.render(vars, template=template)
    except SpecError:  # a variable is blank: the bubble flags it
        return ShownMessage(variant, form, bubble, problems=tuple(problems))
    refused = (adapter.unsendable(content) if adapter else None) or too_long(content, templates)
    rooms = tuple(_rooms(content, adapter)) if adapter else ()
    return ShownMessage(variant, form, bubble, rooms, (*problems, *([refused] if refused else [])))


def _template_problems(
    spec: ContentSpec, category: str, templates: Sequence[ProviderTemplate]
) -> Iterator[str]:
    used = spec.template
    if used is not None and "{" not in used.name + used.language:
        yield from (
            f"{each.text[:1].upper()}{each.text[1:]}" for each in mismatches(used, category, templates)
        )


def _rows_without(renderers: Iterable[Renderer], blanks: Mapping[str, int], whole: bool) -> Iterator[str]:
    """Variables that the message needs, and that rows lack which are left out for it."""
    for name in sorted({name for renderer in renderers for name in renderer.variables}):
        if count := blanks.get(name, 0):
            rows = f"{'' if whole else 'at least '}{counted(count, 'row')}"
            left_out = f"{rows}, which {'is' if count == 1 else 'are'} left out"
            yield f"{name} is blank in {left_out}. Write under “Where a cell is blank” what stands there instead."


def _notes(contents: Mapping[str | None, ContentSpec], adapter: Adapter | None) -> Iterator[str]:
    for content in contents.values():
        for found in foreign_placeholders(content):
            yield f"{found.found} would be sent unchanged: write {found.here}, with the name of the column."
        if adapter is not None and content.template is None and adapter.capabilities.windows:
            what = "are skipped" if content.closed_window == "skip" else "wait until they write"
            yield (
                "Without a template, this reaches only people who wrote within the last 24 hours; "
                f"the others {what}."
            )
            return


def _rooms(content: Content, adapter: Adapter) -> Iterator[Room]:
    """The texts that are counted, each with the provider's limit, if it has one."""
    short = _shortened(content)
    texts: list[tuple[str, str | None, Callable[[str], Content]]] = [
        ("Header", content.header, lambda text: replace(short, header=text)),
        ("Text", content.text, lambda text: replace(short, text=text)),
        ("Footer", content.footer, lambda text: replace(short, footer=text)),
    ]
    for place, button in enumerate(content.buttons):
        texts.append((f"Button {place + 1}", button.text, partial(_with_button, short, place)))
    if short.menu is not None and content.menu is not None:
        menu = short.menu
        texts.append(
            (
                "List button",
                content.menu.button,
                lambda text: replace(short, menu=replace(menu, button=text)),
            )
        )
    for name, text, put in texts:
        if text:
            yield Room(name, len(text), longest(adapter, put))


def _shortened(content: Content) -> Content:
    """The same message with texts that no limit of length refuses, so that each can be tried alone."""
    buttons = tuple(replace(button, text=str(place)) for place, button in enumerate(content.buttons))
    menu = replace(content.menu, button="x") if content.menu else None
    return replace(
        content,
        header=content.header and "x",
        text=content.text and "x",
        footer=content.footer and "x",
        buttons=buttons,
        menu=menu,
    )


def _with_button(content: Content, place: int, text: str) -> Content:
    buttons = list(content.buttons)
    buttons[place] = replace(buttons[place], text=text)
    return replace(content, buttons=tuple(buttons))


def longest(adapter: Adapter, put: Callable[[str], Content]) -> int | None:
    """The most characters that the provider takes in one place of a message, found by asking its own check; None: it
    has no limit there, or something else is wrong with the message."""
    fits, too_many = 1, ENOUGH
    if adapter.unsendable(put("x")) is not None or adapter.unsendable(put("x" * ENOUGH)) is None:
        return None
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if adapter.unsendable(put("x" * middle)) is None:
            fits = middle
        else:
            too_many = middle
    return fits

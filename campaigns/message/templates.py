"""Texts with {{ variables }}: which ones they need, and rendering the message for one recipient."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from campaigns.errors import SpecError
from campaigns.message.column_names import fold as fold
from campaigns.message.column_names import with_identifiers
from campaigns.message.content import Content, Media, MessageType
from campaigns.message.content_spec import ContentSpec
from campaigns.message.content_tree import Source, free_form_tree, template_tree
from campaigns.message.marks import Value, marked_value
from campaigns.message.placeholders import is_shown, literal
from campaigns.message.plain_texts import plain_parts
from campaigns.nearest import nearest

if TYPE_CHECKING:
    from campaigns.message.engine_texts import Template

_ADDRESS: Final = re.compile(r"https?://[^\s/]\S*")
_CONTENT: Final = TypeAdapter(Content)
_WITH_TEXT: Final = frozenset(
    {
        MessageType.TEXT,
        MessageType.LIST,
        MessageType.LOCATION_REQUEST,
        MessageType.FLOW,
        MessageType.PRODUCTS,
        MessageType.CATALOG,
    }
)
"""The messages that are nothing without a text."""
FILES_OF_HEADERS: Final = ("image", "video", "document")


class _Piece:
    """One string of the content: constant, texts and variables, or a text that the template engine reads. The engine is
    imported only where it is used."""

    def __init__(self, key: str, source: str) -> None:
        self.key = key
        self.source, self._spelled = with_identifiers(source)
        self.is_constant = "{" not in self.source
        parts = plain_parts(self.source)
        if parts is None:
            from campaigns.message import engine_texts

            used = engine_texts.variables_of(key, self.source)
            if not self.is_constant:
                self._template  # noqa: B018 - an error of the text is found here, at load
            parts = engine_texts.parts_of(self.source)
        else:
            used = frozenset(name for name, _ in parts if name is not None)
        self._folded = {name: fold(self._spelled.get(name, name)) for name in used}
        self.names = frozenset(self._folded.values())
        """The folded names of its variables."""
        self._parts = None if parts is None else [(name and self._folded[name], text) for name, text in parts]
        """To join these takes a tenth of the time of a compiled template."""

    @cached_property
    def _template(self) -> Template:
        from campaigns.message.engine_texts import compiled

        return compiled(self.key, self.source)

    def render(self, context: Mapping[str, str]) -> str:
        if self.is_constant:
            return self.source
        if self._parts is not None and context.keys() >= self.names:
            return "".join([text if name is None else context[name] for name, text in self._parts])
        return self._generated(self._template, context)

    def render_marked(self, values: Mapping[str, str], defaults: Mapping[str, str]) -> str:
        """For a person to look at: as `render`, but in a text that people read what is filled in is marked, and a
        variable without a value is its own name, marked as blank."""
        names = {folded: self._spelled.get(name, name) for name, folded in self._folded.items()}
        if self.is_constant or not is_shown(self.key):
            return self.render({**names, **defaults, **values})
        blanks = {folded: marked_value(name, Value.BLANK) for folded, name in names.items()}
        if self._parts is None:
            from campaigns.message.engine_texts import marking

            return self._generated(marking(self.source), {**blanks, **defaults, **values})
        marked = blanks | {name: marked_value(text, Value.DEFAULT) for name, text in defaults.items()}
        marked |= {name: marked_value(text, Value.FILLED) for name, text in values.items()}
        return "".join([text if name is None else marked[name] for name, text in self._parts])

    def _generated(self, template: Template, context: Mapping[str, str]) -> str:
        from campaigns.message.engine_texts import generate

        values = {name: context[folded] for name, folded in self._folded.items() if folded in context}
        return generate(self.key, template, values, self._spelled)


class Renderer:
    """Renders the message for each recipient. Raises SpecError naming the key if a template cannot work.

    `shares_defaults`: a default that this content does not use may be used by another variant.
    """

    def __init__(self, content: ContentSpec, *, shares_defaults: bool = False) -> None:
        self._defaults = {fold(name): text for name, text in content.defaults.items()}
        self._free = _Form(free_form_tree(content), content) if content.free_form else None
        self._template = _Form(template_tree(content), content) if content.template else None
        forms = [form for form in (self._free, self._template) if form is not None]
        self._names = frozenset(name for form in forms for name in form.names)
        if not shares_defaults:
            _refuse_unused(self._defaults, self._names)

    @property
    def variables(self) -> frozenset[str]:
        """Folded names of the variables that each recipient must have: all without a default."""
        return self._names - self._defaults.keys()

    @property
    def names(self) -> frozenset[str]:
        """Folded names of all variables that the content uses."""
        return self._names

    @property
    def has_free_form(self) -> bool:
        return self._free is not None

    @property
    def has_template(self) -> bool:
        return self._template is not None

    def render(self, vars: Mapping[str, str], *, template: bool = False) -> Content:
        """The message for `vars` (folded names); without variables, the same object each time.

        `template`: the template instead of the free form; if the campaign has only one of them, that one.
        """
        form = (self._template or self._free) if template else (self._free or self._template)
        assert form is not None  # noqa: S101
        if form.constant is not None:
            return form.constant
        return form.fill({**self._defaults, **_without_blanks(vars)})

    def render_marked(self, vars: Mapping[str, str], *, template: bool = False) -> Content:
        """As `render`, for a person to look at: see `campaigns.message.marks`. Blank cells are flagged, not refused."""
        form = (self._template or self._free) if template else (self._free or self._template)
        assert form is not None  # noqa: S101
        return form.fill_marked(_without_blanks(vars), self._defaults)


def _without_blanks(vars: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in vars.items() if text}


def _refuse_unused(defaults: Iterable[str], names: frozenset[str]) -> None:
    unused = sorted(set(defaults) - names)
    if unused:
        free = sorted(names - set(defaults))
        near = nearest(unused[0], free)
        raise SpecError(
            f"content.defaults.{unused[0]}: no text uses {{{{ {unused[0]} }}}}.",
            hint=f"The text has {{{{ {near} }}}}: correct one of them." if near else "Remove it.",
        )


def renderers_of(contents: Mapping[str | None, ContentSpec]) -> dict[str | None, Renderer]:
    """A renderer for each variant. Raises SpecError naming the variant if a template cannot work."""
    made: dict[str | None, Renderer] = {}
    for name, content in contents.items():
        with about_variant(name):
            made[name] = Renderer(content, shares_defaults=True)
    return made


def needed_variables(contents: Mapping[str | None, ContentSpec]) -> frozenset[str]:
    """Folded names of the variables that each recipient must have, whichever variant they get.

    Raises SpecError, also if no variant uses a default.
    """
    renderers = renderers_of(contents).values()
    defaults = (fold(name) for content in contents.values() for name in content.defaults)
    _refuse_unused(defaults, frozenset(name for renderer in renderers for name in renderer.names))
    return frozenset(name for renderer in renderers for name in renderer.variables)


@contextmanager
def about_variant(name: str | None) -> Iterator[None]:
    """Adds the variant's name to errors about its content."""
    try:
        yield
    except SpecError as error:
        if name is None:
            raise
        raise SpecError(f"Variant {name}: {error}", hint=error.hint) from error


class _Form:
    """One form of the message, with its strings compiled and all other values unchanged."""

    def __init__(self, tree: Mapping[str, Any], content: ContentSpec) -> None:
        self._tree = _compiled(tree, literal if content.literal_placeholders else str)
        self._has_files = _has_files(self._tree)
        self._pieces = list(_pieces_in(self._tree))
        self.names = frozenset(name for piece in self._pieces for name in piece.names)
        sample: dict[str, Any] = dict.fromkeys(self.names, "1")
        self._try_out(sample)
        self._fill = self._filling(sample)
        self.constant = None if self.names else self.fill({})

    def fill(self, context: Mapping[str, str]) -> Content:
        content: Content = self._fill(context)
        self._check(content)
        return content

    def _filling(self, sample: Mapping[str, str]) -> Fill:
        def whole(context: Mapping[str, str]) -> Content:
            return _content(_filled(self._tree, lambda piece: piece.render(context)))

        with suppress(SpecError):
            return _filling(self._tree, whole(sample)) or whole
        return whole

    def fill_marked(self, values: Mapping[str, str], defaults: Mapping[str, str]) -> Content:
        if self.names <= values.keys() | defaults.keys():
            self.fill({**defaults, **values})
        return _content(_filled(self._tree, lambda piece: piece.render_marked(values, defaults)))

    def _check(self, content: Content) -> None:
        if content.type in _WITH_TEXT and not (content.text or "").strip():
            raise SpecError("content.text is empty once its variables are filled in.")
        for file, pieces in self._files(content) if self._has_files else ():
            if file.id is not None and not file.id.strip():
                raise SpecError(f"{pieces['id'].key} is empty once its variables are filled in.")
            if file.url is not None and not _ADDRESS.fullmatch(file.url):
                raise SpecError(f"{pieces['url'].key} becomes {file.url!r}, which is not a web address.")

    def _files(self, content: Content) -> Iterator[tuple[Media, Mapping[str, _Piece]]]:
        """Every media file, including a template header's, with the compiled strings it was rendered from."""
        yield from zip(content.media, self._tree.get("media", ()), strict=True)
        if content.template is None:
            return
        own = self._tree["template"]
        headers = [(content.template.header, own.get("header"))]
        headers += [
            (card.header, drawn["header"])
            for card, drawn in zip(content.template.cards, own["cards"], strict=True)
        ]
        for header, drawn in headers:
            for kind in FILES_OF_HEADERS:
                if file := getattr(header, kind, None):
                    yield file, drawn[kind]

    def _try_out(self, sample: Mapping[str, str]) -> None:
        """Render once with sample values, so that errors of the text itself, such as {{ name.first }}, are found at
        load."""
        for piece in self._pieces:
            try:
                piece.render(sample)
            except SpecError as error:
                from campaigns.message.engine_texts import is_of_the_text

                if is_of_the_text(error):
                    raise


def _compiled(node: Any, prepared: Callable[[str], str]) -> Any:
    match node:
        case Source(key, text):
            return _Piece(key, prepared(text))
        case dict():
            return {name: _compiled(each, prepared) for name, each in node.items()}
        case list():
            return [_compiled(each, prepared) for each in node]
    return node


def _pieces_in(node: Any) -> Iterator[_Piece]:
    match node:
        case _Piece():
            yield node
        case dict():
            for each in node.values():
                yield from _pieces_in(each)
        case list():
            for each in node:
                yield from _pieces_in(each)


Fill = Callable[[Mapping[str, str]], Any]
"""Makes a part of the message for one recipient."""


def _filling(node: Any, sample: Any) -> Fill | None:
    """Makes the part of the message that was checked as `sample`: what is the same for all is taken from there, and
    only texts differ from it, so that nothing needs to be checked again. None: a text becomes something else, such as
    a number."""
    if not _changes(node):
        return lambda _: sample
    match node:
        case _Piece():
            return node.render if type(sample) is str else None
        case dict():
            return _filling_table(node, sample)
    fills = [_filling(each, made) for each, made in zip(node, sample, strict=True)]
    every = [fill for fill in fills if fill is not None]
    return (lambda context: tuple([fill(context) for fill in every])) if len(every) == len(fills) else None


def _filling_table(node: Mapping[str, Any], sample: Any) -> Fill | None:
    kind, names = type(sample), [field.name for field in fields(sample)]
    same = [getattr(sample, name) for name in names]
    fills = {
        place: _filling(node[name], same[place])
        for place, name in enumerate(names)
        if _changes(node.get(name))
    }
    changing = [(place, fill) for place, fill in fills.items() if fill is not None]
    if len(changing) < len(fills):
        return None

    def fill_table(context: Mapping[str, str]) -> Any:
        values = same.copy()
        for place, fill in changing:
            values[place] = fill(context)
        return kind(*values)

    return fill_table


def _changes(node: Any) -> bool:
    """Whether the part may differ from recipient to recipient."""
    return not all(piece.is_constant for piece in _pieces_in(node))


def _has_files(tree: Mapping[str, Any]) -> bool:
    """Whether the message has a media file, in a template's header too."""
    template = tree.get("template")
    headers = [template.get("header"), *(card["header"] for card in template["cards"])] if template else []
    in_headers = (header.get(kind) for header in headers if header for kind in FILES_OF_HEADERS)
    return bool(tree.get("media")) or any(in_headers)


def _filled(node: Any, render: Callable[[_Piece], str]) -> Any:
    if isinstance(node, _Piece):
        return render(node)
    if isinstance(node, dict):
        return {name: _filled(each, render) for name, each in node.items()}
    if isinstance(node, list):
        return [_filled(each, render) for each in node]
    return node


def _content(values: Any) -> Content:
    try:
        return _CONTENT.validate_python(values)
    except ValidationError as error:
        detail = error.errors()[0]
        place = ".".join(str(step) for step in detail["loc"])
        raise SpecError(f"content.{place} becomes {detail['input']!r}, which cannot be sent.") from error

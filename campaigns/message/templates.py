"""Texts with {{ variables }}: which ones they need, and rendering the message for one recipient. Only this file and
`template_bounds` use Jinja2."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final

from jinja2 import Template, TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from pydantic import TypeAdapter, ValidationError

from campaigns.errors import SpecError
from campaigns.message.column_names import fold as fold
from campaigns.message.column_names import with_identifiers
from campaigns.message.content import Content, Media, MessageType
from campaigns.message.content_spec import ContentSpec
from campaigns.message.content_tree import Source, free_form_tree, template_tree
from campaigns.message.placeholders import literal
from campaigns.message.template_bounds import MAX_TEXT, BoundedEnvironment, join_bounded, unbounded

_ADDRESS: Final = re.compile(r"https?://[^\s/]\S*")
_CONTENT: Final = TypeAdapter(Content)


_JINJA: Final = BoundedEnvironment()
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


class _Piece:
    """One string of the content: constant, or a compiled template."""

    def __init__(self, key: str, source: str) -> None:
        self.key = key
        self.source, self._spelled = with_identifiers(source)
        source = self.source
        self._folded = {name: fold(self._spelled.get(name, name)) for name in _names(key, source)}
        self.names = frozenset(self._folded.values())
        """The folded names of its variables."""
        self._template: Template | None = _compile(key, source) if "{" in source else None
        self._parts = self._plain_parts(source)

    def render(self, context: Mapping[str, str]) -> str:
        if self._template is None:
            return self.source
        if self._parts is not None and context.keys() >= self.names:
            return "".join([text if name is None else context[name] for name, text in self._parts])
        try:
            values = {name: context[folded] for name, folded in self._folded.items() if folded in context}
            return join_bounded(self._template.generate(values))
        except UndefinedError as error:
            raise SpecError(
                f"{self.key}: {self._explained(error)}",
                hint="Map the variable to a column or give it a default.",
            ) from error
        except Exception as error:
            raise SpecError(f"{self.key} cannot be filled in: {_sentence(error)}") from error

    def _explained(self, error: Exception) -> str:
        """The error with the names as the text has them."""
        text = _sentence(error)
        for identifier, name in self._spelled.items():
            text = text.replace(f"'{identifier}'", repr(name))
        return text

    def _plain_parts(self, source: str) -> list[tuple[str | None, str]] | None:
        """Text and variables in order, as (folded name or None, text); None if the source holds anything else. Most
        sources do not, and joining these parts takes a tenth of the time of a compiled template."""
        parts: list[tuple[str | None, str]] = []
        for node in _JINJA.parse(source).body:
            for piece in node.nodes if isinstance(node, nodes.Output) else [node]:
                match piece:
                    case nodes.TemplateData(data=text):
                        parts.append((None, text))
                    case nodes.Name(name=name):
                        parts.append((self._folded[name], ""))
                    case _:
                        return None
        return parts


def _sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."


def _names(key: str, source: str) -> frozenset[str]:
    if len(source) > MAX_TEXT:
        raise SpecError(f"{key} is longer than {MAX_TEXT:,} characters.")
    try:
        tree = _JINJA.parse(source)
        if found := unbounded(tree):
            line, why = found
            raise SpecError(f"{key}, line {line} of the text: {why}.", hint="Write it more simply.")
        return frozenset(meta.find_undeclared_variables(tree))
    except RecursionError as error:
        raise SpecError(f"{key} is nested too deeply.", hint="Write it more simply.") from error
    except TemplateSyntaxError as error:
        raise SpecError(
            f"{key}, line {error.lineno} of the text: {_sentence(error)}",
            hint="A variable is written as {{ first_name }}.",
        ) from error


def _compile(key: str, source: str) -> Template:
    try:
        return _JINJA.from_string(source)
    except (TemplateError, RecursionError, SyntaxError, MemoryError) as error:
        raise SpecError(f"{key}: {_sentence(error)}") from error


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
        return form.fill({**self._defaults, **{name: text for name, text in vars.items() if text}})


def _refuse_unused(defaults: Iterable[str], names: frozenset[str]) -> None:
    unused = sorted(set(defaults) - names)
    if unused:
        free = sorted(names - set(defaults))
        near = get_close_matches(unused[0], free, n=1)
        raise SpecError(
            f"content.defaults.{unused[0]}: no text uses {{{{ {unused[0]} }}}}.",
            hint=f"The text has {{{{ {near[0]} }}}}: correct one of them." if near else "Remove it.",
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
        self._pieces = list(_pieces_in(self._tree))
        self.names = frozenset(name for piece in self._pieces for name in piece.names)
        self._try_out()
        self.constant = None if self.names else self.fill({})

    def fill(self, context: Mapping[str, str]) -> Content:
        try:
            content = _CONTENT.validate_python(_filled(self._tree, context))
        except ValidationError as error:
            detail = error.errors()[0]
            place = ".".join(str(step) for step in detail["loc"])
            raise SpecError(f"content.{place} becomes {detail['input']!r}, which cannot be sent.") from error
        self._check(content)
        return content

    def _check(self, content: Content) -> None:
        if content.type in _WITH_TEXT and not (content.text or "").strip():
            raise SpecError("content.text is empty once its variables are filled in.")
        for file, pieces in self._files(content):
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
            for kind in ("image", "video", "document"):
                if file := getattr(header, kind, None):
                    yield file, drawn[kind]

    def _try_out(self) -> None:
        """Render once with sample values, so that errors of the text itself, such as {{ name.first }}, are found at
        load."""
        sample: dict[str, Any] = dict.fromkeys(self.names, "1")
        for piece in self._pieces:
            try:
                piece.render(sample)
            except SpecError as error:
                if isinstance(error.__cause__, (UndefinedError, SecurityError, TypeError)):
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


def _filled(node: Any, context: Mapping[str, str]) -> Any:
    if isinstance(node, _Piece):
        return node.render(context)
    if isinstance(node, dict):
        return {name: _filled(each, context) for name, each in node.items()}
    if isinstance(node, list):
        return [_filled(each, context) for each in node]
    return node

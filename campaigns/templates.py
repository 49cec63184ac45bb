"""Texts with {{ variables }}: which ones they need, and the message of one recipient. The home of Jinja2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from campaigns.content import Content
from campaigns.errors import SpecError
from campaigns.spec import ContentSpec, ImageSpec, MediaSpec


def _environment() -> ImmutableSandboxedEnvironment:
    # No escaping: the output is a chat message, where &amp; would be read as such.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.globals.clear()
    return environment


_JINJA: Final = _environment()


def fold(name: str) -> str:
    """`First Name`, `first-name` and `first_name` are one variable."""
    return re.sub(r"[\s_-]+", "_", name.lower()).strip("_")


class _Piece:
    """One string of the content: constant, or a compiled template."""

    def __init__(self, key: str, source: str) -> None:
        self.key = key
        self.source = source
        self.names = _names(key, source)
        self._template: Template | None = _compile(key, source) if "{" in source else None

    def render(self, context: Mapping[str, str]) -> str:
        if self._template is None:
            return self.source
        try:
            return self._template.render(
                {name: context[fold(name)] for name in self.names if fold(name) in context}
            )
        except UndefinedError as error:
            raise SpecError(
                f"{self.key}: {_sentence(error)}", hint="Map the variable to a column or give it a default."
            ) from error
        except Exception as error:
            raise SpecError(f"{self.key} cannot be filled in: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."


def _names(key: str, source: str) -> frozenset[str]:
    try:
        return frozenset(meta.find_undeclared_variables(_JINJA.parse(source)))
    except TemplateSyntaxError as error:
        raise SpecError(
            f"{key}, line {error.lineno} of the text: {_sentence(error)}",
            hint="A variable is written as {{ first_name }}.",
        ) from error


def _compile(key: str, source: str) -> Template:
    try:
        return _JINJA.from_string(source)
    except TemplateError as error:
        raise SpecError(f"{key}: {_sentence(error)}") from error


class Renderer:
    """Makes the message of each recipient. Raises SpecError, naming the key, where a template cannot work."""

    def __init__(self, content: ContentSpec) -> None:
        self._content = content
        self._defaults = {fold(name): text for name, text in content.defaults.items()}
        self._pieces = {field: _Piece(key, source) for field, (key, source) in _sources(content).items()}
        self._names = frozenset(fold(name) for piece in self._pieces.values() for name in piece.names)
        self._refuse_unused_defaults()
        self._try_out()
        self._constant = None if self._names else self._fill({})

    @property
    def variables(self) -> frozenset[str]:
        """The names, folded, that each recipient must have: all but those with a default."""
        return self._names - self._defaults.keys()

    @property
    def names(self) -> frozenset[str]:
        """All names, folded, that the content uses."""
        return self._names

    def render(self, vars: Mapping[str, str]) -> Content:
        """The message for `vars` (folded names); where there are no variables, the same object each time."""
        if self._constant is not None:
            return self._constant
        return self._fill({**self._defaults, **{name: text for name, text in vars.items() if text}})

    def _fill(self, context: Mapping[str, str]) -> Content:
        filled = {field: piece.render(context) for field, piece in self._pieces.items()}
        if "text" in filled and not filled["text"].strip() and "media_url" not in filled:
            raise SpecError("content.text is empty once its variables are filled in.")
        if "media_url" in filled and not filled["media_url"].startswith(("http://", "https://")):
            raise SpecError(
                f"{self._pieces['media_url'].key} becomes {filled['media_url']!r}, which is no web address."
            )
        return Content(self._content.type, **filled)

    def _refuse_unused_defaults(self) -> None:
        unused = sorted(self._defaults.keys() - self._names)
        if unused:
            raise SpecError(f"content.defaults.{unused[0]}: no text uses {{{{ {unused[0]} }}}}.")

    def _try_out(self) -> None:
        """What no value can repair, such as {{ name.first }}, is an error at load, not at each recipient."""
        sample: dict[str, Any] = dict.fromkeys(self._names, "1")
        for piece in self._pieces.values():
            try:
                piece.render(sample)
            except SpecError as error:
                if isinstance(error.__cause__, (UndefinedError, SecurityError, TypeError)):
                    raise


def _sources(content: ContentSpec) -> dict[str, tuple[str, str]]:
    """Field of Content -> (key in the file, source)."""
    found: dict[str, tuple[str, str]] = {}
    if content.text is not None:
        found["text"] = ("content.text", content.text)
    media = content.media
    if media is None:
        return found
    key = "content.images[0]" if isinstance(media, ImageSpec) else f"content.{content.type}"
    found["media_url"] = (f"{key}.url", media.url)
    if isinstance(media, MediaSpec):
        if media.caption is not None:
            found["text"] = (f"{key}.caption", media.caption)
        if media.filename is not None:
            found["filename"] = (f"{key}.filename", media.filename)
    return found

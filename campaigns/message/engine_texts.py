"""Texts that the template engine must read: with conditions, loops, filters. Only this file and `template_bounds` use
Jinja2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jinja2 import Template as Template
from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError

from campaigns.errors import SpecError
from campaigns.message.marks import Value, marked_value
from campaigns.message.plain_texts import MAX_TEXT, Parts
from campaigns.message.template_bounds import BoundedEnvironment, join_bounded, unbounded

JINJA: Final = BoundedEnvironment()
_MARKING: Final = BoundedEnvironment(
    finalize=lambda value: marked_value(str(value), Value.FILLED, nests=True)
)
"""Marks what the expressions of a text come to."""


def variables_of(key: str, source: str) -> frozenset[str]:
    """The variables of a text. Raises SpecError where it cannot be read, or may cost too much."""
    if len(source) > MAX_TEXT:
        raise SpecError(f"{key} is longer than {MAX_TEXT:,} characters.")
    try:
        tree = JINJA.parse(source)
        if found := unbounded(tree):
            line, why = found
            raise SpecError(f"{key}, line {line} of the text: {why}.", hint="Write it more simply.")
        return frozenset(meta.find_undeclared_variables(tree))
    except RecursionError as error:
        raise SpecError(f"{key} is nested too deeply.", hint="Write it more simply.") from error
    except TemplateSyntaxError as error:
        raise SpecError(
            f"{key}, line {error.lineno} of the text: {sentence(error)}",
            hint="A variable is written as {{ first_name }}.",
        ) from error


def parts_of(source: str) -> Parts | None:
    """As `plain_texts.plain_parts`, of any text; None if it holds more than texts and variables."""
    parts: Parts = []
    for node in JINJA.parse(source).body:
        for piece in node.nodes if isinstance(node, nodes.Output) else [node]:
            match piece:
                case nodes.TemplateData(data=text):
                    parts.append((None, text))
                case nodes.Name(name=name) if name != "self":  # the engine's own
                    parts.append((name, ""))
                case _:
                    return None
    return parts


def compiled(key: str, source: str) -> Template:
    """Raises SpecError where it cannot be compiled."""
    try:
        return JINJA.from_string(source)
    except (TemplateError, RecursionError, SyntaxError, MemoryError) as error:
        raise SpecError(f"{key}: {sentence(error)}") from error


def marking(source: str) -> Template:
    """The same text, which marks what is filled in."""
    return _MARKING.from_string(source)


def generate(key: str, template: Template, values: Mapping[str, str], spelled: Mapping[str, str]) -> str:
    """The text with these values. `spelled`: identifier -> the name as written, for errors. Raises SpecError."""
    try:
        return join_bounded(template.generate(values))
    except UndefinedError as error:
        text = sentence(error)
        for identifier, name in spelled.items():
            text = text.replace(f"'{identifier}'", repr(name))
        raise SpecError(
            f"{key}: {text}", hint="Map the variable to a column or give it a default."
        ) from error
    except Exception as error:
        raise SpecError(f"{key} cannot be filled in: {sentence(error)}") from error


def is_of_the_text(error: SpecError) -> bool:
    """Whether no values at all would make it right."""
    return isinstance(error.__cause__, (UndefinedError, SecurityError, TypeError))


def sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."

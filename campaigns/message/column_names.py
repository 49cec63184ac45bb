"""Column names inside the braces of a text: `{{ First Name }}` and `{{ N° client }}` as the list spells them.

Jinja2 knows only identifiers as variables, so any other name gets one of its own before the text is compiled.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final, NamedTuple

_BRACES: Final = re.compile(r"\{\{(-?)([^{}|\"'\n]+?)((?:\|[^{}]*)?)(-?)\}\}")
_QUOTES: Final = "\"'`´‘’‚‛“”„‟«»‹›"
_WORD: Final = r"[^\W\d]\w*"
_HYPHENATED: Final = re.compile(rf"{_WORD}(?:-{_WORD})+")
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "if", "else"})
_WITH_UNIT: Final = re.compile(rf"{_WORD}(?: \w+)* \(\w+\)")
_EXPRESSION: Final = re.compile(r"[\[\]()+*/%~<>=!,:.]|\s-|-\s")
_SIGNS: Final = re.compile(r"[^\w\s()+*/%~<>=!,:.\[\]-]")


def fold(name: str) -> str:
    """The variable's name, folded as a list's columns are: `First Name`, `first-name` and `first_name` are the same."""
    text = unicodedata.normalize("NFKC", name)
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return re.sub(r"[\s_-]+", "_", text.strip(_QUOTES + " \t\n").lower()).strip("_")


class Named(NamedTuple):
    """A text with an identifier in place of each column name that is none."""

    source: str
    names: Mapping[str, str]
    """Identifier -> the name as written."""


def with_identifiers(source: str) -> Named:
    names: dict[str, str] = {}
    prefix = "column_name_"
    while prefix in source:
        prefix += "_"

    def identified(found: re.Match[str]) -> str:
        name = found[2].strip()
        if not is_column_name(name):
            return found[0]
        identifier = next((one for one, known in names.items() if known == name), f"{prefix}{len(names)}")
        names[identifier] = name
        return f"{{{{{found[1]} {identifier} {found[3]}{found[4]}}}}}"

    return Named(_BRACES.sub(identified, source), names)


def is_column_name(text: str) -> bool:
    """Whether this is a column's name and neither an identifier nor an expression: words side by side or joined by a
    hyphen, a unit in brackets as in `Price (EUR)`, or a sign that no expression has."""
    words = text.split()
    if not words or re.fullmatch(_WORD, text) or _KEYWORDS & set(words):
        return False
    if _SIGNS.search(text) or _WITH_UNIT.fullmatch(text):
        return True
    if not any(letter.isalpha() for letter in text) or _EXPRESSION.search(text):
        return False
    return len(words) > 1 or bool(_HYPHENATED.fullmatch(text))

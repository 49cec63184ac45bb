"""Texts of nothing but words and `{{ variables }}`, as most are: read without the template engine, whose import alone
takes as long as a tenth of a short command."""

from __future__ import annotations

import re
from typing import Final

MAX_TEXT: Final = 1 << 16
"""Limit in characters of a text, of anything computed while it is rendered, and of the message."""
Parts = list[tuple[str | None, str]]
"""Texts and variables in order, as (name or None, text)."""
_VARIABLE: Final = re.compile(r"\{\{[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}\}")
_NOT_PLAIN: Final = re.compile(r"[{\r]")
"""Another brace may begin what the engine evaluates, and it writes line ends in its own way."""
_NOT_A_NAME: Final = frozenset(
    {"and", "elif", "else", "if", "in", "is", "not", "or", "self",
     "true", "false", "none", "True", "False", "None"}
)  # fmt: skip


def plain_parts(source: str) -> Parts | None:
    """Its parts, exactly as the template engine would read them; None where only the engine can say."""
    pieces = _VARIABLE.split(source)
    texts, names = pieces[::2], pieces[1::2]
    if len(source) > MAX_TEXT or _NOT_A_NAME.intersection(names) or any(map(_NOT_PLAIN.search, texts)):
        return None
    parts: Parts = [(None, texts[0])]
    for name, text in zip(names, texts[1:], strict=True):
        parts += [(name, ""), (None, text)]
    return [part for part in parts if part != (None, "")]

"""Names of columns: cleaned, folded to variable names, and compared."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from campaigns.nearest import similar

_QUOTES: Final = "\"'`´‘’‚‛“”„‟«»‹›"


def clean_name(name: str) -> str:
    """A column's name without invisible characters, quotes and extra spaces."""
    text = unicodedata.normalize("NFKC", name)
    text = "".join("" if unicodedata.category(c) == "Cf" else c for c in text)
    return " ".join(text.split()).strip(_QUOTES + " ")


def fold(name: str) -> str:
    """The variable name of a column: `First Name`, `first-name` and `FIRST_NAME` become `first_name`."""
    return re.sub(r"[\s_-]+", "_", clean_name(name).lower()).strip("_")


def nearest(wanted: str, names: list[str] | tuple[str, ...]) -> list[str]:
    """The names, most similar first."""
    folded = {fold(name): name for name in names}
    close = [folded[name] for name in similar(fold(wanted), folded, most=3, least=0.5)]
    return close + [name for name in names if name not in close]

"""Which country a text names: by ISO 3166 code, by calling code, or by name in the languages of our users."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Final

from campaigns.phones.phone import country_of_calling_code, is_country

_LANGUAGES: Final = ("en", "fr", "es", "pt", "de", "it", "ar")
_ALSO: Final = {
    "uk": "GB", "great britain": "GB", "britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "northern ireland": "GB", "angleterre": "GB", "inglaterra": "GB", "inghilterra": "GB",
    "grossbritannien": "GB", "united states of america": "US", "america": "US", "etats unis d amerique": "US",
    "eeuu": "US", "eua": "US", "estados unidos de america": "US", "ivory coast": "CI", "elfenbeinkuste": "CI",
    "costa de marfil": "CI", "holland": "NL", "hollande": "NL", "holanda": "NL", "czech republic": "CZ",
    "russian federation": "RU", "turkey": "TR", "uae": "AE", "emirates": "AE", "drc": "CD", "dr congo": "CD",
    "rdc": "CD", "cape verde": "CV", "swaziland": "SZ", "burma": "MM", "macedonia": "MK", "hong kong": "HK",
    "macau": "MO", "palestine": "PS", "korea": "KR", "republic of korea": "KR", "viet nam": "VN",
}  # fmt: skip
"""Names that are in use beside those of the Unicode consortium."""
_CALLING_CODE: Final = re.compile(r"(?:\+|00)?([1-9]\d{0,3})(?:\.0)?")
_CODE_BESIDE: Final = re.compile(r"\(?\s*(?:\+|00)\d[\d\s-]*\)?")
_NORTH_AMERICAN: Final = re.compile(r"1[2-9]\d\d")
"""Calling code and area code as one, such as Jamaica's +1-876."""


@cache
def countries() -> dict[str, str]:
    """Every country by its code, with its English name, in the order of the names."""
    from babel import Locale

    named = {
        code: name for code, name in Locale("en").territories.items() if len(code) == 2 and is_country(code)
    }
    return dict(sorted(named.items(), key=lambda item: _fold(item[1])))


def find_country(text: str) -> str | None:
    """The ISO 3166 country, in upper case; None if none is meant, or it is not certain which."""
    code = text.strip().upper()
    return code if len(code) == 2 and is_country(code) else _find(text)


@lru_cache(maxsize=4096)
def _find(text: str) -> str | None:
    if found := _CALLING_CODE.fullmatch(re.sub(r"[\s()-]", "", text)):
        code = "1" if _NORTH_AMERICAN.fullmatch(found[1]) else found[1]
        return country_of_calling_code(int(code))
    written = _CODE_BESIDE.sub("", text, count=1)
    for name in (_fold(written).removeprefix("the "), _fold(written.replace(".", ""))):
        if country := _ALSO.get(name) or _names().get(name):
            return country
    return None


def _fold(name: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w]+", " ", plain.replace("&", " and ")).split())


@cache
def _names() -> dict[str, str]:
    """Folded name or three-letter code -> country; a name of two countries is left out."""
    from babel import Locale
    from babel.core import get_global

    found: dict[str, set[str]] = {}
    for language in _LANGUAGES:
        for code, name in Locale(language).territories.items():
            found.setdefault(_fold(name), set()).add(code)
    for alias, codes in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha():
            found.setdefault(alias.lower(), set()).update(codes)
    return {name: min(codes) for name, codes in found.items() if len(codes) == 1 and is_country(min(codes))}

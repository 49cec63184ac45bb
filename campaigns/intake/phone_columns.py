"""Which columns look like phone numbers: by their names, in the languages of our users, and by their cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from campaigns.phones.phone import Phone, read_phone


class Kind(IntEnum):
    """What a column of phone numbers is, best for a message first."""

    WHATSAPP = 0
    MOBILE = 1
    PHONE = 2
    OTHER = 3
    """Its name has more to it, such as `Office phone`."""
    BY_CELLS = 4
    """Only its cells look like phone numbers."""


_WORDS: Final = {
    Kind.WHATSAPP: "whatsapp whatsap واتساب الواتساب واتس",
    Kind.MOBILE: (
        "mobile mobiles mobil cell cells cellphone cellular cellulare cellulari cel celular celulares movil moviles "
        "handy handynummer handynr mobilnummer mobilnr mobiltelefon mobiltelefonnummer mobilfunk mobilfunknummer "
        "portable portables telemovel telemoveis telefonino gsm handphone msisdn "
        "جوال الجوال موبايل الموبايل محمول المحمول"
    ),
    Kind.PHONE: (
        "phone phones tel telephone telephones telefon telefonnummer telefonnr telnr telefono telefonos telefoni "
        "telefone telefones tlf tfno tfn rufnummer هاتف الهاتف تلفون التلفون تليفون التليفون"
    ),
}
_BESIDE: Final = frozenset(
    {
        "number", "numbers", "numero", "numeros", "nummer", "num", "nro", "nr", "no", "n", "de", "del",
        "della", "do", "da", "du", "di", "of", "the", "la", "le", "el", "il", "value", "e", "your", "my",
        "mein", "meine", "tu", "votre", "main", "primary", "رقم",
    }
)  # fmt: skip
"""Words that may stand beside one of those in the name of a phone column."""
_OTHERWISE: Final = frozenset(
    {
        "label", "type", "typ", "tipo", "country", "pays", "pais", "land", "code", "prefix", "ext",
        "extension", "verified", "consent", "opt", "optin", "optout", "status", "date", "time", "at",
        "carrier", "operator", "provider", "brand", "model", "os", "app", "version", "valid", "format",
        "note", "notes", "name", "count",
    }
)  # fmt: skip
"""Words that show that a column holds something about the phone, not its number."""
_KINDS: Final = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_LONG: Final = "|".join(
    sorted([*(word for word in _KINDS if len(word) > 4), "number", "nummer", "numero"], key=len, reverse=True)
)
_JOINED: Final = re.compile(f"(?:{_LONG})+")
"""Words written as one, such as `mobilephonenumber`."""
_PART: Final = re.compile(_LONG)
_FULL: Final = {
    "e164": Kind.PHONE, "contact_number": Kind.PHONE, "wa_number": Kind.WHATSAPP, "wa_id": Kind.WHATSAPP,
}  # fmt: skip
_WEAK: Final = frozenset({"number", "numero", "to", "recipient", "contact"})
"""Names that mean phone numbers if no other name does."""

_WRITTEN: Final = re.compile(r"[\d\s().\-/]+")
_DATE: Final = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:\D.*)?")
_ENOUGH_DIGITS: Final = 6


def is_phone_name(name: str) -> bool:
    """Whether a folded column name means phone numbers, and nothing else."""
    return _kind(name) in (Kind.WHATSAPP, Kind.MOBILE, Kind.PHONE)


def phone_columns(names: Sequence[str], cells: Sequence[Sequence[str]], country: str | None) -> list[int]:
    """The columns that the phone numbers may be in, best first; empty if no name means phone numbers.

    `cells`: per column some of its cells, without blank ones. A column whose cells are no numbers at all is left out,
    unless this is true of every column with such a name.
    """
    named = [index for index, name in enumerate(names) if is_phone_name(name)]
    named = named or [index for index, name in enumerate(names) if name in _WEAK]
    if not named:
        return []
    likely = phone_like(names, cells, country)
    found = [index for index in named if index in likely or not _denies(cells[index])] or named
    return sorted({*found, *likely}, key=lambda index: (_rank(names[index]), index))


def phone_like(names: Sequence[str], cells: Sequence[Sequence[str]], country: str | None) -> list[int]:
    """The columns that look like phone numbers by their name or cells, best first."""
    found = [
        index
        for index, name in enumerate(names)
        if _are_phones(cells[index], country) or _is_like(_kind(name), cells[index])
    ]
    return sorted(found, key=lambda index: (_rank(names[index]), index))


def stand_ins(names: Sequence[str], candidates: Sequence[int]) -> list[int]:
    """Of the columns that may hold the numbers, the best one to reach a person, and its fallback columns."""
    good = [index for index in candidates if _rank(names[index]) <= Kind.MOBILE]
    return good if len(good) > 1 else list(candidates[:2])


def _rank(name: str) -> Kind:
    kind = _kind(name)
    return Kind.BY_CELLS if kind is None else kind


def _kind(name: str) -> Kind | None:
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).lower()
    if plain in _FULL:
        return _FULL[plain]
    words = [part for word in re.findall(r"[^\W\d_]+", plain) for part in _parts(word)]
    kinds = [_KINDS[word] for word in words if word in _KINDS]
    if not kinds or not _OTHERWISE.isdisjoint(words):
        return None
    return min(kinds) if all(word in _KINDS or word in _BESIDE for word in words) else Kind.OTHER


def _parts(word: str) -> list[str]:
    return _PART.findall(word) if word not in _KINDS and _JOINED.fullmatch(word) else [word]


def _is_like(kind: Kind | None, cells: Sequence[str]) -> bool:
    if kind is Kind.OTHER:
        return not cells or any(
            _WRITTEN.fullmatch(cell.lstrip("+")) and not _denies([cell]) for cell in cells
        )
    return kind is not None and not _denies(cells)


def _denies(cells: Sequence[str]) -> bool:
    """Whether there are cells and none has as many digits as a phone number."""
    return bool(cells) and all(sum(map(str.isdecimal, cell)) < _ENOUGH_DIGITS for cell in cells)


def _are_phones(cells: Sequence[str], country: str | None) -> bool:
    """Whether at least two of three cells are written as only phone numbers are."""
    return bool(cells) and 3 * sum(_is_phone(cell, country) for cell in cells) >= 2 * len(cells)


def _is_phone(cell: str, country: str | None) -> bool:
    """Bare digits do not count: they may be an order number."""
    digits = sum(map(str.isdecimal, cell))
    if not _ENOUGH_DIGITS < digits <= 20 or _DATE.fullmatch(cell):
        return False
    if cell[0] == "+":
        return digits <= 15 and _WRITTEN.fullmatch(cell[1:]) is not None
    if _WRITTEN.fullmatch(cell) and not (cell.startswith("00") or (country and cell[0] in "0(")):
        return False
    return isinstance(read_phone(cell, country, landlines=True), Phone)

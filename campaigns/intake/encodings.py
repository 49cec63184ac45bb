"""Decides whether a list that is not UTF-8 is plainly in cp1252, the only encoding that is assumed.

Almost any bytes can be decoded in almost any 8-bit encoding, so decoding proves nothing. The words decide:

- Read as cp1252, every word must be one that a Western language could have: its letters beyond A to Z are of one
  language's alphabet and stand where that language has them, capitals are where capitals stand, and signs such as `Š`
  for an accent do not interrupt it. Among many words, a few odd spellings that no other encoding explains do not count.
- No other encoding may read them otherwise and as well: every word that it reads otherwise is a word of one of its
  languages. (`Dvořák` is `Dvoøák` in cp1252, which no language has; `Èapek` could be French, but also be `Čapek`.)

If either fails, the encoding is ambiguous and the user has to give it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from campaigns.frozen import frozen
from campaigns.intake.alphabets import (
    BALTIC,
    CENTRAL,
    CENTRAL_IN_DOS,
    CENTRAL_ON_A_MAC,
    CROATIAN,
    TURKISH,
    TURKISH_ON_A_MAC,
    WESTERN,
    WESTERN_IN_DOS,
    Language,
    is_cased_alike,
    script_of,
)

ASSUMED: Final = "cp1252"
MAX_WORDS: Final = 200_000
"""Distinct words that are looked at; the rest of a longer list has the same encoding."""
_FEW: Final = 0.02
"""The share of a long list's words that may be oddly spelled."""
_SOME: Final = 10
"""From so many words on, one may be."""
_CHUNK: Final = re.compile(rb"[0-9A-Za-z\x80-\xff]+")
_QUOTES: Final = "“”„‘’‚«»‹›…"
_SIGNS: Final = frozenset(_QUOTES + "–—€£¥°ºª§©®™½¼¾¹²³µ±×·•¿¡´\u00a0")
_INSIDE: Final = frozenset("’\u00a0")
_BEFORE: Final = frozenset("“„‘’‚«»–—…•¿¡\u00a0")
_AFTER: Final = frozenset("”“’‘«»–—…®™\u00a0´")
_NOT_LETTERS: Final = "ªºµ"


class Candidate(NamedTuple):
    """An encoding, and the languages or the script that people write in it."""

    encoding: str
    languages: tuple[Language, ...] = ()
    script: str | None = None


CANDIDATES: Final = (
    Candidate("cp1250", CENTRAL),
    Candidate("iso8859-2", CENTRAL),
    Candidate("cp1254", (TURKISH,)),
    Candidate("cp1257", BALTIC),
    Candidate("iso8859-15", WESTERN),
    Candidate("mac-roman", WESTERN),
    Candidate("cp850", WESTERN_IN_DOS),
    Candidate("cp437", WESTERN_IN_DOS),
    Candidate("cp852", CENTRAL_IN_DOS),
    Candidate("mac-latin2", CENTRAL_ON_A_MAC),
    Candidate("mac-croatian", (CROATIAN,)),
    Candidate("cp857", (TURKISH,)),
    Candidate("mac-turkish", (TURKISH_ON_A_MAC,)),
    Candidate("cp1251", script="CYRILLIC"),
    Candidate("koi8-r", script="CYRILLIC"),
    Candidate("cp866", script="CYRILLIC"),
    Candidate("iso8859-5", script="CYRILLIC"),
    Candidate("mac-cyrillic", script="CYRILLIC"),
    Candidate("cp1253", script="GREEK"),
    Candidate("cp1255", script="HEBREW"),
    Candidate("cp1256", script="ARABIC"),
)
"""Beside cp1252, the most common first."""


@frozen
class Doubt:
    """Why cp1252 cannot be assumed: what else the list may be, and a word that is read differently."""

    encodings: tuple[str, ...]
    word: bytes


def foreign_chunks(pieces: Iterable[bytes]) -> list[bytes]:
    """The distinct words with bytes beyond ASCII, in their order."""
    found: dict[bytes, None] = {}
    for piece in pieces:
        if piece.isascii():
            continue
        found.update(dict.fromkeys(chunk for chunk in _CHUNK.findall(piece) if not chunk.isascii()))
        if len(found) > MAX_WORDS:
            break
    return list(found)


def doubt_about(chunks: list[bytes]) -> Doubt | None:
    """Why these words are not plainly in cp1252, or None."""
    odd = [chunk for chunk in chunks if not _is_western(chunk)]
    explained = [
        chunk for chunk in odd if _is_utf8(chunk) or any(_reads_better(c, chunk) for c in CANDIDATES)
    ]
    if explained or len(odd) > max(len(chunks) * _FEW, len(chunks) >= _SOME):
        words = explained or odd
        return Doubt(tuple(_most_likely(odd)), words[0])
    rivals = [candidate for candidate in CANDIDATES if _is_rival(candidate, chunks)]
    if not rivals:
        return None
    differing = next(chunk for chunk in chunks if _differs(rivals[0].encoding, chunk))
    return Doubt((ASSUMED, *(rival.encoding for rival in rivals)), differing)


def _most_likely(odd: list[bytes]) -> Iterator[str]:
    """The encodings that explain most of the words which are odd in cp1252, best first."""
    sample = odd[:500]
    counts = {
        c.encoding: max(sum(_fits(c, one, chunk) for chunk in sample) for one in c.languages or (None,))
        for c in CANDIDATES
    }
    ranked = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    yield from [name for name in ranked if counts[name] * 2 >= counts[ranked[0]]]
    yield ASSUMED


def _is_rival(candidate: Candidate, chunks: list[bytes]) -> bool:
    """Whether this encoding reads some of the words otherwise than cp1252, and all of those as one language's."""
    changed = [chunk for chunk in chunks if _differs(candidate.encoding, chunk)]
    if not changed:
        return False
    for language in candidate.languages or (None,):
        if not all(_fits(candidate, language, chunk) for chunk in changed):
            continue
        if language is None:
            return True
        others = set(chunks) - set(changed)
        unexplained = sum(not _fits(candidate, language, chunk) for chunk in others)
        if unexplained < max(2, len(changed)):
            return True
    return False


def _differs(encoding: str, chunk: bytes) -> bool:
    """A word of one letter, such as `à`, is too short to tell."""
    return len(chunk) > 1 and read_as(encoding, chunk) != read_as(ASSUMED, chunk)


def _reads_better(candidate: Candidate, chunk: bytes) -> bool:
    return _differs(candidate.encoding, chunk) and any(
        _fits(candidate, language, chunk) for language in candidate.languages or (None,)
    )


def _fits(candidate: Candidate, language: Language | None, chunk: bytes) -> bool:
    text = read_as(candidate.encoding, chunk)
    if text is None or not _is_well_formed(text):
        return False
    words = _words(text)
    if language is None:
        return bool(words) and all(
            len(word) > 1 and all(script_of(letter) == candidate.script for letter in word) for word in words
        )
    return bool(words) and all(language.has(word) for word in words)


def _is_western(chunk: bytes) -> bool:
    text = read_as(ASSUMED, chunk)
    if text is None or not _is_well_formed(text) or _is_utf8(chunk):
        return False
    return all(any(language.has(word) for language in WESTERN) for word in _words(text))


def _is_utf8(chunk: bytes) -> bool:
    """Whether it is UTF-8, in a list of which another part is not."""
    bare = chunk.strip(_QUOTES.encode(ASSUMED, "ignore"))
    try:
        return not bare.isascii() and bool(bare.decode())
    except UnicodeDecodeError:
        return False


@lru_cache(maxsize=1 << 18)
def read_as(encoding: str, chunk: bytes) -> str | None:
    """The bytes in that encoding; None where it has no character for one of them."""
    try:
        text = chunk.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if any("\x7f" <= character <= "\x9f" for character in text) else text


@lru_cache(maxsize=1 << 18)
def _is_well_formed(text: str) -> bool:
    """Whether capitals and signs stand where they do in words."""
    return all(map(is_cased_alike, _words(text))) and all(
        _sign_fits(text, at)
        for at, character in enumerate(text)
        if not character.isascii() and not _is_letter(character)
    )


def _sign_fits(text: str, at: int) -> bool:
    sign, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if sign not in _SIGNS:
        return False
    if sign == "°" and (text[:at] in ("n", "N") or (not _is_letter(before) and after in ("C", "F"))):
        return True
    if sign in "ºª" and not _is_letter(after):
        return not _is_letter(before) or at <= 2  # as in Nº and Srª
    if sign in "²³" and before == "m":
        return not _is_letter(after)
    if _is_letter(before) and _is_letter(after):
        return (
            sign in _INSIDE
            or (sign == "´" and after.isupper())
            or (sign == "·" and before.lower() == after.lower() == "l")
        )
    return not (_is_letter(after) and sign not in _BEFORE) and not (_is_letter(before) and sign not in _AFTER)


def _is_letter(character: str) -> bool:
    return character.isalpha() and character not in _NOT_LETTERS


@lru_cache(maxsize=1 << 18)
def _words(text: str) -> tuple[str, ...]:
    """The words that have letters beyond A to Z."""
    spaced = "".join(character if _is_letter(character) else " " for character in text)
    return tuple(word for word in spaced.split() if not word.isascii())

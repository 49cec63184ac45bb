"""Which languages a word could be written in: their letters beyond A to Z, and positions where those never occur.

The rules are for telling encodings apart, not for spelling: a letter in a position where its language never has it
(Polish ń before a vowel, as in `Muńoz`) shows that the bytes were read in the wrong encoding.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from campaigns.frozen import frozen

_VOWEL: Final = "aeiouyáàâãäåæéèêëíìîïóòôõöøúùûüýąęěůőűăāēīūėįųıœ"
_CONSONANT: Final = f"[^{_VOWEL}]"
_SYLLABLE: Final = re.compile(f"[{_VOWEL}lr]")
_NO_SYLLABLE: Final = rf"(?:^|(?<!{_CONSONANT})[lr]|[^lr{_VOWEL}])"
"""The word's start or a consonant, but no l or r that makes a syllable of its own, as in Krčma."""


@frozen
class Language:
    """A language's letters beyond A to Z, in lower case, and a pattern that none of its words matches."""

    name: str
    letters: frozenset[str]
    never: re.Pattern[str]

    def has(self, word: str) -> bool:
        """Whether the word could be of this language."""
        letters = word.replace("İ", "i").lower()
        known = all(letter in self.letters or letter.isascii() for letter in letters)
        return known and bool(_SYLLABLE.search(letters)) and not self.never.search(letters)


def _language(name: str, letters: str, *never: str) -> Language:
    return Language(name, frozenset(letters), re.compile("|".join(never) or r"(?!)"))


_ONE_ACUTE: Final = r"[áéíóú].*[áéíóú]|úu|íi"
_C_CEDILLA: Final = r"ç(?![aouáãâóõôúüeê])|^ç(?![ao])|ç[eê](?!t|$)"
_SHARP_S: Final = rf"^ß|[^r{_VOWEL}]ß|ßn$|ß[qxyz]"
_UMLAUT: Final = r"[aeoäöü][äö]|[äö][aeoiäöü]|ä[^u\W][aeiou]?ä[äö]"

WESTERN: Final = (
    _language(
        "French", "àâæçéèêëîïôœùûüÿ", _C_CEDILLA, r"^ê(?!t)", r"^î(?!l)", r"è[aeiouyéèàâêëîïôûùü]",
        r"à.|â[aeiou]|[aei]ê|(?<![gq])uê|iî|î$|ÿ.|cz",
        r"(?<![oaeéu])ë", r"^[ëïÿ]", r"(?<!^o)ù|ù.", r"(?<![aeiouy])ï", r"[aeiou]œ|œ[^uidnsltcf]",
        r"[àâèêîïôùû][àâèêëîïôùû]",
    ),
    _language(
        "Portuguese", "áàâãçéêíóôõúü", _C_CEDILLA, r"ã[^oesin]", r"õ[^e]", r"à.", r"[áâéêíóôú][áâãéêíóôõú]",
        r"^[ãõ]", r"iã(?!o)|[âêô][aeiou]|[wk]", _ONE_ACUTE,
    ),
    _language("Spanish", "áéíóúüñ", r"ñ(?![aeiouáéíóú])", _ONE_ACUTE, r"ü(?![eiéí])", r"[wk]|h$"),
    _language("German", "äöüß", _SHARP_S, _UMLAUT),
    _language("Italian", "àèéìòù", r"[àèéìòù].", r"[aeiou]ù", r"[wkxyj]"),
    _language("Catalan", "àçéèíïóòúü·", r"ç(?![aou]|$)", r"^ç", r"[àèéíïóòúü].*[àèéíïóòú]", r"[wk]"),
    _language("Dutch", "éèëïöü", r"(?<![aeiou])[ëï]", r"[éèëïöü][éèëïöü]", r"è[aeiou]"),
    _language("a Nordic language", "åäöæøé", r"[åäöæø][åäöæø]|[qz]", r"[eou]ä", r"[aeou][ö]"),
    _language("Icelandic", "áæéíðóöþúý", r"^ð|nð", r"[aeiouyáæéíóöúý]þ", r"þ$",
        r"[cqwz]", r"[áéíóúý][áéíóúý]", r"[aeiouyáéíóúýöæ]{3}"),
)  # fmt: skip
"""The languages of cp1252. A list may mix them."""

_HACEKS: Final = (
    rf"(?!^š[kt]){_NO_SYLLABLE}[čšžřďťňđ](?:{_CONSONANT}|$)", r"[iy]č[rvlmgdfbpcz]",
    r"[čšžřďťň]([bcdfglmnprstvz])\1", r"oi", r"[qwx]", r"ď(s(?!tv)|[cdrlfgzjpbv])",
    r"(?<![aeiouyáéíóúýěů])ň(?![aeiouyáéíóúý])",
    rf"(?:^|[{_VOWEL}])[ŕĺ]|[ŕĺ](?:[{_VOWEL}]|$)", r"^ů|[aeiouyáéíóúýě]ů", r"(?<![dtnbpmvf])ě|ě[aeiouáéíóúýů]",
    r"[aeou]ý", r"ďt(?!e)", r"(?<![aeiouyáéíóúýěůš])ť(?!$)|[^aeiouyáéíóúýěůšs]ť$", r"ť[tdcgrlbfvpjz]|čc",
    r"rr|ll|ff|ss",
)  # fmt: skip
CZECH: Final = _language("Czech", "áčďéěíňóřšťúůýž", *_HACEKS)
CZECH_ON_A_MAC: Final = _language("Czech", "áčďéěíňóřšťúýž", *_HACEKS)
"""Without ů, whose byte there is the ó of any Spanish name: a list with no other letter is taken to be Spanish."""
SLOVAK: Final = _language("Slovak", "áäčďéíĺľňóôŕšťúýž", *_HACEKS)
CROATIAN: Final = _language("Croatian", "čćđšž", *_HACEKS, rf"{_CONSONANT}ć{_CONSONANT}")
POLISH: Final = _language(
    "Polish", "ąćęłńóśźż", r"[ćńśź][aeouyąęó]", r"(?:^|[^aeiouyóąę])ń", r"^[ąę]", r"[qvx]", r"[cs]ś", r"[aeiouyó][ąę]",
    r"[ąę][aeiouyóąęh]", rf"{_CONSONANT}[ćśź]{_CONSONANT}",
)  # fmt: skip
HUNGARIAN: Final = _language(
    "Hungarian", "áéíóöőúüű", r"[aeiouáéíóöőúüű][őű]|[őű][aeiou]", r"[qwx]", r"[őű]ch"
)
ROMANIAN: Final = _language(
    "Romanian", "ăâîşţșț", r"ă[aeoăâî]", r"[qwyk]", r"[âî][aeou]", r"[şţ][aeiou]?[şţ]{2}"
)
_SOFT_G: Final = (r"(?:^|[^aeıioöuüâîû])ğ", r"[qwx]")
TURKISH: Final = _language("Turkish", "çğıöşüâîû", *_SOFT_G)
TURKISH_ON_A_MAC: Final = _language(
    "Turkish", "çğıöşüâîû", *_SOFT_G, r"[aeıioöuüâîû]{2}", r"^[^aeıioöuüâîû]{2}|[^aeıioöuüâîû]{3}"
)
"""Native words only, since there ß and Ü are misread ş and İ."""
_BALTIC_C: Final = (rf"(?:^|{_CONSONANT})č(?:{_CONSONANT}|$)", r"č[vrlmdgfbcpt]")
LATVIAN: Final = _language(
    "Latvian", "āčēģīķļņšūž", r"[aeiouāēīū][āēīū]|[āēīū][aou]", r"[qwxy]|ch", rf"ķ[aou]|ķ{_CONSONANT}",
    r"ļ[bcdfgmprstvz]", r"^[bcdfgklmnprstvz]ķ", *_BALTIC_C, r"[^sšaeiouāēīūm]$",
)  # fmt: skip
LITHUANIAN: Final = _language(
    "Lithuanian",
    "ąčęėįšųūž",
    r"[aeoyąęėįųū][ėąęįųū]",
    r"[qwx]",
    r".į.|^įl",
    r"[^saeėioųuūyąęį]$",
    r"^ų|oi",
    r"(.)\1",
    *_BALTIC_C,
)

CENTRAL: Final = (CZECH, SLOVAK, CROATIAN, POLISH, HUNGARIAN, ROMANIAN)
CENTRAL_IN_DOS: Final = (CZECH, SLOVAK, CROATIAN, POLISH, HUNGARIAN)
CENTRAL_ON_A_MAC: Final = (CZECH_ON_A_MAC, SLOVAK, CROATIAN, POLISH, HUNGARIAN)
BALTIC: Final = (LATVIAN, LITHUANIAN)
WESTERN_IN_DOS: Final = WESTERN[:7]


@lru_cache(maxsize=1 << 16)
def is_cased_alike(word: str) -> bool:
    """Whether the word is in small letters, in capitals, or begins with a capital; no name has others beside letters
    beyond A to Z."""
    letters = [letter for letter in word if letter.lower() != letter.upper()]
    rest = "".join(letters[1:]).replace("ß", "s")
    return rest == rest.lower() or (rest == rest.upper() and bool(letters) and letters[0].isupper())


@lru_cache(maxsize=1 << 16)
def script_of(letter: str) -> str:
    """LATIN, CYRILLIC, GREEK and so on."""
    return unicodedata.name(letter, "NONE").partition(" ")[0]

"""What people and programs write around the digits of a phone number: labels, links, the signs of a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from campaigns.reject_codes import RejectCode

_EXTENSION: Final = re.compile(r"(?i).*\d[\s,]*(?:x|#|;ext=|ext\.?|extension)[\s.:]*\d{1,7}")
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+")
_DECIMAL: Final = re.compile(r"(\+?\d{6,})[.,]0{1,2}")
_FORMULA: Final = re.compile(r"=\s*\"([^\"]*)\"")
_LINK: Final = re.compile(
    r"(?i)(?:https?://)?(?:www\.)?wa\.me/(?:\+|%2B)?(\d+)/?(?:[?#].*)?"
    r"|(?:https?://)?(?:api|web)\.whatsapp\.com/send/?\?(?:.*&)?phone=(?:\+|%2B)?(\d+)(?:[&#].*)?"
    r"|whatsapp://send/?\?(?:.*&)?phone=(?:\+|%2B)?(\d+)(?:&.*)?"
    r"|\+?(\d+)(?::\d+)?@(?:c\.us|s\.whatsapp\.net)"
)
"""Links that open a chat, and WhatsApp's names of an account: all with the calling code and without a plus."""
_LONGEST_LINK: Final = 2_000
_LABEL: Final = re.compile(
    r"(?i)\s*(?:p|wa|whatsapp|t[eé]l(?:[eé](?:ph|f)on[eo]?)?|phone|mobile?|m[oó]vil|cell?|cellulare|celular|handy|portable)"
    r"(?:\s*[.:]{1,2}|(?=\s*[+\d(]))\s*"
)
"""A scheme such as `tel:`, the `p:` of exported leads, or a word in front of the number."""
_LABELS: Final = 3
"""As in `Tel.: WhatsApp: +44`, and no end of them is looked for."""
_NOTE: Final = re.compile(
    r"(?i)(?<=\d)\s{0,3}[-,]?\s{0,3}\(?(?:whatsapp|wa|mobile?|m[oó]vil|cell?|celular|handy|portable)\)?\s*"
)
"""A word behind the number."""
_WRITTEN: Final = re.compile(r"\+?[\d\s().\-/]*")
_BETWEEN: Final = re.compile(r"[/;,+\n]|\bor\b")
_NOT_DIGIT: Final = re.compile(r"\D")
_APOSTROPHES: Final = "'’‘`\""


def written_number(text: str) -> str:
    """The number alone, as it is written."""
    return _repair(_clean(text))


def fault_of(text: str) -> tuple[RejectCode, str] | None:
    """The code and the reason if it is no number; None: it is digits, which may be one."""
    if not text:
        return RejectCode.PHONE_MISSING, "There is no phone number."
    if _SCIENTIFIC.fullmatch(text):
        reason = "A spreadsheet rounded the number; format the column as text and enter it again."
        return RejectCode.PHONE_SCIENTIFIC, reason
    if sum(len(_NOT_DIGIT.sub("", part)) >= 7 for part in _BETWEEN.split(text)) > 1:
        return RejectCode.PHONE_NOT_A_NUMBER, "There is more than one number in the cell."
    if _WRITTEN.fullmatch(text) and any(character.isdigit() for character in text):
        return None
    if _EXTENSION.fullmatch(text):
        return RejectCode.PHONE_EXTENSION, "A message cannot be sent to an extension."
    return RejectCode.PHONE_NOT_A_NUMBER, "This is not a phone number."


def _clean(text: str) -> str:
    """ASCII digits, hyphens and spaces; no invisible characters."""
    if text.isascii():
        return text.strip()
    return "".join(map(_plain, unicodedata.normalize("NFKC", text))).strip()


@lru_cache(maxsize=1024)
def _plain(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    match unicodedata.category(character):
        case "Cf":
            return ""
        case "Cc" | "Zs" | "Zl" | "Zp":
            return " "
        case "Pd":
            return "-"
        case _:
            return "-" if character == "−" else character


def _repair(text: str) -> str:
    """Undo how spreadsheets reformat numbers, where no digits are lost."""
    if found := _FORMULA.fullmatch(text):
        text = found[1]
    text = text.strip(_APOSTROPHES + " ")
    if len(text) <= _LONGEST_LINK and (found := _LINK.fullmatch(text)):
        return f"+{next(filter(None, found.groups()))}"
    text = _without_label(text)
    if found := _DECIMAL.fullmatch(text):
        return found[1]
    return text.strip()


def _without_label(text: str) -> str:
    for _ in range(_LABELS):
        if found := _LABEL.match(text):
            text = text[found.end() :]
    found = _NOTE.search(text)
    return text[: found.start()] if found and found.end() == len(text) else text

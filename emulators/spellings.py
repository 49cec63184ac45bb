"""WhatsApp's own spelling of a number, which may be another than was dialled, and its user id of the person.

Brazilian mobile numbers without their ninth digit, Mexican ones with 1, Argentine ones with 9: as operators report it.
"""

from __future__ import annotations

import re
import zlib

RULES = (
    (re.compile(r"55(\d\d)9([6-9]\d{7})"), r"55\1\2"),
    (re.compile(r"52([2-9]\d{9})"), r"521\1"),
    (re.compile(r"54([1-3]\d{9})"), r"549\1"),
)


def as_whatsapp(number: str) -> str:
    """The `wa_id` of a number, digits only; most are spelt as they were dialled."""
    for dialled, spelt in RULES:
        if found := dialled.fullmatch(number):
            return found.expand(spelt)
    return number


def user_id_of(number: str) -> str:
    """The business-scoped user id of the person with this `wa_id`."""
    return f"ZZ.{zlib.crc32(number.encode())}{len(number)}"

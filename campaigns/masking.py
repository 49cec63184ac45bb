"""Cuts phone numbers and passwords out of texts that others wrote: a provider's answer or a library's error may have
one in it."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(
    r"\+[ ().-]*\d(?:[ ().-]*\d){6,}"  # begins with a plus, however it is grouped
    r"|\d{8,}"  # or nothing but digits, as some providers write it
    r"|(?<!\d)\d{2,4}(?: \d{2,4}){3,}(?!\d)"  # or in groups, as people do
)
_PASSWORD: Final = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")
_SHOWN: Final = 2
"""How many last digits of a number are shown."""


def masked(text: str) -> str:
    """The text with every phone number cut down to its last digits, and without the password of an address."""
    return _PASSWORD.sub(r"\1:***@", _NUMBER.sub(_cut_down, text))


def _cut_down(number: re.Match[str]) -> str:
    return f"***{number[0][-_SHOWN:]}"

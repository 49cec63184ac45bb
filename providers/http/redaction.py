"""Our secrets in what providers answer: a provider may write the key that it refuses into its error or into a header,
and what it writes is stored and shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

HIDDEN: Final = b"[secret]"
LONG_ENOUGH: Final = 8
"""Characters of a key that is looked for in a success too: a shorter one may be part of an id or of a word."""


class Echoes:
    """Every secret that was ever sent, also those that were renewed since: an answer may be to the older one."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._plain: list[bytes] = []
        self._any: re.Pattern[bytes] | None = None
        self._long: re.Pattern[bytes] | None = None

    def know(self, secrets: Iterable[str]) -> None:
        self._known |= set(secrets) - {""}
        self._plain = [secret.encode() for secret in self._known]
        self._any = _finding(self._known)
        self._long = _finding({secret for secret in self._known if len(secret) >= LONG_ENOUGH})

    def hide(self, answer: bytes, *, in_success: bool = False) -> bytes:
        """The answer without the secrets."""
        pattern = self._long if in_success else self._any
        # Nearly always neither is there, and looking for them so takes a hundredth of the time.
        if pattern is None or not (b"\\" in answer or any(secret in answer for secret in self._plain)):
            return answer
        return pattern.sub(HIDDEN, answer)


def _finding(secrets: set[str]) -> re.Pattern[bytes] | None:
    """The longest first, so that nothing of it is left where a shorter one is its beginning."""
    found = [_as_echoed(secret) for secret in sorted(secrets, key=len, reverse=True)]
    return re.compile(b"|".join(found)) if found else None


def _as_echoed(secret: str) -> bytes:
    """As it is, and as JSON may write it: a slash behind a backslash, any character by its number."""
    return b"".join(
        rb"(?:\\?%s|\\u00(?i:%02x))" % (re.escape(letter.encode()), ord(letter)) for letter in secret
    )

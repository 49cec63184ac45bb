"""Removes our secrets from providers' answers: a provider may repeat a refused key in its error or in a header, and
answers are stored and shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

HIDDEN: Final = b"[secret]"
LONG_ENOUGH: Final = 8
"""Keys of at least this length are removed from successes too; a shorter one may occur in an id or a text by chance."""


class SecretScrubber:
    """Every secret ever sent, including renewed ones, because an answer may refer to an older one."""

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
        # Almost always neither occurs, and this check takes a hundredth of the time.
        if pattern is None or not (b"\\" in answer or any(map(answer.__contains__, self._plain))):
            return answer
        return pattern.sub(HIDDEN, answer)


def _finding(secrets: set[str]) -> re.Pattern[bytes] | None:
    """Longest first, so that a secret that starts with a shorter one is removed completely."""
    found = [_as_echoed(secret) for secret in sorted(secrets, key=len, reverse=True)]
    return re.compile(b"|".join(found)) if found else None


def _as_echoed(secret: str) -> bytes:
    """Matches the secret literally and as JSON may escape it: a slash after a backslash, any character by its code."""
    return b"".join(
        rb"(?:\\?%s|\\u00(?i:%02x))" % (re.escape(letter.encode()), ord(letter)) for letter in secret
    )

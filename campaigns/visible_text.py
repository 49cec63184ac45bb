"""Makes outside text safe to show: characters that control a terminal or reorder a line become visible escapes.

`visible` and `visible_line` are for people, `visible_json` for JSON text; applying them again changes
nothing. `escaped` is for files that are loaded again: `unescaped` restores the original text.
"""

from __future__ import annotations

import re
from typing import Final

_HIDDEN_CLASS: Final = (
    r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # the controls of ASCII and of Latin-1: ESC, BEL, NUL, CSI, OSC
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, overrides and isolates of right-to-left text
    r"\u2028\u2029"  # line separators that few programs recognize
    r"\ud800-\udfff]"  # lone surrogates, which cannot be encoded
)
_HIDDEN: Final = re.compile(_HIDDEN_CLASS)
# Compiled where they are used, as most commands use none of them.
_HIDDEN_OR_ESCAPE: Final = _HIDDEN_CLASS + r"|\\(?=x[0-9a-f]{2}|u[0-9a-f]{4})"
_ESCAPE: Final = r"\\(?:x([0-9a-f]{2})|u(?!d[89a-f])([0-9a-f]{4}))"
_RIGHT_TO_LEFT: Final = r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
_ISOLATE: Final = "\u2068"
_END: Final = "\u2069"


def visible(text: str) -> str:
    """The text with its hidden characters as `\\x1b` or `\\u202e`; newlines and tabs stay."""
    return _HIDDEN.sub(_shown, text.replace("\r\n", "\n"))


def visible_line(text: str) -> str:
    """The same on one line: newlines and tabs are `\\n` and `\\t`."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def one_line(text: str, longest: int = 200) -> str:
    """Untrusted text, safe for a terminal: control characters and newlines become spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest]


def visible_json(text: str) -> str:
    """Equivalent JSON text without hidden characters, which JSON allows unescaped."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def isolated(text: str) -> str:
    """Visible text whose right-to-left parts do not reorder what a terminal shows beside it."""
    return f"{_ISOLATE}{text}{_END}" if re.search(_RIGHT_TO_LEFT, text) else text


def escaped(text: str) -> str:
    """The text with its hidden characters as escapes, and the backslash of text that looks like an escape as
    `\\x5c`."""
    return re.sub(_HIDDEN_OR_ESCAPE, _shown, text)


def unescaped(text: str) -> str:
    """The original of a text that `escaped` returned."""
    return re.sub(_ESCAPE, lambda found: chr(int(found[1] or found[2], 16)), text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

"""UTF-8 that a program read as cp1252 and wrote as UTF-8 again: `Céline` has become `CÃ©line`."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from typing import Any, Final

TWICE: Final = "utf-8-twice"
"""Our name of the encoding that undoes it: UTF-8, then cp1252 back to bytes, then UTF-8."""

_UNUSED: Final = {chr(code): bytes([code]) for code in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
"""The bytes that cp1252 leaves free; programs keep them as they are."""
_TRACES: Final = re.compile(
    rb"\xc3[\x82-\x85](?:\xc2[\x80-\xbf]|\xc5[\x92\x93\xa0\xa1\xb8\xbd\xbe]|\xc6\x92|\xcb[\x86\x9c]|\xe2(?:\x80[\x93-\xba]|\x82\xac|\x84\xa2))"
    rb"|\xc3\xa2\xe2\x82\xac"
)
"""An Â, Ã, Ä or Å and what the second byte of a letter looks like in cp1252; `â€`, as in `â€™`."""
_WORD: Final = re.compile(r"[^\x00-\x26\x28-\x2f:-@\[-`{-\x7f]+")
_ENDS: Final = "“”„‘’‚«»"


def twice_encoded_word(pieces: Iterable[bytes]) -> tuple[str, str] | None:
    """The first word of a UTF-8 list that is UTF-8 once more, and what it was; None if there is none."""
    for piece in pieces:
        if piece.isascii() or not _TRACES.search(piece):
            continue
        for line in piece.splitlines():
            if _TRACES.search(line):
                for word in _WORD.findall(line.decode(errors="replace")):
                    if (original := _original(word)) is not None:
                        return word, original
    return None


def is_undone(pieces: Iterable[bytes]) -> bool:
    """Whether the whole list can be read as `utf-8-twice`."""
    decoder = _Decoder()
    try:
        for piece in pieces:
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _original(word: str) -> str | None:
    """What a word was before; a letter beside a quotation mark, as in `“CAFÉ”`, only looks like it."""
    bare = word.strip(_ENDS)
    if bare.isascii():
        return None
    try:
        text = _bytes_of(bare).decode()
    except UnicodeError:
        return None
    return text if all(c < "\u0250" or "\u2010" <= c <= "\u20ac" for c in text) else None


def _bytes_of(text: str) -> bytes:
    if not any(character in text for character in _UNUSED):
        return text.encode("cp1252")
    return b"".join(_UNUSED.get(character) or character.encode("cp1252") for character in text)


class _Decoder(codecs.IncrementalDecoder):
    """Undoes it block by block. Its position in an error is that in the block."""

    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)
        self._outer = codecs.getincrementaldecoder("utf-8-sig")()
        self._inner = codecs.getincrementaldecoder("utf-8")()

    def decode(self, input: Any, final: bool = False) -> str:
        text = self._outer.decode(input, final)
        try:
            return self._inner.decode(_bytes_of(text), final)
        except UnicodeError as error:
            raise UnicodeDecodeError(TWICE, bytes(input) or b"\0", 0, 1, str(error)) from error

    def getstate(self) -> tuple[bytes, int]:
        return b"", 0


def decoder_of(encoding: str) -> codecs.IncrementalDecoder:
    """A decoder of any encoding, `utf-8-twice` included."""
    return _Decoder() if encoding == TWICE else codecs.getincrementaldecoder(encoding)()

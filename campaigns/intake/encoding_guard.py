"""Refuses a list whose encoding is not certain, with its cells as each encoding would show them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from campaigns.bounded_files import Source
from campaigns.errors import IntakeError
from campaigns.intake.encodings import ASSUMED, Doubt, doubt_about, foreign_chunks, read_as
from campaigns.intake.model import REJECT_COLUMNS
from campaigns.intake.scan import whole_lines
from campaigns.intake.twice_encoded import TWICE, is_undone, twice_encoded_word
from campaigns.reject_codes import IntakeCode
from campaigns.visible_text import visible_line

_SHOWN: Final = 3
"""How many readings are shown beside that in cp1252."""
_LONGEST: Final = 40
"""Characters of a cell that are shown."""


def require_assumed(path: Path, source: Source, line: int) -> None:
    """Raise IntakeError unless the list, which is not UTF-8, is plainly cp1252. `line`: the first that is not UTF-8."""
    doubt = doubt_about(foreign_chunks(whole_lines(source.blocks())))
    if doubt is None:
        return
    cell = _cell_with(source, doubt.word)
    readings = _readings(doubt, cell)
    shown = "; ".join(f"{encoding}: {reading!r}" for reading, encoding in readings.items())
    best = next(iter(readings.values()), ASSUMED)
    raise IntakeError(
        IntakeCode.ENCODING_AMBIGUOUS,
        f"{path.name} is not UTF-8 (line {line}), and which encoding it has is not certain. "
        f"A cell as each would show it: {shown or repr(ascii(cell[:_LONGEST]))}.",
        line=line,
        hint=f'Give the one that shows it right, for example --encoding {best}, or encoding = "{best}" in '
        "[audience]; if none does, save the list as UTF-8.",
        choices={encoding: reading for reading, encoding in readings.items()},
    )


def refuse_twice_encoded(path: Path, source: Source, encoding: str) -> None:
    """Raise IntakeError if a UTF-8 list has words that were encoded twice; one that Drumbeat wrote is as it was."""
    if not encoding.startswith("utf-8") or _is_ours(source):
        return
    found = twice_encoded_word(whole_lines(source.blocks()))
    if found is None:
        return
    word, original = (visible_line(text[:_LONGEST]) for text in found)
    line = next(number for number, text in enumerate(_lines(source), start=1) if found[0].encode() in text)
    repair = (
        f'Read it with --encoding {TWICE}, or encoding = "{TWICE}" in [audience]'
        if is_undone(source.blocks())
        else "Only a part of it is encoded twice: export it again as UTF-8"
    )
    raise IntakeError(
        IntakeCode.ENCODING_AMBIGUOUS,
        f"{path.name} was encoded as UTF-8 twice: line {line} has {word!r}, which was {original!r}.",
        line=line,
        hint=f"{repair}; if it is right as it is, --encoding utf-8.",
        choices={TWICE: original, "utf-8": word},
    )


def _is_ours(source: Source) -> bool:
    """Whether the header has the columns of a rejects file."""
    header = next(iter(_lines(source)), b"")
    return any(name.encode() in header for name in REJECT_COLUMNS)


def _readings(doubt: Doubt, cell: bytes) -> dict[str, str]:
    """Each different reading of the cell, in the order of the encodings -> the first encoding that has it."""
    readings: dict[str, str] = {}
    assumed = read_as(ASSUMED, cell)
    for encoding in doubt.encodings:
        text = read_as(encoding, cell)
        if text is None or (text == assumed) != (encoding == ASSUMED):
            continue
        if len(readings) < _SHOWN or encoding == ASSUMED:
            readings.setdefault(visible_line(text[:_LONGEST]), encoding)
    return readings


def _cell_with(source: Source, word: bytes) -> bytes:
    """The cell that the word is in."""
    for line in _lines(source):
        if word in line:
            return next(cell for cell in re.split(rb'[,;\t|"]', line) if word in cell).strip()
    return word


def _lines(source: Source) -> Iterator[bytes]:
    for piece in whole_lines(source.blocks()):
        yield from piece.splitlines()

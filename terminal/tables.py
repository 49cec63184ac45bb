"""How a table fits into a terminal: names, ids, numbers and times stay whole, only sentences are wrapped, at spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from campaigns.frozen import frozen

RIGHT: Final = ">"
"""A column heading that starts with it holds numbers."""
OPTIONAL: Final = "?"
"""A column heading that starts with it is left out where the table is too wide otherwise."""
GAPS: Final = (3, 2)
"""Characters between two columns, where there is room and where there is little."""
SENTENCE: Final = 16
"""A cell that is longer than this and has three words or more may be wrapped, but not a time."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \S+ \S+\Z")


@frozen
class Layout:
    """The columns that are shown, by their places, and the width of each."""

    places: Sequence[int]
    widths: Sequence[int]
    gap: int


def plain_heading(heading: str) -> str:
    return heading.removeprefix(OPTIONAL).removeprefix(RIGHT)


def is_number(heading: str) -> bool:
    return heading.removeprefix(OPTIONAL).startswith(RIGHT)


def layout_within(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Layout | None:
    """The widths that fit without cutting anything; optional columns are left out, the last first. None: even the
    others do not fit."""
    places = list(range(len(headings)))
    columns = [[plain_heading(headings[at]), *(row[at] for row in rows)] for at in places]
    least = [max(map(_least, column)) for column in columns]
    optional = [at for at in places if headings[at].startswith(OPTIONAL)]
    while True:
        needed = sum(least[at] for at in places)
        gap = next((gap for gap in GAPS if needed <= _room(width, places, gap)), None)
        if gap is not None:
            wanted = [max(map(_length, columns[at])) for at in places]
            room = _room(width, places, gap)
            return Layout(places, _shared(wanted, [least[at] for at in places], room), gap)
        if not optional:
            return None
        places.remove(optional.pop())


def _room(width: int, places: Sequence[int], gap: int) -> int:
    return width - gap * len(places) + 1


def _shared(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Each column's width: its minimum, and most of the remaining room where most lines are wrapped."""
    widths = list(least)
    for _ in range(room - sum(widths)):
        tallest = max(range(len(widths)), key=lambda at: wanted[at] / max(1, widths[at]))
        if widths[tallest] >= wanted[tallest]:
            break
        widths[tallest] += 1
    return widths


def _least(cell: str) -> int:
    """The minimum width of the cell: its longest word if it is a sentence, else all of it."""
    return max(map(_length, cell.split(" "))) if is_sentence(cell) else _length(cell)


def is_sentence(cell: str) -> bool:
    """Whether it may be wrapped between its words."""
    return cell.count(" ") >= 2 and len(cell) > SENTENCE and not _TIME.match(cell)


def _length(text: str) -> int:
    """Columns of the terminal: East Asian letters and most emoji take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)

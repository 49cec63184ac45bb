"""Where the shapes of a chart go: pure numbers, so that the templates only draw.

Charts stretch to the width of the page. A position is a share of `WIDTH`, rounded at the edges between shapes, so that
neighbours meet and the parts add up to the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from campaigns.frozen import frozen

WIDTH: Final = 1000.0
LEAST: Final = 6.0
"""The least width of a part that is not empty: one of 3 in a million can still be seen and pointed at."""
_STEPS: Final = (1, 2, 5, 10)
_NOTHING: Final = 1e-9
"""What is less is drawn as nothing."""


@frozen
class Part:
    """One part of a whole, as a chart and the table beside it name it."""

    label: str
    count: int
    css: str
    """`read`, `delivered`, `way`, `waiting`, `failed`, `doubt` or `skipped`."""
    url: str | None = None
    """Where exactly these people are listed."""


@frozen
class Series:
    """A number over time; each value holds until the next point."""

    label: str
    css: str
    points: Sequence[tuple[datetime, float]]


@frozen
class Band:
    """A stretch of time that is marked."""

    label: str
    begin: datetime
    end: datetime


@frozen
class Box:
    x: float
    width: float


def stacked(counts: Sequence[int], width: float = WIDTH, least: float = LEAST) -> list[Box | None]:
    """A box for each count, side by side; together as wide as `width`. None for a count of 0.

    No box is narrower than `least`; the larger ones give the width for it.
    """
    if any(count < 0 for count in counts):
        raise ValueError("a part of a whole is not negative")
    widths = _widths(counts, width, least)
    boxes: list[Box | None] = []
    right = 0.0
    for count, wide in zip(counts, widths, strict=True):
        left, right = right, right + wide
        x = round(left, 2)
        boxes.append(Box(x, round(round(right, 2) - x, 2)) if count else None)
    return boxes


def _widths(counts: Sequence[int], width: float, least: float) -> list[float]:
    shown = [count for count in counts if count]
    least = min(least, width / len(shown)) if shown else 0.0
    narrow: set[int] = set()
    while True:
        rest = sum(count for place, count in enumerate(counts) if place not in narrow)
        room = width - least * len(narrow)
        widths = [
            least if place in narrow else (count / rest * room if count else 0.0)
            for place, count in enumerate(counts)
        ]
        too_narrow = {
            place
            for place, count in enumerate(counts)
            if count and place not in narrow and widths[place] < least
        }
        if not too_narrow:
            return widths
        narrow |= too_narrow


def bar_widths(values: Sequence[float], width: float = WIDTH, least: float = LEAST) -> list[float]:
    """The length of each horizontal bar, the greatest as long as `width`; 0 for what is not above 0."""
    top = max(values, default=0.0)
    return [round(max(least, value / top * width), 2) if value > 0 else 0.0 for value in values]


def round_top(*values: float) -> float:
    """The top of an axis that shows all values: 1, 2 or 5 times a power of ten; 1 where there is none."""
    greatest = max((value for value in values if math.isfinite(value)), default=0.0)
    if greatest < _NOTHING:
        return 1.0
    power = 10.0 ** math.floor(math.log10(greatest))
    return next(step * power for step in _STEPS if step * power >= greatest * 0.999999)


def across(moment: datetime, begin: datetime, end: datetime, width: float = WIDTH) -> float:
    """How far from the left a moment is drawn; what lies outside is drawn at the edge."""
    whole = (end - begin).total_seconds()
    if whole <= 0:
        return 0.0
    share = (moment - begin).total_seconds() / whole
    return round(min(1.0, max(0.0, share)) * width, 2)


def height_of(value: float, top: float, height: float) -> float:
    """How far from the top a value is drawn."""
    share = value / top if top > 0 else 0.0
    return round(height - min(1.0, max(0.0, share)) * height, 2)


def step_path(
    points: Sequence[tuple[datetime, float]],
    begin: datetime,
    end: datetime,
    top: float,
    height: float,
    width: float = WIDTH,
) -> str:
    """The SVG path of values, each of which holds until the next; the last until `end`. Empty without points."""
    steps: list[str] = []
    for moment, value in points:
        x, y = across(moment, begin, end, width), height_of(value, top, height)
        steps.append(f"H{x:g}V{y:g}" if steps else f"M{x:g} {y:g}")
    return "".join([*steps, f"H{width:g}"]) if steps else ""


def band_box(band: Band, begin: datetime, end: datetime, width: float = WIDTH) -> Box:
    """Where a marked stretch of time is drawn; however short, it can be seen."""
    x = across(band.begin, begin, end, width)
    wide = max(2.0, across(band.end, begin, end, width) - x)
    return Box(round(min(x, width - wide), 2), round(wide, 2))


def spark_points(values: Sequence[float], height: float, width: float = WIDTH) -> str:
    """The points of a sparkline; a single value is a level line. Empty without values."""
    if not values:
        return ""
    level = [*values, *values] if len(values) == 1 else list(values)
    top = max(*level, 0.0)
    pace = width / (len(level) - 1)
    return " ".join(
        f"{round(place * pace, 2):g},{height_of(value, top, height):g}" for place, value in enumerate(level)
    )

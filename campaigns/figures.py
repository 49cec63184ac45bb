"""Formats numbers for people."""

from __future__ import annotations

from math import copysign
from typing import Final

from campaigns.frozen import frozen


def percent(share: float | None) -> str:
    """`60.5%`, or `-` where there is no share."""
    return "-" if share is None else f"{_rounded(share, 3):.1%}"


def share_of(part: int, whole: int) -> float | None:
    """To four digits; None where there is no whole."""
    return _rounded(part / whole, 4) if whole else None


def _rounded(share: float, digits: int) -> float:
    """Less than all is never shown as all, nor something as nothing."""
    least, size = 10**-digits, abs(share)
    if size in (0, 1) or size > 1:
        return round(share, digits)
    return copysign(round(min(max(size, least), 1 - least), digits), share)


def counted(number: int, noun: str) -> str:
    """`1 message`, `2,000 messages`"""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@frozen
class PaceUnit:
    """The time in which a pace is counted."""

    name: str
    seconds: int
    each: str
    """`a second`."""


_UNITS: Final = (
    PaceUnit("second", 1, "a second"),
    PaceUnit("minute", 60, "a minute"),
    PaceUnit("hour", 3600, "an hour"),
)
_FEW: Final = 2
"""Fewer in a unit are counted in the next longer one."""


def unit_of(per_second: float) -> PaceUnit:
    """The shortest unit in which there are at least two."""
    return next((unit for unit in _UNITS if per_second * unit.seconds >= _FEW), _UNITS[-1])


def paced(per_second: float, unit: PaceUnit | None = None) -> str:
    """`80 a second`, `90 a minute`, `4.5 an hour`; `0` for none."""
    unit = unit or unit_of(per_second)
    number = per_second * unit.seconds
    return f"{number:,.{0 if number >= 10 else 1}f}".removesuffix(".0") + f" {unit.each}" if number else "0"


class Share(float):
    """A part of a whole, 0 to 1: people see it as percent."""

    @classmethod
    def of(cls, part: int, whole: int) -> Share | None:
        return cls.from_rate(share_of(part, whole))

    @classmethod
    def from_rate(cls, rate: float | None) -> Share | None:
        return None if rate is None else cls(rate)

"""Formats numbers for people."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """`60.5%`, or `-` where there is no share."""
    return "-" if share is None else f"{share:.1%}"


def counted(number: int, noun: str) -> str:
    """`1 message`, `2,000 messages`"""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class Share(float):
    """A part of a whole, 0 to 1: people see it as percent."""

    @classmethod
    def of(cls, part: int, whole: int) -> Share | None:
        return cls(round(part / whole, 4)) if whole else None

    @classmethod
    def from_rate(cls, rate: float | None) -> Share | None:
        return None if rate is None else cls(rate)

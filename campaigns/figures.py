"""Formats numbers for people."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """`60.5%`, or `-` where there is no share."""
    return "-" if share is None else f"{share:.1%}"


def counted(number: int, noun: str) -> str:
    """`1 message`, `2,000 messages`"""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

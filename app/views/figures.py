"""Figures as people read them."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """`60.5%`, or `-` where there is nothing to take a share of."""
    return "-" if share is None else f"{share:.1%}"

"""The two-proportion z-test: whether chance alone explains that one share is larger than another."""

from __future__ import annotations

from math import erfc, sqrt
from typing import Final

ENOUGH: Final = 5
"""Expected hits and misses on either side, below which the normal approximation is unreliable."""


def p_value(hits: int, of: int, other_hits: int, other_of: int) -> float | None:
    """How likely a difference at least as large, either way, is by chance alone (two-sided, pooled).

    None if the counts are too small: fewer than `ENOUGH` hits or misses would be expected on a side.
    """
    if not of or not other_of:
        return None
    pooled = (hits + other_hits) / (of + other_of)
    if min(of, other_of) * min(pooled, 1 - pooled) < ENOUGH:
        return None
    error = sqrt(pooled * (1 - pooled) * (1 / of + 1 / other_of))
    return erfc(abs(hits / of - other_hits / other_of) / error / sqrt(2))

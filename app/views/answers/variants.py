"""The variant test of a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from typing_extensions import TypedDict

from app.views.answers.reports import Explained
from campaigns.variants import Measure


class VariantCounts(TypedDict):
    sent: int
    """Messages that the provider accepted."""
    delivered: int
    """Those that were delivered, those that were read among them."""
    read: int
    """Those that were read."""
    replied: int
    """Those whose recipient wrote back; a stop word is no reply."""
    delivered_rate: float | None
    """delivered / sent, 0 to 1; null: none was sent."""
    read_rate: float | None
    """read / sent, 0 to 1; null: none was sent."""
    replied_rate: float | None
    """replied / sent, 0 to 1; null: none was sent."""


class VariantLine(VariantCounts):
    variant: str
    """Its name."""


class VariantTest(TypedDict):
    """The variant test of a campaign's newest run."""

    campaign: str
    """Its name."""
    by: Literal["delivered", "read", "replied", "hand"] | None
    """What decides; null: everybody is in the test, so that there is no winner."""
    test_percent: float
    """The share of the recipients that is in the test, in percent."""
    ends_at: datetime | None
    """When the winner is chosen; null: somebody chooses it, or that time is not known yet."""
    winner: str | None
    """The variant that the others get; null: none is chosen."""
    reason: str | None
    """Why it is the winner, or why none could be chosen; null: nothing is decided."""
    waiting: int
    """Recipients that wait for the winner."""
    variants: Sequence[VariantLine]
    """Each variant's results in the test."""
    rest: VariantCounts
    """The results of the winner with those who were not in the test."""


class ComparedVariants(TypedDict):
    measure: Measure
    """By what the two are compared."""
    better: str
    """The variant with the higher rate."""
    other: str
    """The variant that it is compared with."""
    counts: Sequence[int]
    """How many messages of each reached the measure: first of the better one, then of the other."""
    of: Sequence[int]
    """How many messages of each were sent, in the same order."""
    p_value: float | None
    """How often chance alone makes such a difference, 0 to 1; null: there are too few messages."""
    rates: Sequence[float | None]
    """counts / of, 0 to 1, in the same order; null: none was sent."""
    meaning: str
    """What the numbers mean, as a sentence."""


class VariantsReport(VariantTest, Explained):
    """The variants of the newest run, and whether their differences may be chance."""

    comparisons: Sequence[ComparedVariants]
    """For each measure, the best variant against every other."""

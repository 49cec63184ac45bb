"""Which variant of a message a person receives, and which variant wins. A person's variant depends only on the
campaign's name and the number, not on lanes, the holdout group or other recipients."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256
from typing import Final, Literal

from campaigns.frozen import frozen

WHOLE: Final = 10_000
"""A share is a hundredth of a percent."""


class Measure(StrEnum):
    """The measure by which variants are compared; each is the name of a field of `Tally`."""

    DELIVERED = "delivered"
    READ = "read"
    REPLIED = "replied"


@frozen
class Split:
    """How recipients are assigned to variants."""

    salt: str
    shares: tuple[tuple[str, int], ...]
    """Each variant's share of the test, in hundredths of a percent; they add up to `WHOLE`."""
    test: int = WHOLE
    """The share of people who are in the test; the others wait for the winner."""

    @property
    def has_rest(self) -> bool:
        """Whether some recipients wait for the winner."""
        return self.test < WHOLE

    def in_test(self, phone: str) -> bool:
        """Whether the person is in the test; a person who is in it at 5 % is also in it at 10 %."""
        return self._draw(phone, 8) < self.test

    def variant_of(self, phone: str) -> str:
        """The variant of a person in the test, whatever the order of the variants."""
        drawn = self._draw(phone, 0)
        for name, share in sorted(self.shares):
            drawn -= share
            if drawn < 0:
                return name
        raise ValueError(f"the shares are not {WHOLE} together")

    def _draw(self, phone: str, start: int) -> int:
        digest = sha256(f"variants:{self.salt}:{phone}".encode()).digest()
        return int.from_bytes(digest[start : start + 8]) % WHOLE


@frozen
class Tally:
    """The outcomes of a variant's messages."""

    sent: int = 0
    """Messages that the provider accepted."""
    delivered: int = 0
    read: int = 0
    replied: int = 0
    """Messages whose recipient wrote back; a stop word does not count as a reply."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.sent + other.sent,
            self.delivered + other.delivered,
            self.read + other.read,
            self.replied + other.replied,
        )

    def count(self, measure: Measure) -> int:
        return int(getattr(self, measure.value))

    def rate(self, measure: Measure) -> Fraction:
        """The share of the messages sent; 0 if there are none."""
        return Fraction(self.count(measure), self.sent) if self.sent else Fraction(0)


@frozen
class Verdict:
    """The result of a test."""

    winner: str | None
    """None: a person decides."""
    reason: str


def pick_winner(
    tallies: Mapping[str, Tally], measure: Measure, *, minimum: int, tie: Literal["first", "hand"]
) -> Verdict:
    """The variant with the highest rate. `tallies`: every variant, in the campaign file's order. If a variant has
    fewer than `minimum` messages, or two are equally good, `tie` decides."""
    best = max(tally.rate(measure) for tally in tallies.values())
    leaders = [name for name, tally in tallies.items() if tally.rate(measure) == best]
    counts = ", ".join(f"{name} {tally.count(measure)} of {tally.sent}" for name, tally in tallies.items())
    few = [name for name, tally in tallies.items() if tally.sent < minimum]
    if not few and len(leaders) == 1:
        return Verdict(leaders[0], f"most {measure}: {counts}")
    why = f"fewer than {minimum} messages of {few[0]}" if few else f"{' and '.join(leaders)} are equal"
    explained = f"{why} ({measure}: {counts})"
    if tie == "hand":
        return Verdict(None, f"{explained}; a person decides")
    first = next(iter(tallies))
    return Verdict(first, f"{explained}; {first} is the first")

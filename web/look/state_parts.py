"""Messages by state as parts of a bar: in one order, with one colour and one name each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from campaigns.states import JobState
from web.look.chart_geometry import Part

S = JobState
PARTS: Final = (
    ("read", "read", (S.READ,)),
    ("delivered", "delivered", (S.DELIVERED,)),
    ("on its way", "way", (S.ACCEPTED, S.HELD, S.SENT, S.SENDING)),
    ("waiting", "waiting", (S.PENDING,)),
    ("in doubt", "doubt", (S.IN_DOUBT,)),
    ("failed", "failed", (S.FAILED,)),
    ("skipped", "skipped", (S.SKIPPED,)),
    ("expired", "skipped", (S.EXPIRED,)),
    ("cancelled", "skipped", (S.CANCELLED,)),
)
"""The states in the order of a bar, with their colours."""


def parts_of(states: Mapping[JobState, int], people: Callable[[str], str] | None = None) -> list[Part]:
    """All parts, those without messages too. `people`: where those of some states are listed."""
    return [
        Part(label, sum(states.get(one, 0) for one in of), css, people(",".join(of)) if people else None)
        for label, css, of in PARTS
    ]

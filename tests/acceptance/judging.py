"""Judges a run on many machines by the emulator's ledger: no message twice, none lost, no limit broken, none in doubt
whom the provider could have been asked about."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.states import JobState
from tests.acceptance.killing import wrongs

TOLERANCE = 0.3
"""Seconds that a request may be longer on its way than another: eight processes share two cores. Twice a limit, which
is what two owners of a lane come to, is far above it."""


@dataclass(frozen=True)
class RecipientTimeline:
    """What happened, for the judge."""

    harms: Counter[str]
    size: int
    rows: list[Any]
    ledger: list[dict[str, Any]]
    interrupted: int
    """How many messages the next owner of a lane found under way."""
    ended: bool = True
    """Whether clock and workers ended in good order."""

    @property
    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.rows)


def verdict(story: RecipientTimeline, limits: Mapping[str, int], unasked: str) -> list[str]:
    """All that is wrong. `limits`: the most per second of lanes and of accounts; `unasked`: the account whose provider
    cannot be asked about a message."""
    received = Counter(message["to"] for message in story.ledger)
    doubts = (row for row in story.rows if row.state == JobState.IN_DOUBT)
    return [
        *([] if story.ended else ["endless: it did not end"]),
        *wrongs(story.rows, received, story.size),
        *(f"in doubt: {row.phone} on {row.lane}" for row in doubts if account_of(row.lane) != unasked),
        *_too_fast(story, limits),
    ]


def account_of(lane: str) -> str:
    return lane.partition("/")[0]


def _too_fast(story: RecipientTimeline, limits: Mapping[str, int]) -> Iterator[str]:
    for name, moments in _moments(story).items():
        most = most_in_a_second(moments, TOLERANCE)
        if most > limits.get(name, most):
            yield f"too fast: {most} in a second on {name}, where {limits[name]} are allowed"


def _moments(story: RecipientTimeline) -> dict[str, list[float]]:
    """When each lane's and each account's messages came."""
    lane_of = {row.phone[1:]: row.lane for row in story.rows}
    moments: defaultdict[str, list[float]] = defaultdict(list)
    for message in story.ledger:
        lane = lane_of[message["to"]]
        moments[lane].append(message["left_at"])
        moments[account_of(lane)].append(message["left_at"])
    return moments


def most_in_a_second(moments: Iterable[float], tolerance: float) -> int:
    """The most that lie in any stretch of a second, less the tolerance."""
    ordered = sorted(moments)
    return max(
        (bisect_left(ordered, start + 1 - tolerance) - place for place, start in enumerate(ordered)),
        default=0,
    )

"""What a shift reports about its calls: the one seam between sending and metrics. It knows no metrics library."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from campaigns.frozen import frozen
from campaigns.outcomes import Result


@frozen
class CallEnded:
    """One call to a provider, with a result for each of its recipients."""

    account: str
    lane: str
    results: Sequence[Result]
    latency_ms: int | None
    """None: no call was made, or its time could not be measured."""


Observe = Callable[[CallEnded], None]
"""Called in the event loop for every call that ended: it must be quick, and raise nothing."""


def ignore(_: CallEnded) -> None:
    """Measure nothing."""

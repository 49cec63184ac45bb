"""What a runner tells while it works, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from campaigns.states import FINAL, LEFT, JobState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where the open runs stand. `states` counts all their jobs, by the state's name."""

    at: datetime
    total: int
    states: dict[str, int] = field(default_factory=dict)
    sent_per_second: float = 0.0
    """Over the last few seconds."""
    eta_seconds: float | None = None
    """Until the last pending job is sent at this pace; None while the pace is not known."""
    notices: tuple[str, ...] = ()
    """Lanes and campaigns that are paused, with the reason."""

    @property
    def done(self) -> int:
        """Jobs that need no more sending: with the provider, or ended."""
        return sum(number for state, number in self.states.items() if JobState(state) in LEFT | FINAL)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a runner ended."""

    states: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False
    """Stopped by a signal."""
    stopped_by: tuple[str, ...] = ()
    """Why work was left: paused lanes and campaigns, with the reason."""

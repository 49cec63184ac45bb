"""What a runner reports while it works, and when it ends."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from typing import Final

from campaigns.frozen import frozen
from campaigns.rules.names import Rule
from campaigns.states import FINAL, LEFT, CampaignState, JobState

PACING: Final = "pacing"
OWN_TIME: Final = "own_time"
LANE_PAUSED: Final = "lane_paused"
NO_SENDER: Final = "no_sender"
RETRY: Final = "retry"
"""What holds a message besides the rules."""


@frozen
class Upcoming:
    """An upcoming run."""

    campaign: str
    at: datetime


@frozen
class Ended:
    """A run that ended, with its messages by state."""

    campaign: str
    states: dict[str, int]


@frozen
class Snapshot:
    """Progress of the open runs. `states` counts all their jobs, by the state's name."""

    at: datetime
    total: int
    states: dict[str, int] = field(default_factory=dict)
    sent_per_second: float = 0.0
    """Over the last few seconds."""
    eta_seconds: float | None = None
    """Until the last pending job is sent at this pace; None while the pace is not known."""
    notices: tuple[str, ...] = ()
    """Lanes and campaigns that are paused, with the reason."""
    ended: tuple[Ended, ...] = ()
    """Runs that ended since the snapshot before."""
    upcoming: Upcoming | None = None
    """The next run of any campaign."""
    held: tuple[Left, ...] = ()
    """While nothing is sent: what waits, and for what."""

    @property
    def done(self) -> int:
        """Jobs that need no more sending: with the provider, or ended."""
        return sum(number for state, number in self.states.items() if JobState(state) in LEFT | FINAL)


@frozen
class Left:
    """Messages that a runner left unsent for one reason."""

    rule: str
    """As `held_by` of a message names it."""
    messages: int
    """How many."""
    until: datetime | None
    """When the first of them is processed again; None: when a person has acted."""

    @property
    def needs_no_action(self) -> bool:
        """Whether the messages only wait for a time: nobody has to act, and neither the provider nor a budget holds
        them."""
        return self.until is not None and self.rule not in (RETRY, LANE_PAUSED, Rule.BUDGET)


@frozen
class CampaignSummary:
    """A campaign's state at the end, and the messages of the runs that this runner saw."""

    campaign: str
    state: CampaignState
    reason: str | None
    states: dict[str, int]
    left: tuple[Left, ...] = ()
    next_run: datetime | None = None


@frozen
class RunSummary:
    """How a runner ended."""

    states: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False
    """Stopped by a signal."""
    stopped_by: tuple[str, ...] = ()
    """Why work was left: paused lanes and campaigns, with the reason."""
    left: tuple[Left, ...] = ()
    """What waits and for what, unless it was stopped by a signal."""
    campaigns: tuple[CampaignSummary, ...] = ()
    """The campaigns that had an open run, or wait for one."""

"""What needs somebody now, what is running, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.views.status import Status, StatusLine, status
from app.wiring.settings import Settings
from campaigns.figures import counted
from campaigns.states import CampaignState
from storage.database.engine import Connection
from storage.views.campaign_status import OVER

SOON: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that goes on only when a person acts."""

    kind: str
    """doubt, approval, paused, sender or runner."""
    sentence: str
    campaign: str | None = None
    """The campaign that it is about; None: a sender, or all."""


@dataclass(frozen=True)
class Today:
    """The first page."""

    status: Status
    decisions: Sequence[Decision]
    running: Sequence[StatusLine]
    coming: Sequence[StatusLine]
    """Campaigns with a run within 24 hours, the next first."""
    ended: Sequence[StatusLine]
    has_accounts: bool = True
    """Whether there is one to send through."""


async def today(connection: Connection, settings: Settings, now: datetime) -> Today:
    found = await status(connection, settings, now)
    lines = found.campaigns
    due = [line for line in lines if line.status.next_at is not None and line.status.next_at <= now + SOON]
    return Today(
        found,
        list(_decisions(found)),
        [line for line in lines if line.status.state == CampaignState.RUNNING],
        sorted(due, key=lambda line: line.status.next_at or now),
        [line for line in lines if line.status.state in OVER],
        bool(settings.accounts),
    )


def _decisions(found: Status) -> Iterator[Decision]:
    if found.needs_runner:
        yield Decision("runner", "Campaigns wait, and no process sends: start drumbeat up or drumbeat run.")
    for pause in found.paused_lanes:
        yield Decision("sender", f"{pause.lane} is paused: {pause.reason}")
    for line in found.campaigns:
        one = line.status
        if one.in_doubt:
            told = f"{one.name} has {counted(one.in_doubt, 'message')} in doubt: it is not known whether they arrived."
            yield Decision("doubt", told, one.name)
        if line.problem and one.state == CampaignState.PAUSED:
            yield Decision("paused", f"{one.name} is paused: {line.problem}", one.name)
        if line.problem and one.state == CampaignState.SCHEDULED:
            yield Decision("approval", f"{one.name} does not start: {line.problem}", one.name)

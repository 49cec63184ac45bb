"""What needs somebody now, what is running and how fast, what comes next, what is spent, and how the senders are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from app.views.campaigns.budget_lines import BudgetLine, budget_lines
from app.views.campaigns.paces import APART, PACE_OF, STRETCHES, pace_of_now
from app.views.campaigns.status import Status, StatusLine, status
from app.wiring.needed_secrets import awaits_webhooks
from app.wiring.settings import Settings
from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.states import CampaignState
from scheduler.clock.progress import PACING
from scheduler.notify.conditions import silent_accounts
from storage.database.engine import Connection
from storage.sending.lanes import read_lanes
from storage.sending.limits import SenderLimit, find_limits
from storage.sending.workers import call_rates
from storage.views.campaign_status import OVER
from storage.views.live import calls_per_run, last_calls

SOON: Final = timedelta(hours=24)
MOST: Final = 20
"""Budgets and senders that are shown; other pages have all."""


@frozen
class Decision:
    """Something that goes on only when a person acts."""

    kind: str
    """doubt, approval, paused, sender, webhooks or runner."""
    sentence: str
    campaign: str | None = None
    """The campaign that it is about; None: a sender, or all."""


@frozen
class Running:
    """A campaign that is being sent."""

    line: StatusLine
    per_second: float
    """Its pace of now."""

    @property
    def left(self) -> timedelta | None:
        """How long the messages that only wait for their turn take at this pace; None: it sends nothing now."""
        ready = sum(left.messages for left in self.line.held if left.rule == PACING)
        return timedelta(seconds=ceil(ready / self.per_second)) if ready and self.per_second else None


@frozen
class SenderHealth:
    """A sender at a glance."""

    lane: str
    paused: str | None
    """Why; None: it can send."""
    per_second: float
    quality: str | None
    """As its provider shows it, such as GREEN; None: not known."""


@frozen
class Today:
    """The first page."""

    status: Status
    decisions: Sequence[Decision]
    running: Sequence[Running]
    coming: Sequence[StatusLine]
    """Campaigns with a run within 24 hours, the next first."""
    ended: Sequence[StatusLine]
    budgets: Sequence[BudgetLine]
    senders: Sequence[SenderHealth]
    """MOST of them at most."""
    more_senders: int
    has_accounts: bool = True
    """Whether there is one to send through."""


async def today(connection: Connection, settings: Settings, now: datetime) -> Today:
    found = await status(connection, settings, now)
    lines = found.campaigns
    due = [line for line in lines if line.status.next_at is not None and line.status.next_at <= now + SOON]
    lanes = sorted(settings.lanes)
    return Today(
        found,
        [*_decisions(found), *await _silent(connection, settings, now)],
        await _running(connection, [line for line in lines if _is(line, CampaignState.RUNNING)], now),
        sorted(due, key=lambda line: line.status.next_at or now),
        [line for line in lines if line.status.state in OVER],
        await _budgets(connection, lines, now),
        await _senders(connection, settings, found, lanes[:MOST], now),
        max(0, len(lanes) - MOST),
        bool(settings.accounts),
    )


def _is(line: StatusLine, *states: CampaignState) -> bool:
    return line.status.state in states


async def _running(connection: Connection, lines: Sequence[StatusLine], now: datetime) -> list[Running]:
    runs = [line.status.run_id for line in lines if line.status.run_id is not None]
    calls = await calls_per_run(connection, runs, now, each=PACE_OF, many=STRETCHES)
    last = await last_calls(connection, runs, APART)
    return [
        Running(line, pace_of_now(calls.get(run, 0), last.get(run), now))
        for line in lines
        for run in [line.status.run_id or 0]
    ]


async def _budgets(connection: Connection, lines: Sequence[StatusLine], now: datetime) -> list[BudgetLine]:
    """Of campaigns under way, those that were drawn on."""
    under_way = [one.status for one in lines if _is(one, CampaignState.RUNNING, CampaignState.PAUSED)]
    found = await budget_lines(connection, {one.id: one.name for one in under_way}, now)
    drawn = [line for one in under_way for line in found.get(one.id, ()) if line.drawn]
    return drawn[:MOST]


async def _senders(
    connection: Connection, settings: Settings, found: Status, lanes: Sequence[str], now: datetime
) -> list[SenderHealth]:
    paused = {pause.lane: pause.reason for pause in found.paused_lanes}
    rates = await call_rates(connection, now)
    limits: Mapping[str, SenderLimit] = {
        each.lane: each for each in await find_limits(connection, settings.accounts.keys())
    }
    return [
        SenderHealth(
            lane,
            paused.get(lane),
            rates.get(lane, 0.0),
            limits[lane].quality if lane in limits else None,
        )
        for lane in lanes
    ]


async def _silent(connection: Connection, settings: Settings, now: datetime) -> list[Decision]:
    accounts = {
        name: [f"{name}/{sender.name}" for sender in account.senders]
        for name, account in settings.accounts.items()
        if awaits_webhooks(account)
    }
    sent = {name: row.last_sent_at for name, row in (await read_lanes(connection)).items()}
    silent = await silent_accounts(connection, accounts, sent, now)
    told = "{0} sends no webhooks: messages were accepted more than 15 minutes ago, and no receipt came."
    return [Decision("webhooks", told.format(account)) for account, _ in silent]


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

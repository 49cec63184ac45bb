"""Each sender: how fast it sends against its limit, what waits for it and why, who holds it; and its account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from app.wiring.needed_secrets import receives_webhooks
from app.wiring.settings import Settings
from campaigns.errors import NotFound
from campaigns.frozen import frozen
from campaigns.time.pace import Rate
from providers.registry import capabilities_of
from storage.database.engine import Connection
from storage.receipts.notices import LastBalance, NoticeRow, last_balance, newest_notices
from storage.receipts.webhook_overview import (
    Refusals,
    SetAside,
    list_refusals,
    list_set_aside,
    newest_arrivals,
)
from storage.sending.workers import SILENT, LaneView, WorkerRow, list_workers, view_lanes
from storage.views.metrics_snapshot import MetricsSnapshot, read_metrics
from storage.views.overview import LanePause, paused_lanes

NOTICES: Final = 20
PAGE: Final = 50


@frozen
class Sender:
    """One sender of drumbeat.toml."""

    lane: str
    limit: Rate | None
    view: LaneView | None
    """None: nothing was ever sent by it."""
    pause: LanePause | None
    waiting: Mapping[str, int]
    """By rule: what its messages wait for."""
    in_doubt: int


@frozen
class AccountSenders:
    """An account with its senders."""

    name: str
    adapter: str
    limit: Rate | None
    senders: Sequence[Sender]
    has_sessions: bool
    """Whether phones are connected by QR code."""
    balance: LastBalance | None
    by_webhook: bool
    """Whether its provider sends webhooks, by the settings."""
    arrived_at: datetime | None
    """When its newest webhook arrived; None: it is not among the newest of all accounts."""
    unread: int
    """Webhooks that wait to be read."""
    refusals: Refusals | None


@frozen
class Senders:
    accounts: Sequence[AccountSenders]
    notices: Sequence[NoticeRow]
    at: datetime


async def senders(connection: Connection, settings: Settings, now: datetime) -> Senders:
    """Every account of drumbeat.toml, in its order."""
    metrics = await read_metrics(connection, now, now - SILENT)
    views = {view.name: view for view in await view_lanes(connection, now)}
    pauses = {each.lane: each for each in await paused_lanes(connection, sorted(settings.lanes), now)}
    refusals = {each.account: each for each in await list_refusals(connection)}
    names = list(settings.accounts)
    arrived = await newest_arrivals(connection)
    accounts = []
    for name, account in settings.accounts.items():
        lanes = [f"{name}/{sender.name}" for sender in account.senders]
        accounts.append(
            AccountSenders(
                name,
                account.adapter,
                account.rate,
                [
                    Sender(
                        lane,
                        sender.rate,
                        views.get(lane),
                        pauses.get(lane),
                        _waiting(metrics, lane),
                        metrics.in_doubt.get(lane, 0),
                    )
                    for lane, sender in zip(lanes, account.senders, strict=True)
                ],
                capabilities_of(account.adapter).sessions,
                await last_balance(connection, name),
                receives_webhooks(account),
                arrived.get(name),
                metrics.webhooks.get(name, 0),
                refusals.get(name),
            )
        )
    return Senders(accounts, await newest_notices(connection, names, NOTICES), now)


def _waiting(metrics: MetricsSnapshot, lane: str) -> dict[str, int]:
    found = {rule: count for (name, rule), count in metrics.backlog.items() if name == lane}
    return dict(sorted(found.items(), key=lambda each: -each[1]))


@frozen
class Processes:
    """The processes that work on the database."""

    rows: Sequence[WorkerRow]
    lanes: Sequence[LaneView]
    at: datetime

    def held_by(self, row: WorkerRow) -> Sequence[str]:
        """The senders that the process holds now."""
        return [lane.name for lane in self.lanes if lane.holder == row.name]

    def is_silent(self, row: WorkerRow) -> bool:
        return self.at - row.seen_at > SILENT


async def processes(connection: Connection, now: datetime) -> Processes:
    return Processes(await list_workers(connection), await view_lanes(connection, now), now)


@frozen
class SetAsidePage:
    """Webhooks that could not be read, the newest first."""

    rows: Sequence[SetAside]
    older: int | None
    """Where the next page begins; None: this is the last."""


async def set_aside_page(connection: Connection, *, before: int | None = None) -> SetAsidePage:
    found = await list_set_aside(connection, PAGE + 1, before=before)
    return SetAsidePage(found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None)


def require_account(settings: Settings, name: str) -> None:
    """Raises NotFound."""
    if name not in settings.accounts:
        raise NotFound(f"There is no account {name}.")

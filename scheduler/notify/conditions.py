"""What to notify people of that is a state and not a moment: the clock compares it with what was announced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from campaigns.figures import counted
from campaigns.masking import masked
from campaigns.money.costs import Money, from_micros, plain
from campaigns.notify_events import NotifyEvent
from scheduler.sending.lanes import Lane
from storage.database.engine import Connection
from storage.notify.deliveries import first_since
from storage.notify.events import Occurrence
from storage.runs.budget_limits import budgets_of_runs
from storage.runs.runs import RunRow, runs_open_since
from storage.sending.lanes import LaneRow, read_lanes
from storage.views.conditions import (
    awaits_receipt,
    budgets_of,
    doubtful_runs,
    newest_webhook,
    rejected_rows,
)

DOUBTFUL_FOR: Final = timedelta(minutes=5)
"""Messages so long in doubt were looked up where that is possible: only a person can settle them."""
SILENT_FOR: Final = timedelta(minutes=15)
"""The first receipts of accepted messages come within seconds."""
SENT_WITHIN: Final = timedelta(days=1)
"""Silence of an account that sent nothing for longer is none."""
USED_SHARE: Final = Decimal("0.8")
ENDED_WITHIN: Final = timedelta(minutes=10)
"""A short run may use up its budget and end between two looks."""
LOADED_WITHIN: Final = timedelta(days=30)


async def find_conditions(
    connection: Connection,
    wanted: Collection[NotifyEvent],
    lanes: Mapping[str, Lane],
    rejects_above: int,
    now: datetime,
    *,
    doubtful_for: timedelta = DOUBTFUL_FOR,
) -> list[Occurrence]:
    """All that holds now of the kinds that anybody wants."""
    found: list[Occurrence] = []
    if NotifyEvent.IN_DOUBT in wanted:
        found += await _doubts(connection, now - doubtful_for)
    if NotifyEvent.SENDER_DOWN in wanted or NotifyEvent.WEBHOOKS_SILENT in wanted:
        rows = {name: row for name, row in (await read_lanes(connection)).items() if name in lanes}
        if NotifyEvent.SENDER_DOWN in wanted:
            found += _senders_down(rows.values())
        if NotifyEvent.WEBHOOKS_SILENT in wanted:
            found += await _silent_accounts(connection, lanes, rows, now)
    if NotifyEvent.BUDGET in wanted:
        found += await _used_budgets(connection, now)
    if NotifyEvent.REJECTS in wanted:
        found += await _rejects(connection, rejects_above, now)
    return found


async def _doubts(connection: Connection, since: datetime) -> list[Occurrence]:
    return [
        Occurrence(
            NotifyEvent.IN_DOUBT,
            f"run:{each.run_id}",
            campaign_id=each.campaign_id,
            run_id=each.run_id,
            amount=each.messages,
        )
        for each in await doubtful_runs(connection, since)
    ]


def _senders_down(rows: Iterable[LaneRow]) -> list[Occurrence]:
    """A pause with an end of its own, such as after too many calls, is no fault of the sender."""
    down = [row for row in rows if row.paused_reason is not None and row.paused_until is None]
    return [
        Occurrence(NotifyEvent.SENDER_DOWN, f"lane:{row.name}", masked(row.paused_reason or ""))
        for row in down
    ]


async def _silent_accounts(
    connection: Connection, lanes: Mapping[str, Lane], rows: Mapping[str, LaneRow], now: datetime
) -> list[Occurrence]:
    sent = {name: row.last_sent_at for name, row in rows.items()}
    silent = await silent_accounts(connection, _accounts_with_webhooks(lanes), sent, now)
    return [
        Occurrence(NotifyEvent.WEBHOOKS_SILENT, f"account:{account}", _since(came))
        for account, came in silent
    ]


async def silent_accounts(
    connection: Connection,
    accounts: Mapping[str, Collection[str]],
    sent: Mapping[str, datetime | None],
    now: datetime,
) -> list[tuple[str, datetime | None]]:
    """Those whose accepted messages get no receipts, and when their newest webhook came. `accounts`: the lanes of those
    whose webhooks are set up here; `sent`: when each lane sent last."""
    silent = []
    for account, names in accounts.items():
        last = max((at for name in names if (at := sent.get(name)) is not None), default=None)
        if last is None or last < now - SENT_WITHIN:
            continue
        came = await newest_webhook(connection, account)
        after = max(came or now - SENT_WITHIN, now - SENT_WITHIN)
        if await awaits_receipt(connection, names, after, now - SILENT_FOR):
            silent.append((account, came))
    return silent


def _since(came: datetime | None) -> str:
    return f"The last one came at {came:%Y-%m-%d %H:%M} UTC." if came else "None has ever come."


def _accounts_with_webhooks(lanes: Mapping[str, Lane]) -> dict[str, list[str]]:
    """Account -> its lanes, of the accounts whose webhooks are set up here."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, lane in lanes.items():
        set_up = any(lane.account.settings.webhook_secrets.values())
        if set_up and lane.adapter.capabilities.webhooks:
            found[lane.account.name].append(name)
    return found


async def _used_budgets(connection: Connection, now: datetime) -> list[Occurrence]:
    recent = await runs_open_since(connection, now - ENDED_WITHIN)
    runs = {run.id: run for run in recent if not run.is_test}
    limits: dict[str, tuple[RunRow, Money]] = {}
    for run_id, budget in (await budgets_of_runs(connection, runs.keys())).items():
        limits |= {key: (runs[run_id], limit) for key, limit in _limits(runs[run_id], budget)}
    found = []
    for used in await budgets_of(connection, limits.keys()):
        run, limit = limits.get(used.key) or limits[used.key.rpartition(":")[0] + ":"]
        if _is_current(used.key, now) and used.micros >= limit.micros * USED_SHARE:
            found.append(_used(run, used.key, from_micros(used.micros), limit))
    return found


def _limits(run: RunRow, budget: Mapping[str, Any]) -> Iterable[tuple[str, Money]]:
    """The keys of the run's budgets; those of days and months without the date."""
    keys = {
        "max": f"{run.campaign_id}:run:{run.parent_id or run.id}",
        "per_day": f"{run.campaign_id}:day:",
        "per_month": f"{run.campaign_id}:month:",
    }
    for name, key in keys.items():
        if budget.get(name) is not None:
            yield key, Money(Decimal(str(budget[name])), budget["currency"])


def _is_current(key: str, now: datetime) -> bool:
    """Whether the budget's day or month is not over, wherever the campaign's zone is."""
    _, kind, which = key.split(":")
    return kind == "run" or which >= (now - timedelta(days=1)).date().isoformat()[: len(which)]


def _used(run: RunRow, key: str, used: Decimal, limit: Money) -> Occurrence:
    kind = key.split(":")[1]
    detail = f"{plain(used)} of {plain(limit.amount)} {limit.currency} for each {kind} is spent or reserved."
    about = f"budget:{key}:{limit.micros}"
    return Occurrence(NotifyEvent.BUDGET, about, detail, campaign_id=run.campaign_id, run_id=run.id)


async def _rejects(connection: Connection, above: int, now: datetime) -> list[Occurrence]:
    since = max(await first_since(connection) or now, now - LOADED_WITHIN)
    return [
        Occurrence(
            NotifyEvent.REJECTS,
            f"import:{each.import_id}",
            f"{counted(each.rejected, 'row')} of {each.rows:,} cannot be used.",
            campaign_id=each.campaign_id,
            amount=each.rejected,
        )
        for each in await rejected_rows(connection, since, above)
    ]

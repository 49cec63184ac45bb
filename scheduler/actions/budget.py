"""Raise or lower a budget of a campaign, also while it is sending.

The sender reads the limits under the lock of the campaign's budgets, in the transaction in which it decides: once
`change_budget` has held that lock, no message is sent that the new limit does not allow.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from campaigns.errors import InvalidInput
from campaigns.frozen import frozen
from campaigns.money.costs import from_micros, plain
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, RunState
from campaigns.time.clock import Now, utc_now
from storage.audience.audience import lock_campaign
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Engine, lock_names, not_yet_done, writing
from storage.runs.budget_limits import OpenRun, change_campaign, change_runs, open_runs_of
from storage.runs.campaign_events import add_campaign_event
from storage.runs.pausing import OUT_OF_BUDGET, resume_run
from storage.sending.budgets import budget_lock, used_of
from storage.sending.freed_room import Freed, wake

Per = Literal["run", "day", "month"]
KEYS: dict[Per, str] = {"run": "max", "day": "per_day", "month": "per_month"}
OVER = (CampaignState.COMPLETED, CampaignState.CANCELLED)


@frozen
class BudgetChange:
    """A budget before and after."""

    per: Per
    currency: str
    before: Decimal
    after: Decimal
    used: Decimal
    """Spent and reserved by the run that has used most; of days and months not known here: 0."""
    resumed: bool
    """Whether a run that had been paused by the budget goes on."""
    paused: str | None
    """Why the campaign is paused all the same."""


async def change_budget(
    engine: Engine, name: str, amount: str, per: Per = "run", *, now: Now = utc_now
) -> BudgetChange:
    """Set the budget of each run, day or month to `amount`, in the campaign's currency. A run that the budget had
    paused goes on if the new one leaves room.

    Raises NotFound, InvalidInput where the campaign is over or has no such budget, SpecError where the amount is none.
    """
    moment = now()
    with not_yet_done():
        campaign, before, after = await _store_limit(engine, name, amount, per, moment)
        used = await _used(engine, campaign.id) if per == "run" else {}
    async with writing(engine) as connection:
        resumed = [run.id for run, drawn in used.items() if _is_stopped_by_budget(run) and drawn < after]
        for run_id in resumed:
            await resume_run(connection, run_id, OUT_OF_BUDGET, moment)
        await wake(connection, Freed(budgets={(campaign.spec.provider, campaign.id)}), moment)
        left = await require(connection, name)
    paused = left.reason if left.state is CampaignState.PAUSED else None
    most = max(used.values(), default=Decimal(0))
    return BudgetChange(per, _currency(campaign), before, after, most, bool(resumed), paused)


async def _store_limit(
    engine: Engine, name: str, amount: str, per: Per, now: datetime
) -> tuple[Campaign, Decimal, Decimal]:
    """Change the limit of the campaign and of its runs; the campaign as it was, the limit before and after."""
    key = KEYS[per]

    def change(spec: str) -> str:
        return CampaignSpec.from_json(spec).changed(budget={key: amount}).to_json()

    async with writing(engine) as connection:
        campaign = await require(connection, name)
        before = _limit(campaign, per)
        after: Decimal = getattr(campaign.spec.changed(budget={key: amount}).budget, key)
        await change_runs(connection, campaign.id, change)
        await lock_campaign(connection, campaign.id)
        await change_campaign(connection, campaign.id, change, now)
        await change_runs(connection, campaign.id, change)  # including one that was launched meanwhile
        if before != after:
            detail = f"per {per}: {plain(before)} to {plain(after)} {_currency(campaign)}"
            await add_campaign_event(connection, campaign.id, "budget", detail, now)
    return campaign, before, after


async def _used(engine: Engine, campaign_id: int) -> dict[OpenRun, Decimal]:
    """Spent and reserved by each run that has not ended. Once the lock is held, every sender has read the new limit or
    has stored what it sends by the old one. By itself: a sender may hold a run and wait for the lock.

    A retry draws on the budget of the run that it retries.
    """
    async with writing(engine) as connection:
        await lock_names(connection, [budget_lock(campaign_id)])
        keys = {
            run: f"{campaign_id}:run:{run.parent_id or run.id}"
            for run in await open_runs_of(connection, campaign_id)
        }
        used = await used_of(connection, set(keys.values()))
    return {run: from_micros(used.get(key, 0)) for run, key in keys.items()}


def _is_stopped_by_budget(run: OpenRun) -> bool:
    return run.state is RunState.PAUSED and (run.reason or "").startswith(OUT_OF_BUDGET)


def _currency(campaign: Campaign) -> str:
    return campaign.spec.budget.currency if campaign.spec.budget else ""


def _limit(campaign: Campaign, per: Per) -> Decimal:
    """The limit as it is. Raises InvalidInput where there is none to change."""
    if campaign.state in OVER:
        raise InvalidInput(f"{campaign.name} is {campaign.state}: its budget can no longer be changed.")
    budget = campaign.spec.budget
    if budget is None:
        raise InvalidInput(
            f"{campaign.name} has no budget.",
            hint="A budget is given before the start: [budget] in the campaign file.",
        )
    limit: Decimal | None = getattr(budget, KEYS[per])
    if limit is None:
        others = [kind for kind, key in KEYS.items() if getattr(budget, key) is not None]
        raise InvalidInput(
            f"{campaign.name} has no budget for each {per}.",
            hint=f"Its budget is for each {' and '.join(others)}: use --per {others[0]}.",
        )
    return limit

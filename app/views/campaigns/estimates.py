"""The expected cost and duration of a campaign under the current settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from app.wiring.settings import Settings
from campaigns.time.clock import Now, utc_now
from scheduler.forecast import forecast
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from storage.audience.campaigns import require
from storage.database.engine import Connection

if TYPE_CHECKING:
    from app.views.answers.campaigns import CostLine, EstimatedCampaign, EstimatedCosts


async def estimate_campaign(
    connection: Connection,
    name: str,
    settings: Settings,
    *,
    now: Now = utc_now,
    progress: Callable[[int], None] | None = None,
) -> Estimate:
    """Estimate the campaign; `progress` receives the number of recipients processed so far.

    Raises NotFound where there is no such campaign, or the settings lack its account or sender.
    """
    campaign = await require(connection, name)
    account = settings.account(campaign.spec.provider)
    return await estimate(
        connection, campaign, account, default_caps=settings.caps, now=now, progress=progress
    )


def estimate_json(name: str, found: Estimate) -> EstimatedCampaign:
    """As `campaign estimate --json` prints it."""
    totals = [{"currency": total.currency, "low": total.low, "high": total.high} for total in found.totals()]
    costs = cast("EstimatedCosts", totals[0] if len(totals) == 1 else {"totals": totals})
    return {
        "campaign": name,
        "at": found.at,
        "recipients": found.recipients,
        "sends": found.sends,
        "skips": found.skips,
        "waits": found.waits,
        "held_back": {"rules": found.held, "share": found.held_share},
        "forms": found.forms,
        "windows": found.windows,
        **costs,
        "unpriced": found.unpriced,
        "within_free_allowance": found.within_allowance,
        "in_free_entry_points": found.free_entries,
        "by_country_and_category": cost_lines(found),
        "budgets": [
            {"budget": b.kind, "left": b.left.amount, "currency": b.left.currency, "enough": b.enough}
            for b in found.budgets
        ],
        "warnings": found.warnings,
        "duration_seconds": round(found.takes.total_seconds(), 3),
        "ends_at": found.ends_at,
        "bound_by": found.binding.name if found.binding else None,
        "limits": [
            {"limit": limit.name, "said": limit.value, "seconds": round(limit.takes.total_seconds(), 3)}
            for limit in found.limits
        ],
    }


def cost_lines(found: Estimate) -> list[CostLine]:
    """By country and category, the dearest first."""
    dearest_first = sorted(
        found.costs.values(),
        key=lambda line: (-line.high, line.country or "", line.category, line.currency or ""),
    )
    return [_cost_json(line) for line in dearest_first]


def _cost_json(line: forecast.CostRange) -> CostLine:
    """Without a currency no price is known: `low` and `high` are null."""
    priced = line.currency is not None
    return {
        "country": line.country,
        "category": line.category,
        "currency": line.currency,
        "messages": line.messages,
        "low": line.low if priced else None,
        "high": line.high if priced else None,
        "unpriced": line.unpriced,
    }

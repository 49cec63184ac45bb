"""The most that a campaign may cost: every recipient gets the most expensive form. Used by approval, so it must be
quick."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from campaigns.money.costs import NO_CURRENCY, Money
from campaigns.money.prices import Price
from campaigns.rules.names import Form
from scheduler.sending.lanes import Lane
from scheduler.sending.plans import Plan, stored_plan
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from storage.views.estimates import count_by_prefix


async def worst_case(
    connection: Connection,
    campaign: Campaign,
    lane: Lane,
    at: datetime,
    *,
    prices: Connection | None = None,
) -> Money | None:
    """The most that a run launched at `at` may cost; None where a price is not known. `lane`: any of its lanes;
    `prices`: the database that knows them, if the audience is in another one."""
    plan = await stored_plan(prices or connection, campaign.spec, lane)
    total = Money(Decimal(0), NO_CURRENCY)
    for prefix, count in await count_by_prefix(connection, campaign.id):
        possible = list(_possible(plan, prefix, lane.adapter.capabilities.windows, at))
        dearest = max((price.money.amount for price in possible if price), default=None)
        if dearest is None or None in possible:
            return None
        currency = next(price.money.currency for price in possible if price)
        total = Money(total.amount + count * dearest, currency)
    return total


def _possible(plan: Plan, phone: str, has_windows: bool, at: datetime) -> Iterator[Price | None]:
    """What each way costs in which the message may go."""
    for category in {policy.category for policy in plan.policies.values()}:
        if Form.FREE in plan.policy.forms:
            yield plan.price(phone, category, template=False, window_open=has_windows, at=at)
        if Form.TEMPLATE in plan.policy.forms and (has_windows or Form.FREE not in plan.policy.forms):
            for window_open in (False, True):
                yield plan.price(phone, category, template=True, window_open=window_open, at=at)

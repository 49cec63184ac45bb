"""The approval that a large or expensive campaign needs before it is launched; any change voids it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from campaigns.approval import NEEDED, ApprovalLimits
from campaigns.errors import Stopped
from campaigns.frozen import frozen
from campaigns.money.costs import Money
from storage.audience.approvals import approval_of, digest_campaign
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection

WorstCase = Callable[[Connection, Campaign], Awaitable[Money | None]]
"""The most that the campaign may cost, or None where a price is not known."""


@frozen
class Guard:
    """What is asked before a launch."""

    limits: ApprovalLimits
    worst_case: WorstCase | None = None


NO_GUARD: Final = Guard(ApprovalLimits())


async def approval_need(connection: Connection, campaign: Campaign, guard: Guard) -> str | None:
    """Why the campaign is not launched without an approval, or None."""
    if guard == NO_GUARD:
        return None
    from storage.views.estimates import count_recipients  # not loaded where nothing needs an approval

    recipients = await count_recipients(connection, campaign.id)
    asked = guard.worst_case if guard.limits.amount else None
    worst_case = await asked(connection, campaign) if asked else None
    return guard.limits.reason(recipients, worst_case)


async def approval_problem(
    connection: Connection, campaign: Campaign, guard: Guard, start_at: datetime | None = None
) -> str | None:
    """Why the campaign may not be launched, a sentence, or None.

    `start_at`: when it is about to start; None: as stored. Who launches holds the campaign's lock: no load may change
    it in between.
    """
    need = await approval_need(connection, campaign, guard)
    if need is None:
        return None
    approval = await approval_of(connection, campaign.id)
    if approval is None:
        return f"{NEEDED}: {need}."
    if await digest_campaign(connection, campaign.id, start_at) != approval.digest:
        return f"{NEEDED} again, because it was changed after {approval.by} approved it: {need}."
    return None


async def refuse_unapproved(
    connection: Connection, campaign: Campaign, guard: Guard, start_at: datetime | None = None
) -> None:
    """Raise Stopped where the campaign may not be launched for want of approval."""
    if problem := await approval_problem(connection, campaign, guard, start_at):
        raise Stopped(
            f"{campaign.name} does not start. {problem}", hint=f"drumbeat campaign approve {campaign.name}"
        )

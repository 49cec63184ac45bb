"""Which campaign a list may be loaded into: a new one, one not started, or one that recurs for its later runs."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from app.actions.scheduling import start_flag
from campaigns.errors import InvalidInput
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState
from storage.audience.audience import lock_campaign
from storage.audience.campaigns import Campaign, create, find, lock_name, require, was_launched
from storage.database.engine import Connection

OPEN: Final = (CampaignState.DRAFT, CampaignState.SCHEDULED)
UNDER_WAY: Final = (CampaignState.RUNNING, CampaignState.PAUSED)


async def open_campaign(
    connection: Connection, spec: CampaignSpec, now: datetime, *, replaces: bool
) -> Campaign:
    """The campaign to load into, locked: it cannot be launched before this transaction ends."""
    await lock_name(connection, spec.name)
    found = await find(connection, spec.name)
    if found is None:
        return await create(connection, spec, now)
    await lock_campaign(connection, found.id)
    found = await require(connection, spec.name)
    if not await is_open(connection, found):
        if not (replaces and spec.schedule.recurs and found.state in UNDER_WAY):
            raise InvalidInput(
                f"Campaign {spec.name} is {found.state.value}; a campaign that has started is not changed.",
                hint=_instead(found),
            )
        _refuse_other_changes(spec, found)
    elif await was_launched(connection, found.id):
        _refuse_other_currency(spec, found)
    return found


def _refuse_other_currency(spec: CampaignSpec, found: Campaign) -> None:
    """Raise InvalidInput if a day's or month's budget would be in another currency than what was spent of it."""
    new, stored = spec.budget, found.spec.budget
    if new is None or stored is None or new.currency == stored.currency:
        return
    if new.per_day is not None or new.per_month is not None:
        raise InvalidInput(
            f"{spec.name} has spent in {stored.currency}: that cannot be counted in a budget in {new.currency}.",
            hint="Give the campaign file another name; that makes it a new campaign.",
        )


def _refuse_other_changes(spec: CampaignSpec, found: Campaign) -> None:
    """Raise InvalidInput if more than the list of a campaign under way would be replaced."""
    if spec.audience.refresh is not None:
        raise InvalidInput(f"{spec.name} reads its list again for each run; replace the file itself.")
    new, stored = (each.model_dump(mode="json", exclude={"audience"}) for each in (spec, found.spec))
    changed = sorted(key for key in new if new[key] != stored[key])
    if changed:
        raise InvalidInput(
            f"{spec.name} has started: only its list can be replaced, and its file differs in "
            f"{', '.join(changed)}.",
            hint="Undo that in the campaign file, or give it another name.",
        )


async def is_open(connection: Connection, campaign: Campaign) -> bool:
    """Whether its file and its list may still change: it has not been launched yet."""
    if campaign.state is CampaignState.PAUSED:
        return not await was_launched(connection, campaign.id)
    return campaign.state in OPEN


def _instead(campaign: Campaign) -> str:
    """What to do instead."""
    another = "Give the campaign file another name; that makes it a new campaign."
    match campaign.state:
        case CampaignState.RUNNING:
            return f"{another} To stop this one first: drumbeat campaign pause {campaign.name}"
        case CampaignState.PAUSED:
            return f"{another} To end this one first: drumbeat campaign cancel {campaign.name}"
        case _:
            flag = start_flag(campaign.spec.schedule)
            return (
                f"{another} To send the same message again: drumbeat campaign clone {campaign.name} NEW{flag}"
            )

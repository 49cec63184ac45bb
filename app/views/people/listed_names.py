"""People whom a list names by a provider's user id, and whose number was learnt later: they are looked for and shown by
their number."""

from __future__ import annotations

from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from storage.receipts.user_ids import numbers_of_placeholders, placeholders_of
from storage.views.timelines import find_jobs, find_row


async def listed_name(connection: Connection, campaign: Campaign, phone: str) -> str:
    """What the campaign's messages have in place of this number: itself, or the placeholder of the person's user id."""
    names = (await placeholders_of(connection, campaign.spec.provider, [phone])).get(phone, [])
    for name in [phone, *names] if names else ():
        if await find_row(connection, campaign.id, name) or await find_jobs(connection, campaign.id, name):
            return name
    return phone


async def shown_number(connection: Connection, phone: str) -> str:
    """The number, also of a placeholder whose number is known by now; else the placeholder."""
    return (await numbers_of_placeholders(connection, [phone])).get(phone, phone)

"""What a campaign is recognized by that somebody has looked at."""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.access.audit import campaign_facts
from storage.audience.campaigns import require


async def campaign_version(connection: AsyncConnection, name: str) -> str:
    """What changes with whatever a person can change of the campaign, and stays while it sends. Raises NotFound."""
    campaign = await require(connection, name)
    facts = await campaign_facts(connection, name)
    return sha256(repr((campaign.id, facts, campaign.spec.to_json())).encode()).hexdigest()[:16]

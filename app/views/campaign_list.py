"""The list of campaigns, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.states import CampaignState
from storage.database.engine import Connection
from storage.views.campaign_status import CampaignStatus, page_of_campaigns

PAGE: Final = 50


@dataclass(frozen=True)
class CampaignPage:
    """A page of campaigns, the newest first."""

    campaigns: Sequence[CampaignStatus]
    older: int | None
    """Where the next page begins; None: this is the last."""


async def campaign_page(
    connection: Connection,
    *,
    before: int | None = None,
    state: CampaignState | None = None,
    part_of_name: str = "",
    size: int = PAGE,
) -> CampaignPage:
    """`before`: the `older` of the page before."""
    found = await page_of_campaigns(
        connection, size + 1, before=before, state=state, part_of_name=part_of_name
    )
    return CampaignPage(found[:size], found[size - 1].id if len(found) > size else None)

"""The list of campaigns, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.wiring.rights import AUTHORING
from campaigns.states import CampaignState
from storage.access.audit import who_did
from storage.database.engine import Connection
from storage.views.campaign_status import CampaignStatus, page_of_campaigns

PAGE: Final = 50


@dataclass(frozen=True)
class CampaignPage:
    """A page of campaigns, the newest first."""

    campaigns: Sequence[CampaignStatus]
    owners: Mapping[str, str]
    """Who has loaded each, by its name, as far as the audit knows."""
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
    shown = found[:size]
    owners = await who_did(connection, AUTHORING, [each.name for each in shown])
    return CampaignPage(shown, owners, found[size - 1].id if len(found) > size else None)

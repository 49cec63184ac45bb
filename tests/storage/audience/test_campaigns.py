"""A stored campaign, and what is known of it without its whole file."""

from __future__ import annotations

from datetime import UTC, datetime

from campaigns.states import CampaignState
from storage.audience.campaigns import Campaign
from tests.support.campaigns import spec


def test_its_lanes_are_those_of_its_file() -> None:
    file = spec("spring", provider="meta", senders=["two", "one"])
    stored = Campaign(1, "spring", CampaignState.DRAFT, None, file.to_json(), None, datetime.now(UTC))
    assert stored.lanes == file.lanes == ("meta/two", "meta/one")
    assert "spec" not in vars(stored)

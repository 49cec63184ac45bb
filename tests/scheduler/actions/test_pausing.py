"""A pause by a person ends by a person alone, whatever they give as its reason."""

from __future__ import annotations

import pytest

from campaigns.states import CampaignState
from scheduler.actions.approving import approve
from scheduler.actions.budget import change_budget
from scheduler.actions.control import pause
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading
from tests.support.campaigns import later, spec, store_campaign

BUDGET = {"max": "5.00", "currency": "XOF"}


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("It needs approval by legal", "by a person: It needs approval by legal"),
        ("budget_reached? I look at it", "by a person: budget_reached? I look at it"),
        ("stock is out", "stock is out"),
        ("half\0a word", "halfa word"),
    ],
)
async def test_neither_an_approval_nor_a_raised_budget_ends_it(
    engine: Engine, reason: str, kept: str
) -> None:
    await store_campaign(engine, spec(budget=BUDGET), 2, start_at=later(0))
    await launch_due(engine, now=lambda: later(0))
    await pause(engine, "spring", reason)
    _, goes_on = await approve(engine, "spring", "ada")
    change = await change_budget(engine, "spring", "9.00")
    assert (goes_on, change.resumed) == (False, False)
    async with reading(engine) as connection:
        campaign = await require(connection, "spring")
    assert (campaign.state, campaign.reason) == (CampaignState.PAUSED, kept)

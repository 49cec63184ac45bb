"""Campaigns of equal priority share a lane: a huge one keeps nobody waiting."""

from __future__ import annotations

from campaigns.time.pace import Rate
from tests.acceptance.conftest import World
from tests.support.campaigns import spec


async def test_a_small_campaign_is_not_kept_waiting_by_a_huge_one(sqlite_world: World) -> None:
    await sqlite_world.campaign(spec("huge"), 150)
    await sqlite_world.campaign(spec("small", content={"text": "small"}), 20)
    sqlite_world.account = sqlite_world.account.model_copy(update={"rate": Rate.parse("40/s")})
    await sqlite_world.run()
    order = [message["content"] for message in await sqlite_world.ledger()]
    assert len(order) == 170
    last_small = max(place for place, content in enumerate(order) if content == "small")
    assert last_small <= 50  # 20 of its own, and as many of the other's, give or take a slice


async def test_nor_where_a_slice_is_one_message(sqlite_world: World) -> None:
    await sqlite_world.campaign(spec("huge"), 20)
    await sqlite_world.campaign(spec("small", content={"text": "small"}), 4)
    sqlite_world.account = sqlite_world.account.model_copy(update={"rate": Rate.parse("8/s")})
    await sqlite_world.run()
    order = [message["content"] for message in await sqlite_world.ledger()]
    assert [place for place, content in enumerate(order) if content == "small"][-1] <= 9

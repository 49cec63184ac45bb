"""The next slice is opened while this one is sent, and no sooner decided about than an opt-out may still count."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from scheduler.sending.facts import gather
from tests.scheduler.sending.test_several_processes import World
from tests.scheduler.sending.test_several_processes import world as world

FULL = 8


async def test_it_is_decided_about_when_half_of_this_one_has_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So an opt-out comes too late for a slice and a half at most; and the other half goes during the commit."""
    for module in ("pacing", "shift"):
        monkeypatch.setattr(f"scheduler.sending.{module}.LARGEST_SLICE", FULL)
    sizes, to_leave, left = [0], [], 0

    async def count(_request: httpx.Request) -> None:
        nonlocal left
        left += 1

    async def gathering(*asked: Any) -> Any:
        to_leave.append((sizes[-1], sum(sizes) - left))
        sizes.append(sum(len(claim.jobs) for claim in asked[3]))
        return await gather(*asked)

    monkeypatch.setattr("scheduler.sending.slicing.gather", gathering)
    world.provider.before_send = count
    await world.campaign(30, pace={"delay_between": 0})
    await world.process("one").shift().run()
    assert left == 30
    assert sizes.count(FULL) >= 2
    assert {waiting for size, waiting in to_leave if size == FULL} == {FULL // 2}

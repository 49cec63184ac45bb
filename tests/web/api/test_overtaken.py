"""A call was done, its answer was lost, and it is repeated after others changed the same: what they did holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from app.actions.repeatable_calls import ABANDONED, RepeatableCall
from storage.audience.campaigns import require
from storage.database.engine import reading, writing
from storage.sending.optouts import PreferenceChange, add_preferences, optout_scopes
from tests.web.api.test_cut_off import Killed, restarted
from tests.web.api.world import World
from web.api.operations import CSV, REPEAT

PHONE = "+447700900012"


async def done_but_not_answered(world: World, address: str, given: Mapping[str, Any]) -> None:
    """The process ends before the answer is stored."""

    async def end(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RepeatableCall, "end", end)
        await world.open()
        with pytest.raises(Killed):
            await world.client.post(address, **given)
    await restarted(world)


async def repeat(world: World, address: str, given: Mapping[str, Any]) -> None:
    answer = await world.client.post(address, **given)
    assert answer.status_code == 200, answer.text


async def test_a_stop_is_not_lifted_by_the_list_of_opt_ins_from_before_it(world: World) -> None:
    headers = {"content-type": CSV, REPEAT: "once"}
    given = {"content": f"phone\n{PHONE}\n", "headers": headers, "params": {"action": "in"}}
    await done_but_not_answered(world, "/contacts/import", given)
    async with writing(world.engine) as connection:
        stop = PreferenceChange(PHONE, "out", "marketing", world.clock(), "STOP")
        await add_preferences(connection, "webhook:shop", [stop])
    world.clock.time += ABANDONED
    await repeat(world, "/contacts/import", given)
    async with reading(world.engine) as connection:
        assert await optout_scopes(connection, [PHONE]) == {PHONE: {"marketing"}}


async def test_a_budget_that_was_lowered_is_not_raised_again(world: World) -> None:
    address, given = "/campaigns/budget/budget", {"json": {"amount": "9.00"}, "headers": {REPEAT: "once"}}
    await done_but_not_answered(world, address, given)
    await repeat(world, address, {"json": {"amount": "2.00"}})
    await repeat(world, address, given)
    async with reading(world.engine) as connection:
        budget = (await require(connection, "budget")).spec.budget
    assert budget is not None
    assert str(budget.max) == "2.00"

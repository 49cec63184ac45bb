"""An approval is of exactly what was approved: any change to it voids it, and nothing else does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from campaigns.approval import ApprovalLimits
from campaigns.errors import InvalidInput, NotFound, Stopped
from campaigns.money.costs import Money
from campaigns.states import CampaignState
from scheduler.actions.approval import NO_GUARD, Guard, approval_problem
from scheduler.actions.approving import approve
from scheduler.actions.control import cancel, pause, resume, schedule
from scheduler.clock.launch import launch_due
from storage.audience.approvals import digest_campaign
from storage.audience.campaigns import Campaign, replace_spec, require
from storage.database.engine import Connection, Engine, reading, writing
from storage.tables.audience import campaigns, recipients
from storage.views.overview import held_before_start
from tests.storage.database.test_plans import undone
from tests.support.campaigns import EPOCH, later, phone, spec, store_campaign

FEW = Guard(ApprovalLimits(3))


async def problem(engine: Engine, guard: Guard = FEW, name: str = "spring") -> str | None:
    async with reading(engine) as connection:
        return await problem_in(connection, guard, name)


async def problem_in(connection: Connection, guard: Guard = FEW, name: str = "spring") -> str | None:
    return await approval_problem(connection, await require(connection, name), guard)


async def test_a_small_campaign_needs_none(engine: Engine) -> None:
    await store_campaign(engine, spec(), 3)
    assert await problem(engine) is None
    assert await problem(engine, NO_GUARD) is None


async def test_a_large_one_needs_one_and_then_has_it(engine: Engine) -> None:
    await store_campaign(engine, spec(), 4)
    assert await problem(engine) == "It needs approval: 4 recipients, more than 3."
    approval, goes_on = await approve(engine, "spring", "ada", now=lambda: later(5))
    assert (approval.by, approval.at, len(approval.digest), goes_on) == ("ada", later(5), 64, False)
    assert await problem(engine) is None


async def _add_recipient(connection: Connection, campaign_id: int) -> None:
    first = (await connection.execute(select(recipients).limit(1))).mappings().one()
    await connection.execute(insert(recipients).values({**first, "id": 99, "phone": phone(99)}))


async def _edit(connection: Connection, campaign_id: int, **tables: Any) -> None:
    await replace_spec(connection, campaign_id, spec(**tables), later(9))


CHANGES = {
    "a new recipient": _add_recipient,
    "one less": lambda c, i: c.execute(delete(recipients).where(recipients.c.phone == phone(0))),
    "another number": lambda c, i: c.execute(
        update(recipients).where(recipients.c.phone == phone(0)).values(phone=phone(50))
    ),
    "another cell": lambda c, i: c.execute(
        update(recipients).where(recipients.c.phone == phone(0)).values(vars='{"first_name": "Eve"}')
    ),
    "another zone": lambda c, i: c.execute(update(recipients).values(timezone="Asia/Tokyo")),
    "another time of a row": lambda c, i: c.execute(update(recipients).values(send_at=later(1))),
    "another consent": lambda c, i: c.execute(update(recipients).values(consent_at=later(1))),
    "content": lambda c, i: _edit(c, i, content={"text": "Buy, {{ first_name }}"}),
    "a rule": lambda c, i: _edit(c, i, hours={"allow": "09:00-19:00"}),
    "a budget": lambda c, i: _edit(c, i, budget={"max": "5000.00", "currency": "USD"}),
    "a schedule": lambda c, i: _edit(c, i, schedule={"expires_after": "12h"}),
    "a sender": lambda c, i: _edit(c, i, senders=["shop", "other"]),
}


async def test_any_change_voids_it(engine: Engine) -> None:
    campaign_id = await store_campaign(engine, spec(), 5)
    await approve(engine, "spring", "ada", now=lambda: later(5))
    for name, change in CHANGES.items():
        assert await problem(engine) is None, name
        async with undone(engine) as connection:
            await change(connection, campaign_id)
            found = await problem_in(connection)
        assert found is not None, name
        assert "again, because it was changed after ada approved it" in found, name


async def test_moving_the_start_that_the_file_names_voids_it(engine: Engine) -> None:
    await store_campaign(engine, spec(schedule={"at": "2026-01-01T00:00:00Z"}), 5)
    await approve(engine, "spring", "ada")
    async with writing(engine) as connection:
        await schedule(connection, "spring", EPOCH, EPOCH)
    assert await problem(engine) is None
    async with writing(engine) as connection:
        await schedule(connection, "spring", later(60), EPOCH)
    assert await problem(engine) is not None


async def test_a_start_that_the_file_leaves_open_may_be_any(engine: Engine) -> None:
    await store_campaign(engine, spec(), 5, start_at=None)
    await approve(engine, "spring", "ada")
    async with writing(engine) as connection:
        await schedule(connection, "spring", later(60), EPOCH)
    assert await problem(engine) is None


async def test_the_order_of_storing_does_not_matter(engine: Engine) -> None:
    digests = []
    for name, order in (("a", 1), ("b", -1)):
        campaign_id = await store_campaign(engine, spec(name), 0)
        other = await store_campaign(engine, spec(f"{name}-list"), 7)
        async with writing(engine) as connection:
            rows = (
                await connection.execute(select(recipients).where(recipients.c.campaign_id == other))
            ).mappings()
            kept = [{**row, "campaign_id": campaign_id} for row in rows]
            for number, row in enumerate(kept[::order]):
                values = {**row, "line": number + 2}
                del values["id"]
                await connection.execute(insert(recipients).values(values))
            await connection.execute(
                update(campaigns).where(campaigns.c.id == campaign_id).values(spec=spec("same").to_json())
            )
            digests.append(await digest_campaign(connection, campaign_id))
    assert digests[0] == digests[1]


async def test_a_dear_campaign_needs_one_too(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1)
    limits = ApprovalLimits(None, Money(Decimal(500), "USD"))

    async def dear(connection: Connection, campaign: Campaign) -> Money | None:
        return Money(Decimal("500.01"), "USD")

    assert "500.01 USD, more than 500.00 USD" in (await problem(engine, Guard(limits, dear)) or "")
    assert "not known" in (await problem(engine, Guard(limits)) or "")


async def test_it_is_not_launched_without_and_is_launched_once_it_is_approved(engine: Engine) -> None:
    await store_campaign(engine, spec(), 5)
    assert await launch_due(engine, guard=FEW, now=lambda: later(1)) == []
    async with reading(engine) as connection:
        found = await require(connection, "spring")
        assert await held_before_start(connection, later(1)) == [("spring", found.reason)]
    assert (found.state, found.reason) == (
        CampaignState.PAUSED,
        "It needs approval: 5 recipients, more than 3.",
    )
    with pytest.raises(Stopped, match="needs approval") as stopped:
        await resume(engine, "spring", FEW)
    assert stopped.value.hint == "drumbeat campaign approve spring"
    assert (await approve(engine, "spring", "ada"))[1] is True
    async with reading(engine) as connection:
        found = await require(connection, "spring")
        assert await held_before_start(connection, later(1)) == []
    assert (found.state, found.reason, found.start_at) == (CampaignState.SCHEDULED, None, EPOCH)
    assert await launch_due(engine, guard=FEW, now=lambda: later(2)) == ["spring"]


async def test_a_change_after_the_approval_keeps_it_from_being_launched(engine: Engine) -> None:
    await store_campaign(engine, spec(), 5)
    await approve(engine, "spring", "ada")
    async with writing(engine) as connection:
        await connection.execute(update(recipients).values(vars='{"first_name": "Eve"}'))
    assert await launch_due(engine, guard=FEW, now=lambda: later(1)) == []


async def test_what_a_person_paused_stays_paused_when_it_is_approved(engine: Engine) -> None:
    await store_campaign(engine, spec(), 5)
    await pause(engine, "spring", "stock is low")
    assert (await approve(engine, "spring", "ada"))[1] is False
    async with reading(engine) as connection:
        assert (await require(connection, "spring")).state is CampaignState.PAUSED
    await resume(engine, "spring", FEW)


async def test_there_must_be_something_to_approve(engine: Engine) -> None:
    await store_campaign(engine, spec(), 5)
    await cancel(engine, "spring")
    with pytest.raises(InvalidInput, match="is cancelled"):
        await approve(engine, "spring", "ada")
    with pytest.raises(NotFound):
        await approve(engine, "sprung", "ada")

"""A clone has the message, the recipients and the rejects of its original, and nothing of what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from campaigns.errors import InvalidInput, NotFound
from campaigns.states import CampaignState
from scheduler.actions.approval import approve
from scheduler.actions.cloning import clone
from scheduler.clock.launch import launch_due
from storage.audience.approvals import approval_of
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading, writing
from storage.tables.audience import imports, recipients, rejects
from storage.tables.runs import jobs
from tests.support.campaigns import later, spec, store_campaign


async def cloned(engine: Engine, name: str, new: str, now: datetime | None = None) -> int:
    async with writing(engine) as connection:
        return await clone(connection, name, new, now or later(0))


OWN = {"id", "campaign_id", "import_id"}


async def rows_of(engine: Engine, table: Table, campaign_id: int) -> list[dict[str, Any]]:
    async with reading(engine) as connection:
        found = await connection.execute(
            select(table).where(table.c.campaign_id == campaign_id).order_by(table.c.id)
        )
        return [{k: v for k, v in row.items() if k not in OWN} for row in found.mappings()]


async def test_it_is_the_same_and_a_draft(engine: Engine) -> None:
    schedule = {"at": "2026-01-01T00:00:00Z", "expires_after": "12h"}
    source = await store_campaign(engine, spec(schedule=schedule), 30)
    async with writing(engine) as connection:
        bad = {"line": 99, "code": "duplicate", "reason": "twice", "raw": "x"}
        await connection.execute(insert(rejects).values(campaign_id=source, import_id=1, **bad))
    await approve(engine, "spring", "ada")
    await launch_due(engine, now=lambda: later(1))
    assert await cloned(engine, "spring", "summer", later(5)) == 30
    async with reading(engine) as connection:
        made = await require(connection, "summer")
        assert await approval_of(connection, made.id) is None
        assert len(list(await connection.execute(select(jobs)))) == 30
        files = select(imports.c.campaign_id).join(recipients, recipients.c.import_id == imports.c.id)
        assert set(await connection.scalars(files.where(recipients.c.campaign_id == made.id))) == {made.id}
    assert (made.state, made.start_at, made.created_at) == (CampaignState.DRAFT, None, later(5))
    assert made.spec == spec("summer", schedule={"expires_after": "12h"})
    for table in (imports, recipients, rejects):
        copied = await rows_of(engine, table, made.id)
        assert copied == await rows_of(engine, table, source)
        assert copied


async def test_a_clone_of_a_clone_has_each_row_once(engine: Engine) -> None:
    await store_campaign(engine, spec(), 3)
    assert await cloned(engine, "spring", "summer") == 3
    assert await cloned(engine, "summer", "autumn") == 3
    assert await cloned(engine, "spring", "winter") == 3


@pytest.mark.parametrize(
    ("new", "says"),
    [("spring", "already"), ("Summer!", "cannot be"), ("", "cannot be"), ("x" * 81, "cannot be")],
)
async def test_an_invalid_name_is_reported(engine: Engine, new: str, says: str) -> None:
    await store_campaign(engine, spec(), 3)
    with pytest.raises(InvalidInput, match=says):
        await cloned(engine, "spring", new)
    with pytest.raises(NotFound):
        await cloned(engine, "sprin", "summer")

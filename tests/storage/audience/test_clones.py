"""A clone has the message, the recipients and the rejects of its original, and nothing of what became of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, update

from campaigns.errors import InvalidInput, NotFound
from campaigns.spec.media_files import MediaFile
from campaigns.states import CampaignState
from scheduler.actions.approving import approve
from scheduler.actions.cloning import clone
from scheduler.actions.purge import carry_out, plan_purge
from scheduler.actions.retrying import retry_failed
from scheduler.actions.testing import start_test
from scheduler.clock.launch import launch_due
from storage.audience.approvals import approval_of
from storage.audience.campaigns import require
from storage.database.engine import Engine, open_engine, reading, writing
from storage.runs.runs import complete_runs
from storage.sending.media import keep_media
from storage.tables.audience import imports, recipients, rejects
from storage.tables.runs import jobs
from tests.support.campaigns import later, phone, spec, store_campaign
from tests.support.databases import until_it_waits


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


FILE = MediaFile("offer.pdf", "a" * 64, "application/pdf", b"%PDF-")
WITH_FILE = {"document": {"file": FILE.name, "digest": FILE.digest, "caption": "Hi"}}


async def old_with_media(engine: Engine) -> datetime:
    """A campaign of one person, with a media file, that was over on the first day: long afterwards."""
    async with writing(engine) as connection:
        await keep_media(connection, [FILE], later(0))
    await store_campaign(engine, spec(content=WITH_FILE), 1)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        over = {"state": "failed", "reason": "retries_exhausted", "held_by": None}
        await connection.execute(update(jobs).values(updated_at=later(1), **over))
        await complete_runs(connection, later(1))
    return later(86_400 * 100)


async def media_purged(engine: Engine, now: datetime) -> int:
    plan = await plan_purge(engine, now, timedelta(days=90))
    return (await carry_out(engine, plan, now))["media"]


async def test_a_purge_leaves_the_media_of_what_was_cloned_tested_or_tried_again(engine: Engine) -> None:
    now = await old_with_media(engine)
    await start_test(engine, "spring", [phone(5)], now=lambda: later(86_400 * 9))
    assert await media_purged(engine, now) == 0
    await cloned(engine, "spring", "summer", now)
    assert await media_purged(engine, now + timedelta(days=200)) == 0


async def test_whose_media_are_purged_is_not_cloned_tested_or_tried_again(engine: Engine) -> None:
    """The last message of a database stays, and its person: the list alone would allow a clone."""
    now = await old_with_media(engine)
    assert await media_purged(engine, now) == 1
    for again in (
        lambda: cloned(engine, "spring", "summer", now),
        lambda: start_test(engine, "spring", [phone(5)], now=lambda: now),
        lambda: retry_failed(engine, "spring", now=lambda: now),
    ):
        with pytest.raises(InvalidInput, match=r"The media of spring were purged: offer\.pdf"):
            await again()


async def test_a_purge_does_not_overtake_a_clone(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    now = await old_with_media(engine)
    plan = await plan_purge(engine, now, timedelta(days=90))
    rest = replace(plan, runs=[], campaigns=[], befores={"media": plan.befores["media"]})
    async with writing(engine) as connection:
        await clone(connection, "spring", "summer", now)
        purging = asyncio.create_task(carry_out(engine, rest, now))
        await until_it_waits(engine)
    assert (await purging)["media"] == 0
    await engine.dispose()

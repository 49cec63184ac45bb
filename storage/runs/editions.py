"""The audience's editions: each reading of the list is one. The newest is the campaign's audience; one that a run was
made from stays as that run's, for good."""

from __future__ import annotations

from sqlalchemy import ColumnElement, ScalarSelect, and_, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.runs.occurrences import SCHEDULED
from storage.tables import campaigns, imports, jobs, recipients, rejects, runs


def edition_of(campaign_id: int) -> ScalarSelect[int]:
    """The number of the campaign's newest edition."""
    campaign = campaigns.alias("its_campaign")
    return select(campaign.c.edition).where(campaign.c.id == campaign_id).scalar_subquery()


def of_audience(campaign_id: int) -> ColumnElement[bool]:
    """Restricts recipients to the campaign's audience as it is now."""
    return and_(recipients.c.campaign_id == campaign_id, recipients.c.edition == edition_of(campaign_id))


async def current_edition(connection: AsyncConnection, campaign_id: int) -> int:
    return int((await connection.execute(select(edition_of(campaign_id)))).scalar_one())


async def begin_edition(connection: AsyncConnection, campaign_id: int) -> None:
    """Begin an empty audience. The one before it is gone, unless a run was made from it. The caller holds the
    campaign's lock."""
    before = await current_edition(connection, campaign_id)
    made = exists().where(runs.c.campaign_id == campaign_id, runs.c.edition == before, SCHEDULED)
    if not (await connection.execute(select(made))).scalar_one():
        await _discard(connection, campaign_id, before)
    newer = update(campaigns).where(campaigns.c.id == campaign_id).values(edition=before + 1)
    await connection.execute(newer)


async def _discard(connection: AsyncConnection, campaign_id: int, edition: int) -> None:
    """Take out an edition; those whose row a test was made from stay, out of sight."""
    files = select(imports.c.id).where(imports.c.campaign_id == campaign_id, imports.c.edition == edition)
    tested = exists().where(jobs.c.recipient_id == recipients.c.id)
    person = (recipients.c.campaign_id == campaign_id, recipients.c.edition == edition)
    await connection.execute(
        delete(rejects).where(rejects.c.campaign_id == campaign_id, rejects.c.import_id.in_(files))
    )
    await connection.execute(delete(recipients).where(*person, ~tested))
    empty = ~exists().where(recipients.c.import_id == imports.c.id)
    await connection.execute(
        delete(imports).where(imports.c.campaign_id == campaign_id, imports.c.edition == edition, empty)
    )


def counted_rejects(campaign_id: int) -> ColumnElement[bool]:
    """Restricts rejects to those of the editions that runs were made from, or before the first run to the newest."""
    launched = select(runs.c.edition).where(runs.c.campaign_id == campaign_id, SCHEDULED)
    files = select(imports.c.id).where(
        imports.c.campaign_id == campaign_id,
        or_(
            imports.c.edition.in_(launched),
            and_(~launched.exists(), imports.c.edition == edition_of(campaign_id)),
        ),
    )
    return and_(rejects.c.campaign_id == campaign_id, rejects.c.import_id.in_(files))


def rejected_of_run() -> ScalarSelect[int]:
    """Beside a run: how many rows of its edition were rejected."""
    return (
        select(func.count())
        .select_from(rejects.join(imports, imports.c.id == rejects.c.import_id))
        .where(imports.c.campaign_id == runs.c.campaign_id, imports.c.edition == runs.c.edition)
        .scalar_subquery()
    )

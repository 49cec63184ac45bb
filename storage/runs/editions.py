"""The audience's editions: each reading of the list is one. The campaign names the one that is its audience; one that a
run was made from stays as that run's, for good.

A list is stored as an edition that the campaign does not name yet, in many small transactions, so that no other writer
waits for long, and no part of it is in use; at the end it takes its place at once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.runs.occurrences import SCHEDULED
from storage.tables.audience import campaigns, imports, recipients, rejects
from storage.tables.runs import jobs, runs

PART: Final = 5_000
"""Rows that are copied or taken out in one transaction."""


class Edition(NamedTuple):
    """One edition of a campaign's audience."""

    campaign_id: int
    number: int


def edition_of(campaign_id: int) -> ScalarSelect[int]:
    """The number of the campaign's newest edition."""
    campaign = campaigns.alias("its_campaign")
    return select(campaign.c.edition).where(campaign.c.id == campaign_id).scalar_subquery()


def of_audience(campaign_id: int) -> ColumnElement[bool]:
    """Restricts recipients to the campaign's audience as it is now."""
    return and_(recipients.c.campaign_id == campaign_id, recipients.c.edition == edition_of(campaign_id))


def of_edition(edition: Edition) -> ColumnElement[bool]:
    """Restricts recipients to those of the edition."""
    return and_(recipients.c.campaign_id == edition.campaign_id, recipients.c.edition == edition.number)


def files_of(edition: Edition) -> Select[tuple[int]]:
    """The ids of the imports that the edition is made of."""
    mine = (imports.c.campaign_id == edition.campaign_id, imports.c.edition == edition.number)
    return select(imports.c.id).where(*mine)


async def current_edition(connection: AsyncConnection, campaign_id: int) -> Edition:
    number = (await connection.execute(select(edition_of(campaign_id)))).scalar_one()
    return Edition(campaign_id, int(number))


async def begin_edition(connection: AsyncConnection, current: Edition, *, empty: bool) -> Edition:
    """A new edition that is not in use yet: empty, or with the imports of the current one, whose rows `copy_part`
    copies. The caller holds the campaign's lock, and adds an import."""
    used = select(func.max(imports.c.edition)).where(imports.c.campaign_id == current.campaign_id)
    newest = (await connection.execute(used)).scalar_one() or 0
    new = Edition(current.campaign_id, max(int(newest), current.number) + 1)
    if not empty:
        kept = [column for column in imports.c if column.name not in ("id", "edition")]
        names = [*(column.name for column in kept), "edition"]
        source = select(*kept, literal(new.number)).where(imports.c.id.in_(files_of(current)))
        await connection.execute(insert(imports).from_select(names, source.order_by(imports.c.id)))
    return new


async def copy_part(
    connection: AsyncConnection, table: Table, source: Edition, target: Edition, after: int
) -> int | None:
    """Copy some of the edition's recipients or rejects, those with ids above `after`; the last id, None at the end."""
    mine: ColumnElement[bool] = table.c.import_id.in_(files_of(source))
    if table is recipients:
        mine = and_(mine, of_edition(source))
    page = select(table.c.id).where(mine, table.c.id > after).order_by(table.c.id).limit(PART).subquery()
    last = (await connection.execute(select(func.max(page.c.id)))).scalar_one()
    if last is None:
        return None
    theirs = imports.alias("theirs")
    new_import = (
        select(theirs.c.id)
        .where(theirs.c.id.in_(files_of(target)), theirs.c.digest == imports.c.digest)
        .scalar_subquery()
    )
    own: dict[str, ColumnElement[object]] = {"import_id": new_import}
    if table is recipients:
        own["edition"] = literal(target.number)
    kept = {column.name: column for column in table.c if column.name != "id"}
    columns = {**kept, **own}
    rows = select(*columns.values()).select_from(table.join(imports, imports.c.id == table.c.import_id))
    chosen = rows.where(mine, table.c.id > after, table.c.id <= last).order_by(table.c.id)
    await connection.execute(insert(table).from_select(list(columns), chosen))
    return int(last)


async def take_place(connection: AsyncConnection, before: Edition, after: Edition) -> bool:
    """Make `after` the campaign's audience, and count its people; False where that is not `before` any more."""
    people = select(func.count()).select_from(recipients).where(of_edition(after)).scalar_subquery()
    moved = await connection.execute(
        update(campaigns)
        .where(campaigns.c.id == before.campaign_id, campaigns.c.edition == before.number)
        .values(edition=after.number, recipients=campaigns.c.purged_recipients + people)
    )
    return moved.rowcount == 1


async def discard_part(connection: AsyncConnection, edition: Edition) -> bool:
    """Take out some of an edition that is neither the audience nor a run's; whether there may be more.

    Those whose row a test was made from stay, out of sight. No job comes to be for the others: who makes jobs holds the
    campaign's lock, as did whoever made another edition the audience, and takes the recipients of that audience.
    """
    if not (await connection.execute(_is_nobodys(edition))).scalar_one():
        return False
    files = files_of(edition)
    tested = exists().where(jobs.c.recipient_id == recipients.c.id)
    for table, these in (
        (rejects, rejects.c.import_id.in_(files)),
        (recipients, of_edition(edition) & ~tested),
    ):
        some = select(table.c.id).where(table.c.campaign_id == edition.campaign_id, these).limit(PART)
        deleted = await connection.execute(delete(table).where(table.c.id.in_(some)))
        if deleted.rowcount:
            return True
    empty = ~exists().where(recipients.c.import_id == imports.c.id)
    await connection.execute(delete(imports).where(imports.c.id.in_(files), empty))
    return False


def _is_nobodys(edition: Edition) -> Select[tuple[bool]]:
    launched = exists().where(
        runs.c.campaign_id == edition.campaign_id, runs.c.edition == edition.number, SCHEDULED
    )
    current = edition_of(edition.campaign_id) == edition.number
    return select(and_(~launched, ~current))


async def abandoned_editions(
    connection: AsyncConnection, campaign_id: int, before: datetime
) -> list[Edition]:
    """Editions begun before that moment that are not the audience: of a process that was killed, if no run's."""
    found = select(imports.c.edition).where(
        imports.c.campaign_id == campaign_id,
        imports.c.edition != edition_of(campaign_id),
        imports.c.created_at < before,
    )
    return [Edition(campaign_id, number) for number in await connection.scalars(found.distinct())]


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
    mine = (imports.c.campaign_id == runs.c.campaign_id, imports.c.edition == runs.c.edition)
    files = select(imports.c.id).where(*mine).correlate(runs)
    # With the campaign, as the index of rejects begins with it.
    theirs = (rejects.c.campaign_id == runs.c.campaign_id, rejects.c.import_id.in_(files))
    return select(func.count()).select_from(rejects).where(*theirs).correlate(runs).scalar_subquery()

"""The rows of a campaign's list that were not accepted, a page at a time."""

from __future__ import annotations

import orjson
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.audience.campaigns import Campaign
from storage.runs.editions import Edition, current_edition, files_of
from storage.tables.audience import imports, rejects
from storage.views.people import COUNTED, LOOKED_AT, PeoplePlace
from storage.views.report_scope import ScheduledRun


@frozen
class RejectedRow:
    """One row as it stands in the file, and what is wrong with it."""

    line: int
    column: str | None
    code: str
    reason: str
    raw: str
    source: str
    columns: tuple[str, ...]
    """All columns of its file; empty: they are not known."""
    delimiter: str


@frozen
class RejectedRows:
    """A page of rejected rows."""

    rows: list[RejectedRow]
    next: PeoplePlace | None
    looked_at: int = 0
    """How many rows were looked at before the page ended early; 0: it did not."""


async def rejected_rows(
    connection: AsyncConnection,
    campaign: Campaign,
    run: ScheduledRun | None,
    code: str,
    part: str,
    size: int,
    place: PeoplePlace | None = None,
) -> RejectedRows:
    """Those of the run's list, by file and line; with the code and the part of their text, if these are given."""
    files = select(imports.c.id, imports.c.source, imports.c.detected).where(
        imports.c.id.in_(files_of(await _edition(connection, campaign, run)))
    )
    wanted = _wanted(code, part)
    if place is not None and not (place.range.isdecimal() and place.after.isdecimal()):
        place = None
    found: list[RejectedRow] = []
    budget, last = LOOKED_AT, place
    for file in await connection.execute(files.order_by(imports.c.id)):
        if place is not None and file.id < int(place.range):
            continue
        after = int(place.after) if place is not None and file.id == int(place.range) else 0
        mine = and_(rejects.c.campaign_id == campaign.id, rejects.c.import_id == file.id)
        window = select(rejects.c.line).where(mine, rejects.c.line > after).order_by(rejects.c.line)
        some = window.limit(budget).subquery()
        looked, until = (await connection.execute(select(func.count(), func.max(some.c.line)))).one()
        if not looked:
            continue
        columns = (rejects.c.line, rejects.c.column, rejects.c.code, rejects.c.reason, rejects.c.raw)
        rows = select(*columns).where(mine, *wanted, rejects.c.line > after, rejects.c.line <= until)
        known = orjson.loads(file.detected)
        about = (file.source, tuple(known.get("columns") or ()), known.get("delimiter") or ",")
        for row in await connection.execute(rows.order_by(rejects.c.line).limit(size + 1 - len(found))):
            if len(found) == size:
                return RejectedRows(found, last)
            found.append(RejectedRow(*row, *about))
            last = PeoplePlace(str(file.id), str(row.line))
        budget -= looked
        if budget <= 0:
            return RejectedRows(found, PeoplePlace(str(file.id), str(until)), LOOKED_AT if wanted else 0)
    return RejectedRows(found, None)


async def count_rejected(
    connection: AsyncConnection, campaign: Campaign, run: ScheduledRun | None, code: str
) -> int:
    """How many there are, counted up to COUNTED and one more."""
    files = files_of(await _edition(connection, campaign, run))
    mine = and_(rejects.c.campaign_id == campaign.id, rejects.c.import_id.in_(files))
    some = select(rejects.c.id).where(mine, *_wanted(code, "")).limit(COUNTED + 1).subquery()
    return int((await connection.execute(select(func.count()).select_from(some))).scalar_one())


async def _edition(connection: AsyncConnection, campaign: Campaign, run: ScheduledRun | None) -> Edition:
    return (
        await current_edition(connection, campaign.id) if run is None else Edition(campaign.id, run.edition)
    )


def _wanted(code: str, part: str) -> list[ColumnElement[bool]]:
    by_code = [rejects.c.code == code] if code else []
    return [*by_code, *([rejects.c.raw.icontains(part, autoescape=True)] if part else [])]

"""The people of a filter as CSV, as they are read: a page in memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from io import StringIO
from typing import Any, Final

from app.actions.personal_data import allow_list
from app.views.people.people import Asked, PeoplePage, PersonLine, RejectedLine, people_page
from app.views.reports.exports import write_csv
from campaigns.time.clock import Now, utc_now
from storage.database.engine import Engine, reading

PEOPLE: Final = (
    "line",
    "phone",
    "name",
    "state",
    "meaning",
    "reason",
    "code",
    "provider_text",
    "held_by",
    "held_until",
    "lane",
    "variant",
    "form",
    "attempts",
    "provider_message_id",
    "cost",
    "currency",
    "updated_at",
)
AT_ONCE: Final = 1_000
REJECTED: Final = ("file", "line", "column", "code", "reason", "row")


async def export_people(engine: Engine, name: str, asked: Asked, *, now: Now = utc_now) -> AsyncIterator[str]:
    """The CSV's text, part by part. Raises Forbidden, NotFound, InvalidInput before the first."""
    async with reading(engine) as connection:
        await people_page(connection, name, asked, now(), size=1)
    await allow_list(engine, name, asked.shown)
    return _parts(engine, name, asked, now)


async def _parts(engine: Engine, name: str, asked: Asked, now: Now) -> AsyncIterator[str]:
    """Each page by itself: a download that nobody reads on must not hold a snapshot."""
    yield _text([REJECTED if asked.rejected else PEOPLE])
    after = ""
    while True:
        async with reading(engine) as connection:
            page = await people_page(connection, name, asked, now(), after=after, size=AT_ONCE, counted=False)
        yield await asyncio.to_thread(_text, _rows(page))
        if not (after := page.next):
            return


async def people_list(
    engine: Engine, name: str, asked: Asked, after: str, size: int, *, now: Now = utc_now
) -> dict[str, Any]:
    """A page of people for a program; the audit has a row of the first. Raises Forbidden, NotFound, InvalidInput."""
    if not after:
        await allow_list(engine, name, asked.shown)
    async with reading(engine) as connection:
        found = await people_page(connection, name, asked, now(), after=after, size=size, counted=False)
    return {"campaign": name, **_json(found)}


def _json(page: PeoplePage) -> dict[str, Any]:
    """The page with the names of the CSV's columns, and where the next one begins."""
    return {
        "run": page.run and page.run.id,
        "people": [dict(zip(PEOPLE, _person(line), strict=True)) for line in page.people],
        "rejected": [dict(zip(REJECTED, _rejected(line), strict=True)) for line in page.rejected],
        "next": page.next or None,
    }


def _text(rows: Iterable[Iterable[Any]]) -> str:
    file = StringIO()
    write_csv(file, rows)
    return file.getvalue()


def _rows(page: PeoplePage) -> list[Sequence[Any]]:
    return [*map(_person, page.people), *map(_rejected, page.rejected)]


def _person(line: PersonLine) -> Sequence[Any]:
    row, cost = line.row, line.row.cost
    about = (row.line, "" if line.erased else row.phone, line.name, row.state, line.meaning)
    why = (row.reason, row.code, row.text, row.held_by, line.until)
    how = (row.lane, row.variant, row.form, row.attempts, row.message_id)
    money = (cost.amount, cost.currency) if cost else ("", "")
    return (*about, *why, *how, *money, row.updated_at)


def _rejected(line: RejectedLine) -> Sequence[Any]:
    row = line.row
    return (row.source, row.line, row.column, row.code, row.reason, row.raw)

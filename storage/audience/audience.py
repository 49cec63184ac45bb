"""The audience of a campaign: imports, recipients, rejects; all that writes or reads them in bulk.

A row is identified by (import, line) for good: a row that is loaded again from a rejects file keeps that place, so
recipients + rejects of an import are always its rows, less those that belong to earlier imports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice, repeat
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Text, delete, func, insert, select, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from campaigns.intake.model import RecipientFields
from storage.database.batched_sqlite import any_rowcount
from storage.database.bulk import table_of
from storage.database.engine import is_sqlite
from storage.runs.editions import Edition, edition_of, files_of, of_edition
from storage.tables.audience import campaigns, imports, recipients, rejects
from storage.tables.types import to_millis

_BATCH: Final = 500
"""Values in one IN list: both databases plan it well."""

_T = TypeVar("_T")
Place = tuple[int, int]
"""(import id, line): where a row belongs."""


@frozen
class Audience:
    """Recipients to add, as columns of equal length."""

    imports: Sequence[int]
    lines: Sequence[int]
    phones: Sequence[str]
    regions: Sequence[str | None]
    buckets: Sequence[int]
    vars: Sequence[str]
    own: Sequence[RecipientFields] | None = None
    """None: their rows have no such values."""

    def only(self, positions: Sequence[int]) -> Audience:
        """These of them, in this order."""
        values = {name: getattr(self, name) for name in field_names(Audience)}
        return Audience(
            **{name: column and list(map(column.__getitem__, positions)) for name, column in values.items()}
        )

    def columns(self) -> dict[str, Sequence[Any]]:
        """Column -> values, without the `Own` columns where there are none."""
        basic: dict[str, Sequence[Any]] = {
            "import_id": self.imports, "line": self.lines, "phone": self.phones, "region": self.regions,
            "bucket": self.buckets, "vars": self.vars,
        }  # fmt: skip
        if self.own is None:
            return basic
        return {
            **basic,
            **{name: [getattr(own, name) for own in self.own] for name in RecipientFields._fields},
        }

    def stored_columns(self) -> dict[str, Sequence[Any]]:
        """The same as a driver takes them."""
        columns = self.columns()
        for name in columns.keys() & {"send_at", "consent_at"}:
            columns[name] = [None if moment is None else to_millis(moment) for moment in columns[name]]
        return columns


@frozen
class RejectedRow:
    """A reject and its place."""

    place: Place
    column: str | None
    code: str
    reason: str
    raw: str


@frozen
class Holder:
    """The recipient who has a number already."""

    place: Place
    phone: str
    vars: str


@frozen
class Source:
    """A file that was loaded."""

    file: str
    """Its name."""
    loaded_at: datetime

    def __str__(self) -> str:
        return f"{self.file}, loaded {self.loaded_at:%Y-%m-%d %H:%M} UTC"


@frozen
class ImportCounts:
    """What a load did."""

    rows: int
    accepted: int
    rejected: int
    duplicates: int
    settled: int
    """Rows of this file that were rejects of an earlier one."""
    detected: str
    """JSON."""


async def lock_campaign(connection: AsyncConnection, campaign_id: int) -> str | None:
    """The campaign's name, with its row locked: two loads into one campaign take turns."""
    found = select(campaigns.c.name).where(campaigns.c.id == campaign_id).with_for_update()
    return (await connection.execute(found)).scalar()


async def find_import(
    connection: AsyncConnection, campaign_id: int, digest: str
) -> tuple[int, ImportCounts] | None:
    """The import of the same bytes into this campaign's audience, where there was one."""
    columns = [imports.c[name] for name in field_names(ImportCounts)]
    found = select(imports.c.id, *columns).where(
        imports.c.campaign_id == campaign_id,
        imports.c.edition == edition_of(campaign_id),
        imports.c.digest == digest,
    )
    row = (await connection.execute(found)).first()
    return None if row is None else (int(row[0]), ImportCounts(*row[1:]))


async def open_import(
    connection: AsyncConnection, edition: Edition, *, source: str, digest: str, now: datetime
) -> int:
    """A new import without rows yet; its id."""
    new = insert(imports).values(
        campaign_id=edition.campaign_id, edition=edition.number, source=source, digest=digest, created_at=now,
        rows=0, accepted=0, rejected=0, duplicates=0, settled=0, detected="{}",
    )  # fmt: skip
    return int((await connection.execute(new.returning(imports.c.id))).scalar_one())


async def close_import(connection: AsyncConnection, import_id: int, counts: ImportCounts) -> None:
    """Store what the load did."""
    values = {name: getattr(counts, name) for name in field_names(ImportCounts)}
    await connection.execute(update(imports).where(imports.c.id == import_id).values(**values))


async def import_sources(connection: AsyncConnection, campaign_id: int) -> dict[int, Source]:
    """Import id -> its file."""
    found = select(imports.c.id, imports.c.source, imports.c.created_at)
    rows = await connection.execute(found.where(imports.c.campaign_id == campaign_id))
    return {int(id_): Source(file, loaded_at) for id_, file, loaded_at in rows}


async def count_imports(connection: AsyncConnection, campaign_id: int) -> int:
    """Of how many files the campaign's audience is made."""
    mine = (imports.c.campaign_id == campaign_id, imports.c.edition == edition_of(campaign_id))
    return int(await connection.scalar(select(func.count()).select_from(imports).where(*mine)) or 0)


async def add_recipients(connection: AsyncConnection, edition: Edition, audience: Audience) -> list[int]:
    """Add them, of each number that the edition does not have yet the first; the positions of those left out. Nobody
    else adds to the edition meanwhile.

    They are stored in the order of their numbers, which is that of the index: in any other, nearly each of them would
    fetch another page of it, change it, and write it back."""
    if not audience.phones:
        return []
    order = sorted(range(len(audience.phones)), key=audience.phones.__getitem__)
    add = _add_on_sqlite if is_sqlite(connection) else _add_on_postgresql
    return sorted(order[at] for at in await add(connection, edition, audience.only(order)))


_SQLITE_ADD: Final = (
    "INSERT INTO recipients (campaign_id, edition, {names}) VALUES {rows} "
    "ON CONFLICT (campaign_id, edition, phone) DO NOTHING"
)
_AT_ONCE: Final = 3_000
"""Rows in one statement, or as many as it may bring: in it SQLite's thread leaves the interpreter to the one that reads
the file. Each time that it hands over to another thread it waits for its turn, so all statements are one step."""


async def _add_on_sqlite(connection: AsyncConnection, whose: Edition, audience: Audience) -> list[int]:
    """Ids only grow, so the newest are ours."""
    newest = int((await connection.execute(select(func.coalesce(func.max(recipients.c.id), 0)))).scalar_one())
    raw: Any = (await connection.get_raw_connection()).driver_connection
    names, columns = ", ".join(audience.columns()), audience.stored_columns().values()
    width = len(whose) + len(columns)
    marks, at_once = f"({', '.join('?' * width)})", min(_AT_ONCE, raw.most_values // width)
    for start in range(0, len(audience.phones), at_once):
        size = min(at_once, len(audience.phones) - start)
        add = _SQLITE_ADD.format(names=names, rows=", ".join([marks] * size))
        own = [[each] * size for each in whose]
        parts = [*own, *(column[start : start + size] for column in columns)]
        raw.defer(add, _row_by_row(parts), any_rowcount)
    newer = select(func.json_group_array(recipients.c.phone)).where(recipients.c.id > newest)
    added = orjson.loads((await connection.execute(newer)).scalar_one())
    return _left_out(audience.phones, iter(sorted(added)))


def _left_out(phones: Sequence[str], added: Iterator[str]) -> list[int]:
    """The positions of those that were not added, of each number the later ones. Both are sorted."""
    taken = []
    expected = next(added, None)
    for at, phone in enumerate(phones):
        if phone == expected:
            expected = next(added, None)
        else:
            taken.append(at)
    return taken


def _row_by_row(columns: Sequence[Sequence[Any]]) -> list[Any]:
    """The first of each column, then the second of each, and so on."""
    values: list[Any] = [None] * (len(columns) * len(columns[0]))
    for at, column in enumerate(columns):
        values[at :: len(columns)] = column
    return values


_HELD: Final = (
    "SELECT given.phone FROM json_array_elements_text(%s::json) AS given(phone), LATERAL (SELECT FROM recipients "
    "WHERE campaign_id = %s AND edition = %s AND recipients.phone = given.phone LIMIT 1) AS held"
)
"""Each is looked up in the index. Without the LIMIT the planner, which knows little of a table that is being filled,
reads the whole edition for each chunk."""
_COPY: Final = "COPY recipients ({names}) FROM STDIN (FORMAT BINARY)"


async def _add_on_postgresql(connection: AsyncConnection, whose: Edition, audience: Audience) -> list[int]:
    """COPY cannot leave rows out, so those whose number is held are looked up first: in the order of the index, which
    takes half as long."""
    raw: Any = (await connection.get_raw_connection()).driver_connection
    columns = audience.stored_columns()
    names = ["campaign_id", "edition", *columns]
    async with raw.cursor() as cursor:
        await cursor.execute(_HELD, (orjson.dumps(sorted(audience.phones)).decode(), *whose))
        seen = {phone for (phone,) in await cursor.fetchall()}
        taken: list[int] = []
        async with cursor.copy(_COPY.format(names=", ".join(names))) as copy:
            copy.set_types([recipients.c[name].type.compile(connection.dialect).lower() for name in names])
            for at, row in enumerate(zip(*map(repeat, whose), *columns.values(), strict=False)):
                if audience.phones[at] in seen:
                    taken.append(at)
                    continue
                seen.add(audience.phones[at])
                await copy.write_row(row)
    return taken


async def holders(connection: AsyncConnection, edition: Edition, phones: Iterable[str]) -> dict[str, Holder]:
    """Number -> the recipient of this edition who has it. On PostgreSQL they are looked up as by `_HELD`."""
    columns = (recipients.c.import_id, recipients.c.line, recipients.c.phone, recipients.c.vars)
    given = table_of(connection, [{"phone": phone} for phone in phones], phone=Text())
    matching = select(*columns).where(of_edition(edition))
    if is_sqlite(connection):
        matching = matching.where(recipients.c.phone.in_(select(given.c.phone)))
    else:
        held = matching.where(recipients.c.phone == given.c.phone).limit(1).lateral("held")
        matching = select(held).select_from(given).join(held, true())
    return {
        phone: Holder((import_id, line), phone, variables)
        for import_id, line, phone, variables in await connection.execute(matching)
    }


async def replace_recipients(connection: AsyncConnection, edition: Edition, audience: Audience) -> None:
    """Give the recipients with these numbers the newer rows; their jobs, if any, stay theirs."""
    columns = audience.columns()
    for row in zip(*columns.values(), strict=True):
        values = {**dict.fromkeys(RecipientFields._fields), **dict(zip(columns, row, strict=True))}
        await connection.execute(
            update(recipients)
            .where(of_edition(edition), recipients.c.phone == values["phone"])
            .values(**values)
        )


async def remove_recipients(connection: AsyncConnection, edition: Edition, phones: Iterable[str]) -> None:
    """Delete recipients that have no jobs yet."""
    for batch in _batches(phones):
        matching = (of_edition(edition), recipients.c.phone.in_(batch))
        await connection.execute(delete(recipients).where(*matching))


async def add_rejects(connection: AsyncConnection, campaign_id: int, rows: Sequence[RejectedRow]) -> None:
    """Store rejects; a NUL is stored as its picture, which PostgreSQL can hold."""
    values = [
        {
            "campaign_id": campaign_id, "import_id": row.place[0], "line": row.place[1], "column": row.column,
            "code": row.code, "reason": row.reason, "raw": row.raw.replace("\0", "\N{SYMBOL FOR NULL}"),
        }
        for row in rows
    ]  # fmt: skip
    if values:
        names = [column.name for column in rejects.c if column.name != "id"]
        given = table_of(connection, values, **{name: rejects.c[name].type for name in names})
        columns = (given.c[name] for name in names)
        await connection.execute(insert(rejects).from_select(names, select(*columns)))


async def rejects_at(
    connection: AsyncConnection, edition: Edition, lines: Iterable[int]
) -> dict[int, list[Place]]:
    """Line -> places of the edition's rejects with that line, newest import first."""
    found: dict[int, list[Place]] = {}
    for batch in _batches(lines):
        matching = select(rejects.c.import_id, rejects.c.line).where(
            rejects.c.campaign_id == edition.campaign_id,
            rejects.c.import_id.in_(files_of(edition)),
            rejects.c.line.in_(batch),
        )
        for import_id, line in await connection.execute(matching.order_by(rejects.c.import_id.desc())):
            found.setdefault(line, []).append((import_id, line))
    return found


async def remove_rejects(connection: AsyncConnection, campaign_id: int, places: Iterable[Place]) -> None:
    """Delete the rejects in these places: their rows are validated again."""
    for batch in _batches(places):
        at = tuple_(rejects.c.import_id, rejects.c.line).in_(batch)
        await connection.execute(delete(rejects).where(rejects.c.campaign_id == campaign_id, at))


async def reject_reasons(connection: AsyncConnection, import_id: int) -> dict[str, int]:
    """Code -> how many rejects of this import."""
    counted = select(rejects.c.code, func.count()).where(rejects.c.import_id == import_id)
    return {code: int(count) for code, count in await connection.execute(counted.group_by(rejects.c.code))}


def _batches(values: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, _BATCH)):
        yield batch

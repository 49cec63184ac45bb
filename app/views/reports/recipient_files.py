"""Every recipient of a campaign, or those it did not reach, in a file: written as they are read, so that a million of
them take no more memory than ten."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final

from app.actions.personal_data import allow_list
from app.views.json_text import to_json
from app.views.reports.exports import write_csv
from app.views.reports.not_reached import not_reached
from app.views.reports.reports import RECIPIENT_KEYS, stream_recipients
from app.views.reports.workbooks import new_workbook
from campaigns.atomic_files import whole_file
from campaigns.time.period import ALWAYS, Period
from storage.database.engine import Engine, reading

AT_ONCE: Final = 500
FORMS: Final = ("json", "csv", "xlsx")

Row = dict[str, Any]
Write = Callable[[Sequence[Row]], None]


async def write_recipients(
    engine: Engine,
    name: str,
    place: Path,
    form: str,
    run_id: int | None = None,
    period: Period = ALWAYS,
    *,
    zone: tzinfo,
) -> None:
    """Every recipient with state, times and cost. Raises Forbidden, NotFound."""
    await allow_list(engine, name, "every recipient")
    async with reading(engine) as connection:
        rows = await stream_recipients(connection, name, run_id, period)
        cells = partial(_cells, RECIPIENT_KEYS)
        await _write(rows, place, form, list(RECIPIENT_KEYS), cells, zone)


async def write_not_reached(
    engine: Engine,
    name: str,
    place: Path,
    form: str,
    run_id: int | None = None,
    period: Period = ALWAYS,
    *,
    zone: tzinfo,
    now: datetime,
) -> None:
    """Those who were not reached; as CSV with the columns of their list, to be loaded again. Raises as
    `write_recipients` does."""
    await allow_list(engine, name, "who was not reached")
    async with reading(engine) as connection:
        people = await not_reached(connection, name, run_id, now, period)
        await _write(people.rows, place, form, people.header, people.cells, zone, for_load=True)


def _cells(keys: Sequence[str], row: Row) -> list[Any]:
    return [row[key] for key in keys]


async def _write(
    rows: AsyncIterator[Row],
    place: Path,
    form: str,
    header: Sequence[str],
    cells: Callable[[Row], Sequence[Any]],
    zone: tzinfo,
    *,
    for_load: bool = False,
) -> None:
    """Reading stays with the loop; what is written goes to a thread, a few hundred rows at a time."""
    forms = {
        "json": partial(_json, place),
        "csv": partial(_csv, place, header, cells, for_load),
        "xlsx": partial(_xlsx, place, header, cells, zone),
    }
    stack = ExitStack()
    write = await asyncio.to_thread(stack.enter_context, forms[form]())
    try:
        held: list[Row] = []
        async for row in rows:
            held.append(row)
            if len(held) == AT_ONCE:
                await asyncio.to_thread(write, held)
                held = []
        await asyncio.to_thread(write, held)
    finally:
        await asyncio.to_thread(stack.close)


@contextmanager
def _json(place: Path) -> Iterator[Write]:
    with whole_file(place, replace=True) as file:
        separators = iter(["[\n"])

        def write(rows: Sequence[Row]) -> None:
            for row in rows:
                file.write(next(separators, ",\n") + to_json(row))

        yield write
        file.write("[]\n" if next(separators, None) else "\n]\n")


@contextmanager
def _csv(
    place: Path, header: Sequence[str], cells: Callable[[Row], Sequence[Any]], for_load: bool
) -> Iterator[Write]:
    with whole_file(place, replace=True) as file:
        if for_load:  # its cells are safe already, in a way that a load undoes
            writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writerow(header)
            yield lambda rows: writer.writerows(map(cells, rows))
        else:
            write_csv(file, [header])
            yield lambda rows: write_csv(file, map(cells, rows))


@contextmanager
def _xlsx(
    place: Path, header: Sequence[str], cells: Callable[[Row], Sequence[Any]], zone: tzinfo
) -> Iterator[Write]:
    with new_workbook(place, zone) as book:
        book.begin("Recipients", header)

        def write(rows: Sequence[Row]) -> None:
            for row in rows:
                book.write(cells(row))

        yield write

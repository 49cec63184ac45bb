"""The people of one run of a campaign, a page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Select, func, literal, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from campaigns.money.costs import NO_CURRENCY, Money, from_micros
from campaigns.states import ENDED_WITHOUT_RUN, JobState
from storage.audience.campaigns import Campaign
from storage.database.engine import is_sqlite
from storage.runs.job_counts import counted_by
from storage.tables.audience import recipients
from storage.tables.counts import job_counts
from storage.tables.runs import attempts, events, jobs
from storage.tables.types import Text
from storage.views.people_ranges import PeopleFilter, Range, ranges_of
from storage.views.report_scope import ScheduledRun

LOOKED_AT: Final = 5_000
"""Rows that one page looks at where no index answers; the next goes on behind them."""
COUNTED: Final = 10_000
"""People are counted up to here."""


@frozen
class PeoplePlace:
    """Where a page begins."""

    range: str
    after: str


@frozen
class PersonRow:
    """One person of the run and what became of their message."""

    job_id: int | None
    """None: the campaign is not launched."""
    run_id: int | None
    line: int
    phone: str
    vars: dict[str, str]
    state: JobState
    reason: str | None
    code: str | None
    text: str | None
    """The provider's words about it."""
    held_by: str | None
    held_since: datetime | None
    due_at: datetime | None
    lane: str | None
    variant: str | None
    form: str | None
    attempts: int
    message_id: str | None
    cost_micros: int | None
    currency: str | None
    updated_at: datetime | None

    @property
    def cost(self) -> Money | None:
        """What the provider charged; its currency is empty where none is named."""
        if self.cost_micros is None:
            return None
        named = self.currency if self.currency and self.currency != NO_CURRENCY else ""
        return Money(from_micros(self.cost_micros), named)


@frozen
class PeopleRows:
    """A page of people."""

    rows: Sequence[PersonRow]
    next: PeoplePlace | None
    """Where the next page begins; None: this is the last."""
    looked_at: int = 0
    """How many rows were looked at before the page ended early; 0: it did not."""


async def people_rows(
    connection: AsyncConnection,
    campaign: Campaign,
    run: ScheduledRun | None,
    wanted: PeopleFilter,
    size: int,
    place: PeoplePlace | None = None,
) -> PeopleRows:
    """A page of those whom the filter lets through, from `place` on. `run`: None where nothing is launched."""
    found: list[tuple[Range, PersonRow]] = []
    budget = LOOKED_AT
    for part, after in _from(place, await ranges_of(connection, campaign, run, wanted)):
        until, looked = None, 0
        if part.rest:
            looked, until = (await connection.execute(_look(connection, part, after, budget))).one()
        rows = await connection.execute(_shown(connection, part, after, until, size + 1 - len(found)))
        found += [(part, _person(dict(row))) for row in rows.mappings()]
        if len(found) > size:
            return PeopleRows([row for _, row in found[:size]], _behind_row(*found[size - 1]))
        budget -= looked
        if budget <= 0:
            return PeopleRows([row for _, row in found], PeoplePlace(part.name, str(until)), LOOKED_AT)
    return PeopleRows([row for _, row in found], None)


async def count_people(
    connection: AsyncConnection, campaign: Campaign, run: ScheduledRun | None, wanted: PeopleFilter
) -> int | None:
    """How many there are, counted up to COUNTED and one more; None: it is not counted, for too much must be read."""
    if wanted.text or wanted.part:
        return None
    counts = await _counts(connection, await ranges_of(connection, campaign, run, wanted))
    return min(sum(counts.values()), COUNTED + 1)


async def count_states(
    connection: AsyncConnection, campaign: Campaign, run: ScheduledRun | None
) -> Counter[JobState]:
    """How many are in each state, each counted up to COUNTED and one more."""
    counts = await _counts(connection, await ranges_of(connection, campaign, run, PeopleFilter()))
    found: Counter[JobState] = Counter()
    for name, count in counts.items():
        if count:
            found[JobState(name.rpartition("-")[2])] += count
    return found


async def _counts(connection: AsyncConnection, ranges: Sequence[Range]) -> dict[str, int]:
    """By the name of the range, each up to COUNTED and one more; what is looked at row by row is so among the first
    COUNTED."""
    kept = await _kept_counts(connection, ranges)
    others = [part for part in ranges if part.name not in kept]
    return kept | (await _count_rows(connection, others) if others else {})


async def _kept_counts(connection: AsyncConnection, ranges: Sequence[Range]) -> dict[str, int]:
    """Of the ranges that hold all of a run's messages in a state: those are counted already."""
    whole = [part for part in ranges if part.in_state_of is not None and not part.rest]
    if not whole:
        return {}
    its = job_counts.c.run_id.in_({part.in_state_of for part in whole})
    found = {
        (run_id, state): count
        for run_id, state, count in await connection.execute(counted_by("run_id", "state").where(its))
    }
    return {part.name: min(found.get((part.in_state_of, part.value), 0), COUNTED + 1) for part in whole}


async def _count_rows(connection: AsyncConnection, ranges: Sequence[Range]) -> dict[str, int]:
    """In one statement."""
    ends = [
        (await connection.execute(_look(connection, part, None, COUNTED))).one()[1] if part.rest else None
        for part in ranges
    ]
    counted = []
    for part, until in zip(ranges, ends, strict=True):
        mine = part.between(is_sqlite(connection), None, until)
        keys = select(part.key.label("key")).where(part.where, *mine, *part.rest)
        some = keys.order_by(*part.order).limit(COUNTED + 1).subquery()
        counted.append(select(func.count()).select_from(some).scalar_subquery())
    counts = (await connection.execute(select(*counted))).one()
    return {part.name: count for part, count in zip(ranges, counts, strict=True)}


def _from(place: PeoplePlace | None, ranges: Sequence[Range]) -> Iterator[tuple[Range, str | None]]:
    """The ranges from the place on, the first of them with the key behind which it begins."""
    names = [one.name for one in ranges]
    begin = names.index(place.range) if place is not None and place.range in names else None
    if place is None or begin is None or ranges[begin].before_launch == place.after.isdecimal():
        yield from ((one, None) for one in ranges)
        return
    yield ranges[begin], place.after
    yield from ((one, None) for one in ranges[begin + 1 :])


def _behind_row(part: Range, last: PersonRow) -> PeoplePlace:
    return PeoplePlace(part.name, last.phone if part.before_launch else str(last.job_id))


def _look(connection: AsyncConnection, part: Range, after: str | None, size: int) -> Select[int, Any]:
    """How many rows the range has behind `after`, `size` at most, and the last one's key."""
    window = _keys(connection, part, after, size).subquery()
    return select(func.count(), func.max(window.c.key))


def _keys(connection: AsyncConnection, part: Range, after: str | None, size: int) -> Select[Any]:
    keys = select(part.key.label("key")).where(part.where, *part.between(is_sqlite(connection), after, None))
    return keys.order_by(*part.order).limit(size)


def _shown(connection: AsyncConnection, part: Range, after: str | None, until: Any, size: int) -> Select[Any]:
    if part.before_launch:
        chosen = select(*_of_rows(part)).select_from(recipients)
    else:
        people = jobs.join(recipients, recipients.c.id == jobs.c.recipient_id)
        chosen = select(*_OF_JOBS).select_from(people)
    mine = chosen.where(part.where, *part.between(is_sqlite(connection), after, until), *part.rest)
    return mine.order_by(*part.order).limit(size)


_NAMES: Final = ("reason", "code", "held_by", "held_since", "due_at", "lane", "variant", "form", "attempts")
_answer = (
    select(attempts.c.detail)
    .where(attempts.c.job_id == jobs.c.id, attempts.c.number == jobs.c.attempts)
    .scalar_subquery()
)
_report = (
    select(events.c.detail)
    .where(events.c.job_id == jobs.c.id, events.c.event == jobs.c.state)
    .order_by(events.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_OF_JOBS: Final = (
    jobs.c.id.label("job_id"),
    jobs.c.run_id,
    recipients.c.line,
    jobs.c.phone,
    recipients.c.vars,
    jobs.c.state,
    func.coalesce(_answer, _report).label("text"),
    *(jobs.c[name] for name in _NAMES),
    jobs.c.provider_message_id.label("message_id"),
    *(jobs.c[name] for name in ("cost_micros", "currency", "updated_at")),
)


def _of_rows(part: Range) -> list[ColumnElement[Any]]:
    known: dict[str, ColumnElement[Any]] = {
        "line": recipients.c.line,
        "phone": recipients.c.phone,
        "vars": recipients.c.vars,
    }
    reason = dict(ENDED_WITHOUT_RUN.values()).get(JobState(part.name))
    known |= {"state": literal(part.name), "reason": literal(reason, Text()), "attempts": literal(0)}
    return [known.get(name, null()).label(name) for name in field_names(PersonRow)]


def _person(row: dict[str, Any]) -> PersonRow:
    return PersonRow(**{**row, "vars": orjson.loads(row["vars"]), "state": JobState(row["state"])})

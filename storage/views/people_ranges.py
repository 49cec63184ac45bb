"""Which people of a run are looked for, and the ranges of indexes in which they are: each is read in its order, so that
a page costs the same however many people there are. What no index answers is looked at row by row, in bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Table, Text, and_, cast, exists, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import JobState
from storage.audience.campaigns import Campaign
from storage.database.engine import is_sqlite
from storage.runs.editions import of_audience
from storage.runs.retries import ALREADY_ARRIVED
from storage.tables.audience import recipients
from storage.tables.runs import attempts, events, jobs, runs
from storage.views.report_scope import ScheduledRun
from storage.views.reports import reason_before_launch, state_before_launch

IN_TURN: Final = "pacing"
"""The rule of a message that nothing holds but its turn: no rule is stored for it."""
OWN_TIME: Final = "own_time"
"""The rule of one whose own time has not come: no rule is stored for it either."""
STATES: Final = (
    JobState.IN_DOUBT,
    JobState.FAILED,
    JobState.SENDING,
    JobState.PENDING,
    JobState.HELD,
    JobState.ACCEPTED,
    JobState.SENT,
    JobState.SKIPPED,
    JobState.EXPIRED,
    JobState.CANCELLED,
    JobState.DELIVERED,
    JobState.READ,
)
"""The order in which a list without a state has them: first what somebody may have to see to."""


@frozen
class PeopleFilter:
    """Who is looked for; empty: anybody."""

    states: Sequence[JobState] = ()
    rule: str = ""
    """What holds the message."""
    code: str = ""
    """The provider's code of a failure, or our reason where it has none: as reports count them."""
    reason: str = ""
    text: str = ""
    """A part of what the provider answered or reported."""
    phone: str = ""
    """A whole number, in E.164."""
    part: str = ""
    """A part of a number or of any cell of the row."""
    now: datetime | None = None
    """For the rule `own_time`."""
    lanes: Sequence[str] = ()
    """Their senders; empty: any."""


@frozen
class Range:
    """A range of an index, read in its order."""

    name: str
    where: ColumnElement[bool]
    """Which part of the index it is in."""
    value: str | None = None
    """The one value of `column` in the range."""
    column: ColumnElement[Any] | None = None
    rest: Sequence[ColumnElement[bool]] = ()
    """What is looked at row by row."""
    before_launch: bool = False
    """Whether it is one of recipients, and not of jobs."""
    ends: tuple[int, int] | None = None
    """The first key and the last, where there is no column."""
    in_state_of: int | None = None
    """The run whose messages in the state `value` it holds, all but those that `rest` leaves out."""

    @property
    def key(self) -> ColumnElement[Any]:
        """Different in each row."""
        return recipients.c.phone if self.before_launch else jobs.c.id

    @property
    def order(self) -> Sequence[ColumnElement[Any]]:
        return (self.key,) if self.column is None else (self.column, self.key)

    def between(self, sqlite: bool, after: str | None, until: Any) -> Iterator[ColumnElement[bool]]:
        """Its rows from behind the key `after` up to `until`, as one bound at each end: of two, SQLite looks for one
        alone."""
        behind = None if after is None else after if self.before_launch else int(after)
        if self.column is not None and not sqlite:
            yield from self._rows_between(self.column, behind, until)
            return
        if self.column is not None:
            yield self.column == self.value
        first, last = self.ends or (None, None)
        if behind is not None:
            yield self.key > behind
        elif first is not None:
            yield self.key >= first
        if (end := last if until is None else until) is not None:
            yield self.key <= end

    def _rows_between(
        self, column: ColumnElement[Any], behind: Any, until: Any
    ) -> Iterator[ColumnElement[bool]]:
        """For PostgreSQL: an equality would leave the keys alone to be ordered by, and it may then read the table in
        their order from its beginning, past all other runs. (SQLite looks for the first part of such a pair alone.)"""
        rows = tuple_(column, self.key)
        yield column >= self.value if behind is None else rows > tuple_(self.value, behind)
        yield column <= self.value if until is None else rows <= tuple_(self.value, until)


async def ranges_of(
    connection: AsyncConnection, campaign: Campaign, run: ScheduledRun | None, wanted: PeopleFilter
) -> list[Range]:
    """Those that hold everybody who is looked for in the run and its retries, in the order of a list. `run`: None where
    nothing is launched."""
    if run is None:
        return _before_launch(connection, campaign, wanted)
    its = or_(runs.c.id == run.id, runs.c.parent_id == run.id)
    tries = select(runs.c.id, runs.c.kind).where(runs.c.campaign_id == campaign.id, its)
    found: list[Range] = []
    newer: list[int] = []
    for run_id, kind in await connection.execute(tries.order_by(runs.c.id.desc())):
        rest = [*_newest_try(newer, is_retry=kind == "retry"), *_rest(connection, wanted)]
        found += [replace(one, rest=[*one.rest, *rest]) for one in await _of_run(connection, run_id, wanted)]
        newer.append(run_id)
    return found


def _before_launch(connection: AsyncConnection, campaign: Campaign, wanted: PeopleFilter) -> list[Range]:
    """Everybody of the list waits, or ended with the campaign."""
    state = state_before_launch(campaign)
    is_other = bool(wanted.states) and state not in wanted.states
    for_other = any(
        asked not in ("", reason_before_launch(campaign)) for asked in (wanted.code, wanted.reason)
    )
    if is_other or for_other or wanted.rule or wanted.text:
        return []
    mine = of_audience(campaign.id)
    if wanted.phone:
        mine = and_(mine, recipients.c.phone == wanted.phone)
    rest = [part_of(connection, recipients.c.phone, wanted.part)] if wanted.part else []
    return [Range(state.value, mine, rest=rest, before_launch=True)]


async def _of_run(connection: AsyncConnection, run_id: int, wanted: PeopleFilter) -> list[Range]:
    """By what the fewest have in common."""
    mine = jobs.c.run_id == run_id
    by_rule = wanted.rule and wanted.rule not in (IN_TURN, OWN_TIME)
    if wanted.phone or by_rule or wanted.code or wanted.reason:
        return list(_narrow(run_id, wanted))
    if not wanted.states and (wanted.text or wanted.part):
        return await _everybody(connection, run_id)
    asked = [state for state in STATES if not wanted.states or state in wanted.states]
    return [
        Range(f"{run_id}-{state.value}", mine, state.value, jobs.c.state, in_state_of=run_id)
        for state in asked
    ]


def _narrow(run_id: int, wanted: PeopleFilter) -> Iterator[Range]:
    name, mine = f"{run_id}-", jobs.c.run_id == run_id
    in_states = [_not_by_index(jobs.c.state).in_(wanted.states)] if wanted.states else []
    reason = [_not_by_index(jobs.c.reason) == wanted.reason] if wanted.reason else []
    if wanted.phone:
        its = and_(mine, jobs.c.phone == wanted.phone)
        yield Range(f"{name}phone", its, rest=[*in_states, *reason, *_code(wanted)])
    elif wanted.rule and wanted.rule not in (IN_TURN, OWN_TIME):
        rest = [*in_states, *reason, *_code(wanted)]
        yield Range(f"{name}rule", mine, wanted.rule, jobs.c.held_by, rest)
    elif wanted.code:
        yield Range(f"{name}code", mine, wanted.code, jobs.c.code, [*in_states, *reason])
        rest = [*in_states, *reason, jobs.c.code.is_(None)]
        yield Range(f"{name}reason", mine, wanted.code, jobs.c.reason, rest)
    else:
        yield Range(f"{name}reason", mine, wanted.reason, jobs.c.reason, in_states)


async def _everybody(connection: AsyncConnection, run_id: int) -> list[Range]:
    """All of the run as they lie in the table, to be looked at row by row: near each other, so quickly read."""
    ends = [
        select(jobs.c.id)
        .where(jobs.c.run_id == run_id, *part.between(is_sqlite(connection), None, None))
        .order_by(*(column.desc() if backwards else column for column in part.order))
        .limit(1)
        .scalar_subquery()
        for part in (Range("", jobs.c.run_id == run_id, state.value, jobs.c.state) for state in JobState)
        for backwards in (False, True)
    ]
    ids = [one for one in (await connection.execute(select(*ends))).one() if one is not None]
    if not ids:
        return []
    # SQLite would take an index of the run, and sort all of it, though the ids lie together.
    its = func.coalesce(jobs.c.run_id, 0) if is_sqlite(connection) else jobs.c.run_id
    return [Range(f"{run_id}-all", its == run_id, ends=(min(ids), max(ids)))]


def _not_by_index(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column as one that no index is chosen for: another is the right one."""
    return func.coalesce(column, "")


def _code(wanted: PeopleFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.code:
        code, reason = _not_by_index(jobs.c.code), _not_by_index(jobs.c.reason)
        yield or_(code == wanted.code, and_(code == "", reason == wanted.code))


def _newest_try(newer: Sequence[int], *, is_retry: bool) -> Iterator[ColumnElement[bool]]:
    """Of a person's tries in the run and its retries, the newest alone; `newer`: the retries after this one."""
    if is_retry:
        yield jobs.c.reason.is_distinct_from(ALREADY_ARRIVED)
    if newer:
        again = jobs.alias("again")
        theirs = and_(again.c.run_id.in_(newer), again.c.phone == jobs.c.phone)
        yield ~exists().where(theirs, again.c.reason.is_distinct_from(ALREADY_ARRIVED))


def _rest(connection: AsyncConnection, wanted: PeopleFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.rule in (IN_TURN, OWN_TIME):
        yield and_(_not_by_index(jobs.c.state) == JobState.PENDING.value, jobs.c.held_by.is_(None))
    if wanted.rule == OWN_TIME and wanted.now is not None:
        yield jobs.c.due_at > wanted.now
    if wanted.lanes:
        yield _not_by_index(jobs.c.lane).in_(wanted.lanes)
    if wanted.text:
        yield or_(_any_with(attempts, wanted.text), _any_with(events, wanted.text))
    if wanted.part:
        theirs = part_of(connection, recipients.c.phone, wanted.part)
        yield _count(recipients, recipients.c.id == jobs.c.recipient_id, theirs) > 0


def _any_with(table: Table, text: str) -> ColumnElement[bool]:
    return _count(table, table.c.job_id == jobs.c.id, _contains(table.c.detail, text)) > 0


def _count(table: Table, *which: ColumnElement[bool]) -> ColumnElement[int]:
    """How many such rows a job has: for EXISTS, or a join, PostgreSQL may look through the whole table first."""
    return select(func.count()).select_from(table).where(*which).correlate(jobs).scalar_subquery()


def part_of(connection: AsyncConnection, phone: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Whether it is a part of the number or of a cell. JSON's names of columns are no cells."""
    digits = "".join(filter(str.isdecimal, part))
    if digits and not part.strip(f"{digits} +-.()/"):
        return phone.contains(digits, autoescape=True)
    written = orjson.dumps(part).decode()[1:-1]
    if is_sqlite(connection):
        each: Any = func.json_each(recipients.c.vars).table_valued("value", name="cell")
    else:
        from sqlalchemy.dialects.postgresql import JSONB  # its dialect is a tenth of a command's time

        each = func.jsonb_each_text(cast(recipients.c.vars, JSONB)).table_valued("key", "value", name="cell")
    cells = exists(select(literal(1)).select_from(each).where(_contains(each.c.value, part)))
    return and_(_contains(recipients.c.vars, written), cells)


def _contains(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Without regard to case; SQLite knows the case of ASCII alone, so the usual ones are named."""
    spelt = [part] if part.isascii() else {part, part.lower(), part.upper(), part.title()}
    return or_(*(cast(column, Text).icontains(each, autoescape=True) for each in spelt))

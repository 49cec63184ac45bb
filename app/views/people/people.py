"""The people of a campaign, a page at a time: by state, rule, code, reason, the provider's text, number or name."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Final

from app.views.messages import ENDED, WAITS
from app.views.people.listed_names import listed_name
from app.views.reports.parts import find_asked
from campaigns.errors import InvalidInput
from campaigns.frozen import frozen
from campaigns.phones.phone import PhoneFault, read_person
from campaigns.rules.names import WAITS_FOR_EVENT, Rule
from campaigns.states import JobState, RunState
from campaigns.time.clock import NEVER
from scheduler.clock.holds import WINDOWS
from scheduler.clock.progress import LANE_PAUSED, NO_SENDER
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from storage.receipts.user_ids import numbers_of_placeholders
from storage.retention.purged_totals import purged_since
from storage.sending.erased import ERASED
from storage.views.overview import paused_lanes
from storage.views.people import COUNTED, PeoplePlace, PersonRow, count_people, count_states, people_rows
from storage.views.people_ranges import IN_TURN, OWN_TIME, PeopleFilter
from storage.views.rejected_rows import RejectedRow, count_rejected, rejected_rows
from storage.views.report_scope import ScheduledRun, scheduled_runs

PAGE: Final = 100
LONGEST_NUMBER: Final = 18
LONGEST: Final = 200
"""Characters of a text that is looked for."""
REJECTED: Final = "rejected"
GROUPS: Final[Mapping[str, Sequence[JobState]]] = {
    "in_doubt": (JobState.IN_DOUBT,),
    "failed": (JobState.FAILED,),
    "pending": (JobState.PENDING,),
    "way": (JobState.SENDING, JobState.ACCEPTED, JobState.HELD, JobState.SENT),
    "delivered": (JobState.DELIVERED,),
    "read": (JobState.READ,),
    "skipped": (JobState.SKIPPED,),
    "expired": (JobState.EXPIRED,),
    "cancelled": (JobState.CANCELLED,),
}
"""What people are counted by, in the order of a page: states, and those on their way together."""
OTHER_NAMES: Final = {"waiting": "pending", "doubt": "in_doubt", "on_its_way": "way"}
NOT_STARTED: Final = "The campaign has not started."


@frozen
class Asked:
    """A filter as an address names it; empty: anybody."""

    state: str = ""
    """One or several of JobState or GROUPS, with commas between; or `rejected`: rows that were not accepted."""
    rule: str = ""
    code: str = ""
    reason: str = ""
    text: str = ""
    search: str = ""
    run: int | None = None
    """None: the newest run."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """From the parameters of an address. Raises InvalidInput."""
        run = query.get("run", "")
        if run and not _is_number(run):
            raise InvalidInput(
                f"{run!r} is not the number of a run.", hint="The campaign's page lists its runs."
            )
        texts = {
            name: query.get(name, "").strip()[:LONGEST]
            for name in ("state", "rule", "code", "reason", "text", "search")
        }
        return cls(**texts, run=int(run) if run else None)

    @property
    def shown(self) -> str:
        """Which of the people, but not for whom somebody looked."""
        given = {**asdict(self), "search": self.search and "…"}
        return ", ".join(f"{name} {value}" for name, value in given.items() if value) or "everybody"

    @property
    def rejected(self) -> bool:
        return self.state == REJECTED

    @property
    def states(self) -> Sequence[JobState]:
        """Raises InvalidInput for a state that does not exist."""
        found: list[JobState] = []
        for name in filter(None, self.state.split(",")):
            known = OTHER_NAMES.get(name, name)
            if known not in GROUPS and known not in set(JobState):
                names = ", ".join((*GROUPS, REJECTED))
                raise InvalidInput(f"{name!r} is not a state.", hint=f"Use one of {names}.")
            found += GROUPS.get(known) or [JobState(known)]
        return found

    def filter(self, campaign: Campaign, now: datetime) -> PeopleFilter:
        states = self.states
        if self.rule in (IN_TURN, OWN_TIME):
            states = [JobState.PENDING]
        wanted = PeopleFilter(states, self.rule, self.code, self.reason, self.text, now=now)
        number = read_person(self.search, campaign.spec.audience.default_country, landlines=True)
        if isinstance(number, PhoneFault):
            return replace(wanted, part=self.search)
        return replace(wanted, phone=number.number)

    async def found_by(self, connection: Connection, campaign: Campaign, now: datetime) -> PeopleFilter:
        """The filter, where a number is looked for by what the list has in its place."""
        wanted = self.filter(campaign, now)
        if not wanted.phone:
            return wanted
        return replace(wanted, phone=await listed_name(connection, campaign, wanted.phone))


@frozen
class PersonLine:
    """One person as a list shows them."""

    row: PersonRow
    name: str
    """What the list calls them; empty: nothing."""
    meaning: str
    """Why it is so; empty: nothing is to be said."""
    until: datetime | None
    """Until when it is held; None: not known, or not held."""

    @property
    def erased(self) -> bool:
        return self.row.phone.startswith(ERASED)


@frozen
class RejectedLine:
    """A row that was not accepted, cut into its cells."""

    row: RejectedRow
    cells: Sequence[tuple[str, str]]
    """Column and cell; empty: the row does not fit its columns."""

    @property
    def cell(self) -> str:
        """The cell at fault; empty: it is the whole row."""
        return next((cell for column, cell in self.cells if column == self.row.column), "")


@frozen
class PeoplePage:
    """A page of people, or of rejected rows."""

    campaign: Campaign
    run: ScheduledRun | None
    """Whose people they are; None: the campaign has no run yet."""
    runs: Sequence[ScheduledRun]
    """All its runs, the newest first."""
    people: Sequence[PersonLine]
    rejected: Sequence[RejectedLine]
    next: str
    """Where the next page begins; empty: this is the last."""
    looked_at: int
    """How many rows were looked at before this page ended early; 0: it did not."""
    count: int | None
    """How many there are; None: they are not counted. One more than COUNTED: more than that."""
    purged_at: datetime | None


async def people_page(
    connection: Connection,
    name: str,
    asked: Asked,
    now: datetime,
    *,
    after: str = "",
    size: int = PAGE,
    counted: bool = True,
) -> PeoplePage:
    """`after`: the `next` of the page before. Raises NotFound, InvalidInput."""
    campaign, run, runs = await _scope(connection, name, asked.run)
    place = _place(after)
    purged_at = await purged_since(connection, campaign.id)
    if asked.rejected:
        bad = await rejected_rows(connection, campaign, run, asked.code, asked.search, size, place)
        counts = counted and not asked.search
        count = await count_rejected(connection, campaign, run, asked.code) if counts else None
        lines = [_rejected_line(row) for row in bad.rows]
        return PeoplePage(campaign, run, runs, (), lines, _written(bad.next), bad.looked_at, count, purged_at)
    lanes = await paused_lanes(connection, campaign.lanes, now)
    wanted = _held_from_outside(await asked.found_by(connection, campaign, now), [one.lane for one in lanes])
    found = await people_rows(connection, campaign, run, wanted, size, place)
    count = await count_people(connection, campaign, run, wanted) if counted else None
    numbers = await numbers_of_placeholders(connection, [row.phone for row in found.rows])
    shown = [replace(row, phone=numbers.get(row.phone, row.phone)) for row in found.rows]
    paused = {pause.lane: pause.until for pause in lanes}
    people = [_person_line(row, run, now, paused) for row in shown]
    return PeoplePage(
        campaign, run, runs, people, (), _written(found.next), found.looked_at, count, purged_at
    )


async def people_counts(connection: Connection, name: str, run_id: int | None) -> dict[str, int]:
    """How many people of the run are in each group of states that has any, and how many rows were rejected; each
    counted up to COUNTED and one more."""
    campaign, run, _ = await _scope(connection, name, run_id)
    by_state = await count_states(connection, campaign, run)
    counts = {group: sum(by_state[state] for state in states) for group, states in GROUPS.items()}
    counts[REJECTED] = await count_rejected(connection, campaign, run, "")
    return {group: count for group, count in counts.items() if count}


def shown_count(count: int) -> str:
    """`1,234`, or `10,000+`."""
    return f"{COUNTED:,}+" if count > COUNTED else f"{count:,}"


async def _scope(
    connection: Connection, name: str, run_id: int | None
) -> tuple[Campaign, ScheduledRun | None, Sequence[ScheduledRun]]:
    asked = await find_asked(connection, name, run_id)
    runs = (await scheduled_runs(connection, asked.campaign.id))[::-1]
    chosen = asked.runs if asked.runs is not None else runs
    return asked.campaign, chosen[0] if chosen else None, runs


def _place(after: str) -> PeoplePlace | None:
    range_, _, key = after.partition("~")
    is_key = _is_number(key) or key.startswith(("+", ERASED))
    return PeoplePlace(range_, key) if range_ and is_key else None


def _is_number(text: str) -> bool:
    """Whether it is one that a database can hold."""
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def _written(place: PeoplePlace | None) -> str:
    return "" if place is None else f"{place.range}~{place.after}"


def _held_from_outside(wanted: PeopleFilter, paused: Sequence[str]) -> PeopleFilter:
    """What holds a run or a sender as a whole is stored at none of its messages."""
    if wanted.rule in (Rule.RUN_STATE, NO_SENDER):
        return replace(wanted, rule="", states=[JobState.PENDING])
    if wanted.rule == LANE_PAUSED and paused:
        return replace(wanted, rule="", states=[JobState.PENDING], lanes=paused)
    return wanted


Paused = Mapping[str, datetime | None]
"""The senders that are paused, and until when; None: until a person resumes them."""


def _person_line(row: PersonRow, run: ScheduledRun | None, now: datetime, paused: Paused) -> PersonLine:
    waits_for_sender = _waits_for_sender(row, run, paused)
    until = paused[row.lane or ""] if waits_for_sender else _until(row, now)
    meaning = WAITS[LANE_PAUSED] if waits_for_sender else _meaning(row, run, now)
    return PersonLine(row, name_of(row.vars), meaning, until)


def _waits_for_sender(row: PersonRow, run: ScheduledRun | None, paused: Paused) -> bool:
    is_running = run is not None and run.state is not RunState.PAUSED
    return is_running and row.state is JobState.PENDING and row.lane in paused


def _until(row: PersonRow, now: datetime) -> datetime | None:
    """Of one that waits for an event, the stored time is the last at which it may go."""
    is_held = row.state is JobState.PENDING and row.due_at is not None and now < row.due_at < NEVER
    return row.due_at if is_held and row.held_by not in WINDOWS else None


def _meaning(row: PersonRow, run: ScheduledRun | None, now: datetime) -> str:
    if row.state is not JobState.PENDING:
        return ENDED.get(row.reason or "", "")
    if run is None:
        return NOT_STARTED
    if run.state is RunState.PAUSED:
        return WAITS["run_state"]
    if _until(row, now) is None and row.held_by not in WAITS_FOR_EVENT:
        return WAITS[IN_TURN]
    return WAITS.get(row.held_by or OWN_TIME, "")


def name_of(cells: Mapping[str, str]) -> str:
    """What a row calls its person: the cells of columns for names, else the first cell that is not blank."""
    names = [cell for column, cell in cells.items() if "name" in column.casefold() and cell.strip()]
    return " ".join(names[:2]) or next((cell for cell in cells.values() if cell.strip()), "")


def _rejected_line(row: RejectedRow) -> RejectedLine:
    try:
        cells = next(csv.reader([row.raw], delimiter=row.delimiter), [])
    except (csv.Error, TypeError):
        cells = []
    fits = len(cells) == len(row.columns)
    return RejectedLine(row, list(zip(row.columns, cells, strict=True)) if fits else ())

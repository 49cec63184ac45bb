"""The reports' numbers, counted in SQL in one snapshot. Shapes follow the design's `--json`.

A campaign that was not launched has no jobs: its recipients count as jobs in state pending (or cancelled),
so that rows = rejected + jobs, and jobs = the sum of states, at every moment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.figures import share_of
from campaigns.frozen import frozen
from campaigns.states import AWAITING_RECEIPT, ENDED_WITHOUT_RUN, JobState
from storage.audience.campaigns import Campaign
from storage.receipts.user_ids import numbers_of_placeholders
from storage.retention.purged_totals import JobGroup
from storage.runs.editions import of_audience
from storage.tables.audience import recipients, rejects
from storage.tables.retention import purged_jobs
from storage.views.counted_jobs import GROUP, NO_EXAMPLE, count_by, examples_of, occurrences_of
from storage.views.report_scope import ScheduledRun, Scope, scope_of

ARRIVED: Final = (JobState.DELIVERED, JobState.READ)
NEVER_LEFT: Final = (JobState.PENDING, JobState.SKIPPED, JobState.EXPIRED, JobState.CANCELLED)
NOT_REACHED: Final = (
    JobState.IN_DOUBT,
    JobState.FAILED,
    JobState.SKIPPED,
    JobState.EXPIRED,
    JobState.CANCELLED,
)
"""How a message ends that did not arrive, or may not have arrived, in the order of the reports."""


@frozen
class Delivery:
    """The result of every row."""

    rejected: int
    states: dict[JobState, int]
    skipped: dict[str, int]
    failed: dict[str, int]
    runs: Sequence[ScheduledRun] = ()
    """The runs that are counted, the oldest first."""
    file_rejected: int = 0
    file_recipients: int = 0
    """Rows of the file as it was read last: the rejected, and the others."""

    @property
    def file_rows(self) -> int:
        """Rows of the file, however many runs sent to them."""
        return self.file_rejected + self.file_recipients

    @property
    def jobs(self) -> int:
        return sum(self.states.values())

    @property
    def rows(self) -> int:
        return self.rejected + self.jobs

    @property
    def awaiting(self) -> int:
        """Messages that are on their way: their receipt may still come, for days."""
        return sum(self.states.get(state, 0) for state in AWAITING_RECEIPT)

    @property
    def delivery_rate(self) -> float | None:
        """Delivered or read, of all that left or were refused by the provider."""
        tried = self.jobs - sum(self.states.get(state, 0) for state in NEVER_LEFT)
        return share_of(self._arrived, tried)

    @property
    def read_rate(self) -> float | None:
        """Read, of all that were delivered."""
        return share_of(self.states.get(JobState.READ, 0), self._arrived)

    @property
    def _arrived(self) -> int:
        return sum(self.states.get(state, 0) for state in ARRIVED)


@frozen
class Failure:
    """Jobs that ended without arriving, or are in doubt, for the same reason."""

    state: JobState
    code: str | None
    reason: str | None
    text: str | None
    count: int
    example: str | None
    """None: they are purged."""


@frozen
class RejectGroup:
    """Rows that were rejected with the same code."""

    code: str
    reason: str
    count: int
    first_line: int


async def delivery(
    connection: AsyncConnection, campaign: Campaign, chosen: Sequence[ScheduledRun] | None = None
) -> Delivery:
    """How many rows were rejected and how many jobs are in each state; of some runs, or of all."""
    scope = await scope_of(connection, campaign, chosen)
    purged = await scope.purged_jobs(connection)
    gone_rows = sum(group.count for group in await scope.purged_rejects(connection))
    groups = await _groups(connection, scope)
    skipped, failed = _ended([*groups, *purged])
    found = Delivery(
        rejected=await _count_rejects(connection, scope) + gone_rows,
        states=_states_of([*groups, *purged]),
        skipped=skipped,
        failed=failed,
        runs=scope.runs,
    )
    if len(scope.runs) <= 1:
        return replace(found, file_rejected=found.rejected, file_recipients=found.jobs)
    newest = replace(scope, runs=scope.runs[-1:], chosen=True, few=None)
    read_each_time = campaign.spec.audience.refresh is not None
    return replace(
        found,
        file_rejected=await _count_rejects(connection, newest) + (0 if read_each_time else gone_rows),
        file_recipients=campaign.recipients if chosen is None else await _count_jobs(connection, newest),
    )


async def _count_jobs(connection: AsyncConnection, scope: Scope) -> int:
    """The people of its runs, purged ones among them."""
    groups = [*await _groups(connection, scope), *await scope.purged_jobs(connection)]
    return sum(group.count for group in groups)


async def progress(connection: AsyncConnection, campaign: Campaign, run: ScheduledRun | None) -> Delivery:
    """The same of the newest run, without reasons: cheap enough to be asked for again and again. None: before the first
    run."""
    scope = await scope_of(connection, campaign, [run] if run else [])
    gone_rows = sum(group.count for group in await scope.purged_rejects(connection))
    states = _states_of([*await _groups(connection, scope), *await scope.purged_jobs(connection)])
    whole = scope if run else replace(scope, chosen=False)
    rejected = await _count_rejects(connection, whole) + gone_rows
    return Delivery(rejected, states, {}, {}, scope.runs, rejected, sum(states.values()))


async def _count_rejects(connection: AsyncConnection, scope: Scope) -> int:
    counted = select(func.count()).select_from(rejects).where(scope.rejects)
    return int((await connection.execute(counted)).scalar_one())


async def _groups(connection: AsyncConnection, scope: Scope) -> list[JobGroup]:
    if not scope.launched:
        waiting = scope.campaign
        return [JobGroup(state_before_launch(waiting), None, None, waiting.recipients)]
    counted = await count_by(connection, scope, "state", "reason", "code")
    return [JobGroup(JobState(state), reason, code, n) for (state, reason, code), n in counted.items()]


def state_before_launch(campaign: Campaign) -> JobState:
    """The state that the recipients of a campaign without a run count as."""
    return ENDED_WITHOUT_RUN.get(campaign.state, (JobState.PENDING, ""))[0]


def reason_before_launch(campaign: Campaign) -> str | None:
    """Why they have ended; None: they wait."""
    return ENDED_WITHOUT_RUN.get(campaign.state, (JobState.PENDING, None))[1]


async def states_by_run(
    connection: AsyncConnection, campaign: Campaign, chosen: Sequence[ScheduledRun] | None = None
) -> dict[ScheduledRun, dict[JobState, int]]:
    """The states of each scheduled run's jobs, those of its retries among them; the newest run first."""
    scope = await scope_of(connection, campaign, chosen)
    occurrences = await occurrences_of(connection, scope)
    counted: defaultdict[int, Counter[JobState]] = defaultdict(Counter)
    for (run_id, state), number in (await count_by(connection, scope, "run_id", "state")).items():
        counted[occurrences[run_id]][JobState(state)] += number
    purged = (
        select(purged_jobs.c.run_id, purged_jobs.c.state, cast(func.sum(purged_jobs.c.jobs), BigInteger))
        .where(purged_jobs.c.run_id.in_(scope.run_ids), purged_jobs.c.counts)
        .group_by(purged_jobs.c.run_id, purged_jobs.c.state)
    )
    for run_id, state, number in await connection.execute(purged):
        counted[occurrences[run_id]][JobState(state)] += number
    return {run: _in_order(counted[run.id]) for run in reversed(scope.runs)}


def _states_of(groups: Sequence[JobGroup]) -> dict[JobState, int]:
    together = Counter[JobState]()
    for group in groups:
        together[group.state] += group.count
    return _in_order(together)


def _in_order(states: Counter[JobState]) -> dict[JobState, int]:
    return {state: states[state] for state in JobState if state in states}


def _ended(groups: Sequence[JobGroup]) -> tuple[dict[str, int], dict[str, int]]:
    """How many were skipped by reason, and how many failed by the provider's code or else by reason."""
    skipped, failed = Counter[str](), Counter[str]()
    for group in groups:
        if group.state is JobState.SKIPPED:
            skipped[group.reason or "unknown"] += group.count
        elif group.state is JobState.FAILED:
            failed[group.code or group.reason or "unknown"] += group.count
    return _most_first(skipped), _most_first(failed)


def _most_first(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


async def failures(
    connection: AsyncConnection, campaign: Campaign, chosen: Sequence[ScheduledRun] | None = None
) -> list[Failure]:
    """Jobs that ended without arriving or are in doubt, grouped by code: by state, the most frequent first."""
    scope = await scope_of(connection, campaign, chosen)
    if not scope.launched:
        return await _ended_before_launch(connection, campaign)
    counted = await count_by(connection, scope, *GROUP)
    groups = {key: number for key, number in counted.items() if JobState(key[1]) in NOT_REACHED}
    examples = await examples_of(connection, groups)
    found: dict[tuple[JobState, str | None, str | None], Failure] = {}
    for (run_id, state, reason, code), number in sorted(groups.items(), key=lambda group: group[0][0]):
        example = examples.get((run_id, state, reason, code), NO_EXAMPLE)
        alike = JobState(state), code, reason
        known = found.get(alike, Failure(*alike, None, 0, None))
        found[alike] = replace(
            known,
            count=known.count + number,
            text=known.text or example.text,
            example=known.example or example.phone,
        )
    shown = await _by_number(connection, list(found.values()))
    return _failures_with(shown, await scope.purged_jobs(connection))


async def _by_number(connection: AsyncConnection, found: Sequence[Failure]) -> list[Failure]:
    """Each example by its number, where one of a user id was learnt by now."""
    numbers = await numbers_of_placeholders(connection, [one.example for one in found if one.example])
    return [replace(one, example=numbers.get(one.example or "", one.example)) for one in found]


async def _ended_before_launch(connection: AsyncConnection, campaign: Campaign) -> list[Failure]:
    reason = reason_before_launch(campaign)
    if reason is None or not campaign.recipients:
        return []
    first = select(func.min(recipients.c.phone)).where(of_audience(campaign.id))
    example = await connection.scalar(first)
    return [Failure(state_before_launch(campaign), None, reason, None, campaign.recipients, example)]


def _failures_with(found: Sequence[Failure], purged: Sequence[JobGroup]) -> list[Failure]:
    together = {(one.state, one.code, one.reason): one for one in found}
    for group in purged:
        if group.state in NOT_REACHED:
            key = group.state, group.code, group.reason
            known = together.get(key, Failure(*key, None, 0, None))
            together[key] = replace(known, count=known.count + group.count)
    return sorted(
        together.values(), key=lambda one: (NOT_REACHED.index(one.state), -one.count, one.code or "")
    )


async def reject_groups(
    connection: AsyncConnection, campaign: Campaign, chosen: Sequence[ScheduledRun] | None = None
) -> list[RejectGroup]:
    """Rejected rows grouped by code, the most frequent first."""
    scope = await scope_of(connection, campaign, chosen)
    counted = await connection.execute(
        select(rejects.c.code, func.min(rejects.c.reason), func.count(), func.min(rejects.c.line))
        .where(scope.rejects)
        .group_by(rejects.c.code)
        .order_by(func.count().desc(), rejects.c.code)
    )
    together = {row.code: RejectGroup(*row) for row in counted}
    for purged in await scope.purged_rejects(connection):
        known = together.get(purged.code, RejectGroup(purged.code, purged.reason, 0, purged.first_line))
        line = min(known.first_line, purged.first_line)
        together[purged.code] = replace(known, count=known.count + purged.count, first_line=line)
    return sorted(together.values(), key=lambda one: (-one.count, one.code))


async def count_replies(
    connection: AsyncConnection, campaign: Campaign, chosen: Sequence[ScheduledRun] | None = None
) -> dict[JobState, int]:
    """How many messages were answered, by their state. Of those that are purged it is not known."""
    scope = await scope_of(connection, campaign, chosen)
    counted = await count_by(connection, scope, "state", "answered")
    return {JobState(state): number for (state, answered), number in counted.items() if answered}

"""People whom a run's list names by a provider's user id: their jobs are about the number, once that is known, and only
one of the run's jobs for a person is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.phones.user_ids import PREFIX
from campaigns.states import JobState
from storage.database.bulk import among
from storage.receipts.user_ids import numbers_of_placeholders, placeholders_of
from storage.sending.intents import DueJob
from storage.tables.runs import jobs

SAME_PERSON: Final = "same_person"
"""The reason of a job that is skipped because another of the run is for the person."""
NEVER_WENT: Final = frozenset(
    {JobState.PENDING, JobState.SKIPPED, JobState.CANCELLED, JobState.EXPIRED, JobState.FAILED}
)


async def names_user_ids(connection: AsyncConnection, run_id: int) -> bool:
    """Whether the run has jobs for people who are known by a user id alone."""
    # Numbers begin with a plus, before every letter: the index of the run's phones ends at once.
    theirs = select(jobs.c.id).where(
        jobs.c.run_id == run_id, jobs.c.phone > PREFIX[0], jobs.c.phone.startswith(PREFIX)
    )
    return (await connection.execute(theirs.limit(1))).first() is not None


async def one_for_each_person(
    connection: AsyncConnection, account: str, run_id: int, due: Sequence[DueJob]
) -> list[DueJob]:
    """The jobs with numbers in place of user ids, as far as they are known. `is_twin`: another of the run's jobs is for
    the person; the one that was sent already, else that of the number, else the first."""
    known = await numbers_of_placeholders(connection, [job.phone for job in due])
    named = [replace(job, phone=known.get(job.phone, job.phone)) for job in due]
    numbers = {job.phone for job in named if not job.phone.startswith(PREFIX)}
    others = await placeholders_of(connection, account, numbers)
    people = {name: number for number, names in others.items() for name in (number, *names)}
    found = select(jobs.c.id, jobs.c.phone, jobs.c.state).where(
        jobs.c.run_id == run_id, among(connection, jobs.c.phone, set(people))
    )
    theirs: dict[str, list[tuple[int, str, JobState]]] = {}
    for job_id, phone, state in await connection.execute(found.order_by(jobs.c.id)) if people else ():
        theirs.setdefault(people[phone], []).append((job_id, phone, JobState(state)))
    return [replace(job, is_twin=_is_twin(job, theirs.get(job.phone, ()))) for job in named]


def _is_twin(job: DueJob, theirs: Iterable[tuple[int, str, JobState]]) -> bool:
    ranked = sorted(theirs, key=lambda one: (one[2] in NEVER_WENT, one[1] != job.phone, one[0]))
    return bool(ranked) and ranked[0][0] != job.id

"""What `drumbeat db purge` takes out, a bounded batch to a transaction: what the reports count of a job goes into its
run's totals in the transaction that deletes it, so that a purge may be cut off anywhere and begun again.

What stays: jobs that are not final, opt-outs without their evidence, budgets, what a cap or a tier may still look at,
campaigns, runs and the files' names and digests.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Table,
    and_,
    case,
    cast,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import FINAL, CampaignState, JobState, RunState
from storage.database.bulk import table_of
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.runs.editions import edition_of
from storage.runs.history import in_order
from storage.runs.retries import ALREADY_ARRIVED
from storage.tables.audience import campaigns, imports, recipients, rejects
from storage.tables.contacts import inbound, optouts, touches, windows
from storage.tables.lanes import unique_recipients
from storage.tables.media import media_files, media_uploads
from storage.tables.money import reservations
from storage.tables.receipts import unmatched_reports, webhooks
from storage.tables.retention import purged_jobs, purged_rejects
from storage.tables.runs import attempts, events, jobs, runs
from storage.tables.types import Id

OVER: Final = (RunState.COMPLETED.value, RunState.CANCELLED.value)
TO_BE_SENT: Final = (JobState.PENDING.value, JobState.SENDING.value, JobState.IN_DOUBT.value)
_ENDED: Final = campaigns.c.state.in_([CampaignState.COMPLETED.value, CampaignState.CANCELLED.value])
FINAL_STATES: Final = [state.value for state in FINAL]


@frozen
class OldRun:
    """A run that was over before the purge's moment."""

    id: int
    kind: str
    family: tuple[int, ...]
    """The runs of its occurrence, itself included: those that retry it, or that it retries."""


async def old_runs(connection: AsyncConnection, before: datetime) -> list[OldRun]:
    """The runs that were over before then, and all of their occurrence with them, and that still have jobs that are
    final; the oldest first."""
    member = runs.alias("member")
    done = select(jobs.c.id).where(jobs.c.run_id == runs.c.id, jobs.c.state.in_(FINAL_STATES))
    goes_on = select(member.c.id).where(_root(member) == _root(runs), ~_was_over(member, before))
    query = select(runs.c.id, runs.c.kind, _root(runs)).where(
        _was_over(runs, before), done.exists(), ~goes_on.exists()
    )
    found = (await connection.execute(query.order_by(runs.c.id))).all()
    families: dict[int, list[int]] = {}
    retried = select(_root(runs), runs.c.id).where(_root(runs).in_([root for _, _, root in found]))
    for root, run_id in await connection.execute(retried.order_by(runs.c.id)):
        families.setdefault(root, []).append(run_id)
    return [OldRun(run_id, kind, tuple(families[root])) for run_id, kind, root in found]


def _root(run: FromClause) -> ColumnElement[int]:
    return func.coalesce(run.c.parent_id, run.c.id)


def _was_over(run: FromClause, before: datetime) -> ColumnElement[bool]:
    """Ended before then; or nothing but receipts is awaited, and none has come since: they may be awaited for ever."""
    mine = select(jobs.c.id).where(jobs.c.run_id == run.c.id)
    silent = and_(
        run.c.state == RunState.RUNNING.value,
        run.c.launched_at < before,
        ~mine.where(jobs.c.state.in_(TO_BE_SENT)).exists(),
        ~mine.where(jobs.c.updated_at >= before).exists(),
    )
    return or_(and_(run.c.state.in_(OVER), run.c.ended_at < before), silent)


async def old_campaigns(connection: AsyncConnection, before: datetime) -> list[int]:
    """The campaigns that were over before then: nothing of them will be sent, and no list is loaded into them."""
    lives = select(runs.c.id).where(runs.c.campaign_id == campaigns.c.id, ~_was_over(runs, before))
    launched = select(runs.c.id).where(runs.c.campaign_id == campaigns.c.id, runs.c.kind != "test")
    silent = and_(
        campaigns.c.state == CampaignState.RUNNING.value, campaigns.c.start_at.is_(None), launched.exists()
    )
    found = select(campaigns.c.id).where(
        or_(_ENDED, silent), campaigns.c.updated_at < before, ~lives.exists()
    )
    return list(await connection.scalars(found.order_by(campaigns.c.id)))


async def count_jobs(connection: AsyncConnection, run_ids: Sequence[int]) -> int:
    """How many jobs of these runs can go."""
    return await _count(connection, jobs, jobs.c.run_id.in_(run_ids) & _can_go())


async def count_rows(connection: AsyncConnection, campaign_ids: Sequence[int]) -> tuple[int, int]:
    """How many recipients and rejects of these campaigns can go with their jobs."""
    kept = select(jobs.c.id).where(jobs.c.recipient_id == recipients.c.id, ~_can_go())
    mine = recipients.c.campaign_id.in_(campaign_ids) & ~kept.exists()
    people = await _count(connection, recipients, mine)
    theirs = rejects.c.campaign_id.in_(campaign_ids) & _of_one_reading()
    return people, await _count(connection, rejects, theirs)


def _of_one_reading() -> ColumnElement[bool]:
    """Restricts rejects to campaigns whose list is not read again: where each run has its own reading, its report
    counts its own rejects, and they stay."""
    again = campaigns.c.spec.contains('"refresh":"each_run"', autoescape=True)
    return rejects.c.campaign_id.in_(select(campaigns.c.id).where(~again))


async def count_old(connection: AsyncConnection, name: str, before: datetime) -> int:
    """How many rows of the table of that name are older, see `OLD`."""
    table, is_old = OLD[name]
    return await _count(connection, table, is_old(table, before))


async def _count(connection: AsyncConnection, table: Table, which: ColumnElement[bool]) -> int:
    return (await connection.execute(select(func.count()).select_from(table).where(which))).scalar_one()


async def purge_jobs(connection: AsyncConnection, run: OldRun, now: datetime, limit: int) -> int:
    """Take out so many final jobs of the run with their attempts and events, counted in its totals; how many.

    Of a person's tries the newest counts, so it goes last: not before those of earlier runs of its occurrence.
    """
    if await _family(connection, run) != run.family:
        return 0
    older = jobs.alias("older")
    earlier = select(older.c.id).where(
        older.c.run_id.in_([one for one in run.family if one < run.id]), older.c.phone == jobs.c.phone
    )
    chosen = select(jobs.c.id).where(jobs.c.run_id == run.id, _can_go(), ~earlier.exists()).limit(limit)
    ids = list(await connection.scalars(in_order(select(jobs.c.id).where(jobs.c.id.in_(chosen)))))
    if not ids:
        return 0
    gone = table_of(connection, [{"id": job_id} for job_id in ids], id=Id)
    await _add_totals(connection, run, jobs.c.id.in_(select(gone.c.id)))
    for table in (events, attempts, reservations):
        await connection.execute(delete(table).where(table.c.job_id.in_(select(gone.c.id))))
    await connection.execute(delete(jobs).where(jobs.c.id.in_(select(gone.c.id))))
    first = update(runs).where(runs.c.id == run.id, runs.c.purged_at.is_(None))
    await connection.execute(first.values(purged_at=now))
    return len(ids)


async def _family(connection: AsyncConnection, run: OldRun) -> tuple[int, ...]:
    """The runs of its occurrence, with their campaign locked: no retry is added meanwhile."""
    mine = select(campaigns.c.id).join(runs, runs.c.campaign_id == campaigns.c.id).where(runs.c.id == run.id)
    await connection.execute(mine.with_for_update(of=campaigns))
    members = select(runs.c.id).where(_root(runs).in_(run.family)).order_by(runs.c.id)
    return tuple(await connection.scalars(members))


def _can_go() -> ColumnElement[bool]:
    """The job is final, and not the last one.

    SQLite gives the number of a last row that was deleted away again, and touches outlive their jobs: so the last job
    stays until there is a newer one, and so does that of the last attempt, from which circuit breakers count.
    """
    last_job = select(func.max(jobs.alias("any_job").c.id)).scalar_subquery()
    call = attempts.alias("any_call")
    called_last = select(call.c.job_id).order_by(call.c.id.desc()).limit(1).scalar_subquery()
    return and_(jobs.c.state.in_(FINAL_STATES), jobs.c.id < last_job, jobs.c.id.is_distinct_from(called_last))


_SUMS: Final = ("jobs", "cost_micros", "price_micros")


async def _add_totals(connection: AsyncConnection, run: OldRun, gone: ColumnElement[bool]) -> None:
    names = [column.name for column in purged_jobs.primary_key]
    labelled = [column.label(name) for column, name in zip(_groups(run), names, strict=True)]
    each = (
        select(*labelled, jobs.c.cost_micros, jobs.c.price_micros)
        .join(recipients, recipients.c.id == jobs.c.recipient_id)
        .where(gone)
        .subquery()
    )
    groups = [each.c[name] for name in names]
    money = (cast(func.coalesce(func.sum(each.c[name]), 0), BigInteger) for name in _SUMS[1:])
    # SQLite takes ON CONFLICT after a SELECT for a part of it, unless it has a WHERE.
    counted = select(*groups, func.count(), *money).where(literal(1) == 1).group_by(*groups)
    upsert = upsert_into(is_sqlite(connection), purged_jobs)
    added = upsert.from_select([*names, *_SUMS], counted)
    more = {name: purged_jobs.c[name] + added.excluded[name] for name in _SUMS}
    await connection.execute(added.on_conflict_do_update(index_elements=names, set_=more))


def _groups(run: OldRun) -> list[ColumnElement[Any]]:
    """By what the reports count, in the order of the totals' key."""
    counts = and_(jobs.c.reason.is_distinct_from(ALREADY_ARRIVED), ~jobs.c.tried_again)
    return [
        jobs.c.run_id,
        case((counts, true()), else_=false()) if run.kind != "test" else false(),
        jobs.c.state,
        *(func.coalesce(column, "") for column in (jobs.c.reason, jobs.c.code, recipients.c.region)),
        jobs.c.provider_message_id.is_not(None),
        jobs.c.cost_micros.is_not(None),
        func.coalesce(jobs.c.currency, ""),
        jobs.c.price_micros.is_not(None),
        func.coalesce(jobs.c.price_currency, ""),
    ]


async def purge_rejects(connection: AsyncConnection, campaign_id: int, now: datetime, limit: int) -> int:
    """Take out so many rejects of the campaign, counted in its totals; how many."""
    mine = select(rejects.c.id).where(rejects.c.campaign_id == campaign_id, _of_one_reading()).limit(limit)
    ids = list(await connection.scalars(mine.with_for_update()))
    if not ids:
        return 0
    first = func.min(rejects.c.reason), func.count(), func.min(rejects.c.line)
    shown = select(imports.c.id).where(
        imports.c.campaign_id == campaign_id, imports.c.edition == edition_of(campaign_id)
    )
    given = table_of(connection, [{"id": one} for one in ids], id=Id)
    gone = rejects.c.id.in_(select(given.c.id))
    counted = select(rejects.c.campaign_id, rejects.c.code, *first).where(
        gone, rejects.c.import_id.in_(shown)
    )
    upsert = upsert_into(is_sqlite(connection), purged_rejects)
    names = [column.name for column in purged_rejects.c]
    added = upsert.from_select(names, counted.group_by(rejects.c.campaign_id, rejects.c.code))
    line, earlier = purged_rejects.c.first_line, added.excluded.first_line
    more = {
        "rows": purged_rejects.c.rows + added.excluded.rows,
        "first_line": case((earlier < line, earlier), else_=line),
    }
    await connection.execute(added.on_conflict_do_update(index_elements=["campaign_id", "code"], set_=more))
    await connection.execute(delete(rejects).where(gone))
    await _mark(connection, campaign_id, 0, now)
    return len(ids)


async def purge_recipients(connection: AsyncConnection, campaign_id: int, now: datetime, limit: int) -> int:
    """Take out so many of the campaign's recipients who have no jobs any more; how many.

    Who makes jobs holds the campaign's lock too: no job comes to be for a recipient that is deleted meanwhile.
    """
    await connection.execute(select(campaigns.c.id).where(campaigns.c.id == campaign_id).with_for_update())
    kept = select(jobs.c.id).where(jobs.c.recipient_id == recipients.c.id)
    is_newest = recipients.c.edition == edition_of(campaign_id)
    mine = select(recipients.c.id, is_newest).where(recipients.c.campaign_id == campaign_id, ~kept.exists())
    chosen = (await connection.execute(mine.limit(limit))).all()
    if chosen:
        given = table_of(connection, [{"id": row.id} for row in chosen], id=Id)
        await connection.execute(delete(recipients).where(recipients.c.id.in_(select(given.c.id))))
        await _mark(connection, campaign_id, sum(newest for _, newest in chosen), now)
    return len(chosen)


async def _mark(connection: AsyncConnection, campaign_id: int, gone: int, now: datetime) -> None:
    await connection.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign_id)
        .values(
            purged_at=func.coalesce(campaigns.c.purged_at, literal(now, campaigns.c.purged_at.type)),
            purged_recipients=campaigns.c.purged_recipients + gone,
        )
    )


def _by(column: str) -> Any:
    return lambda table, before: table.c[column] < before


def _needless(table: Table, before: datetime) -> ColumnElement[bool]:
    """Media files that were loaded, or asked for again, before then, and that no campaign or run names but those that
    were over by then. The file of a run may name others than its campaign does now."""
    lives = ~_ENDED | (campaigns.c.updated_at >= before)
    named = select(campaigns.c.id).where(lives, campaigns.c.spec.contains(table.c.digest))
    sent = select(runs.c.id).where(~_was_over(runs, before), runs.c.spec.contains(table.c.digest))
    return and_(table.c.stored_at < before, ~named.exists(), ~sent.exists())


def _forgets(table: Table, before: datetime) -> ColumnElement[bool]:
    return and_(table.c.at < before, table.c.evidence.is_not(None))


OLD: Final[dict[str, tuple[Table, Any]]] = {
    "touches": (touches, _by("at")),
    "tier": (unique_recipients, _by("at")),
    "unmatched": (unmatched_reports, _by("stored_at")),
    "media": (media_files, _needless),
    "media_ids": (media_uploads, _by("expires_at")),
    "webhooks": (
        webhooks,
        lambda table, before: (table.c.received_at < before) & table.c.processed_at.is_not(None),
    ),
    "inbound": (inbound, _by("at")),
    "windows": (windows, _by("open_until")),
    "evidence": (optouts, _forgets),
}
"""What goes by its age alone: name -> table, and from a moment to what is older. Of opt-outs only the evidence goes."""


async def oldest(connection: AsyncConnection, name: str, before: datetime, limit: int) -> list[Any]:
    """The keys of so many rows of the table of that name that are older. It may read the whole table: not to be asked
    in a transaction that writes."""
    table, is_old = OLD[name]
    found = select(*table.primary_key).where(is_old(table, before)).limit(limit)
    return [tuple(row) for row in await connection.execute(found)]


async def purge_old(connection: AsyncConnection, name: str, before: datetime, keys: Sequence[Any]) -> int:
    """Take out these rows of the table of that name, if they are still older; how many went."""
    table, is_old = OLD[name]
    columns = {str(column.name): column.type for column in table.primary_key}
    given = table_of(connection, [dict(zip(columns, key, strict=True)) for key in keys], **columns)
    these = tuple_(*table.primary_key).in_(select(*given.c))
    goes = update(table).values(evidence=None) if table is optouts else delete(table)
    return (await connection.execute(goes.where(these, is_old(table, before)))).rowcount

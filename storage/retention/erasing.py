"""One person's data: found wherever it is stored, exported, and erased.

What the reports count stays: its rows get a name that does not lead back to the number, and lose all texts. The number
itself is known again only by a keyed hash, see `storage.sending.erased`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Select,
    Table,
    Text,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.phones.spellings import spellings
from campaigns.phones.user_ids import user_id_in
from campaigns.states import JobState
from storage.database.bulk import table_of
from storage.database.compression import unpack
from storage.database.engine import is_sqlite
from storage.runs.history import move
from storage.sending.erased import ERASED, ensure_key, hash_of, new_name
from storage.tables.access import api_answers
from storage.tables.audience import campaigns, imports, recipients, rejects
from storage.tables.contacts import inbound, optouts, touches, user_ids, windows
from storage.tables.lanes import unique_recipients
from storage.tables.predicates import IS_PENDING
from storage.tables.receipts import unmatched_reports, webhooks
from storage.tables.runs import attempts, events, jobs, runs
from storage.tables.types import Id

TAIL: Final = 8
"""Digits at a number's end by which a rejected row is known to be theirs, however its beginning was written."""
SPACING: Final = " -.()/\u00a0"
PAGE: Final = 200
UNDER_WAY: Final = (JobState.SENDING.value, JobState.IN_DOUBT.value)
GONE: Final = "erased"
"""Replaces erased text."""


@frozen
class Traces:
    """Where a person's data is, beside what is found by the number alone."""

    phone: str
    recipients: Sequence[int]
    jobs: Sequence[int]
    """Theirs, and tests that were made from their row."""
    rejects: Sequence[int]
    webhooks: Sequence[int]
    reports: Sequence[int]
    """Reports of unknown messages."""
    under_way: int
    """How many of their messages are being sent, or in doubt."""
    new_webhooks: int
    """How many of the webhooks have not been processed."""


async def find_traces(connection: AsyncConnection, phone: str, most: int | None = None) -> Traces:
    """Reads whole tables: not to be asked in a transaction that writes. `most`: so many of the newest webhooks, rejects
    and reports of unknown messages are looked through, in which a number may stand anywhere; None: all."""
    theirs = list(await connection.scalars(_rows_of_lists(phone)))
    found = (await connection.execute(_messages(connection, phone, theirs))).all()
    wrote = await connection.scalars(select(inbound.c.message_id).where(inbound.c.phone == phone))
    theirs_at_providers = select(user_ids.c.user_id).where(user_ids.c.phone == phone)
    message_ids = {job.provider_message_id for job in found if job.phone == phone} | set(wrote) - {None}
    user_id = user_id_in(phone)
    digits = [user_id] if user_id else [spelling.removeprefix("+") for spelling in spellings(phone)]
    names = {*filter(None, message_ids), *await connection.scalars(theirs_at_providers)}
    named = [*digits, *sorted(names)]
    hooks = [hook async for hook in _hooks_with(connection, named, most)]
    rows_after = await _before_newest(connection, rejects, most)
    reports_after = await _before_newest(connection, unmatched_reports, most)
    return Traces(
        phone,
        theirs,
        [job.id for job in found],
        list(await connection.scalars(_rejects_with(phone, rows_after))),
        [hook_id for hook_id, _ in hooks],
        list(await connection.scalars(_reports_with(connection, digits, names, reports_after))),
        sum(job.state in UNDER_WAY for job in found if job.phone == phone),
        sum(is_new for _, is_new in hooks),
    )


def _rows_of_lists(phone: str) -> Select[Any]:
    """By the index of each list, as none is of the number alone."""
    lists = select(imports.c.campaign_id, imports.c.edition).distinct().subquery()
    mine = (recipients.c.campaign_id == lists.c.campaign_id) & (recipients.c.edition == lists.c.edition)
    return select(recipients.c.id).join_from(lists, recipients, mine).where(recipients.c.phone == phone)


def _messages(connection: AsyncConnection, phone: str, recipient_ids: Sequence[int]) -> Select[Any]:
    """Theirs in any run, and what was made from their rows: each by an index."""
    made = table_of(connection, [{"id": one} for one in recipient_ids], id=Id)
    to_them = select(jobs.c.id).join_from(runs, jobs, jobs.c.run_id == runs.c.id).where(jobs.c.phone == phone)
    from_rows = select(jobs.c.id).where(jobs.c.recipient_id.in_(select(made.c.id)))
    both = union(to_them, from_rows).subquery()
    columns = (jobs.c.id, jobs.c.phone, jobs.c.state, jobs.c.provider_message_id)
    return select(*columns).where(jobs.c.id.in_(select(both.c.id))).order_by(jobs.c.id)


async def _hooks_with(
    connection: AsyncConnection, named: Sequence[str], most: int | None
) -> AsyncIterator[tuple[int, bool]]:
    """The webhooks in which one of these stands, and whether they are new: read in pages, as most are packed."""
    marks, last = [name.encode() for name in named], await _before_newest(connection, webhooks, most)
    columns = (webhooks.c.id, webhooks.c.body, webhooks.c.size, webhooks.c.url, webhooks.c.processed_at)
    while page := (
        await connection.execute(
            select(*columns).where(webhooks.c.id > last).order_by(webhooks.c.id).limit(PAGE)
        )
    ).all():
        for hook in page:
            body = hook.body if hook.size is None else unpack(hook.body)
            if any(mark in body or mark in hook.url.encode() for mark in marks):
                yield hook.id, hook.processed_at is None
        last = page[-1].id


async def _before_newest(connection: AsyncConnection, table: Table, most: int | None) -> int:
    """The id behind which the newest rows of the table begin."""
    if most is None:
        return 0
    newest = select(table.c.id).order_by(table.c.id.desc()).offset(most).limit(1)
    return await connection.scalar(newest) or 0


def _rejects_with(phone: str, after: int) -> Select[tuple[int]]:
    raw: Any = rejects.c.raw
    if user_id := user_id_in(phone):
        return select(rejects.c.id).where(raw.contains(user_id, autoescape=True)).order_by(rejects.c.id)
    for character in SPACING:
        raw = func.replace(raw, character, "")
    theirs = raw.contains(phone[-TAIL:], autoescape=True)
    return select(rejects.c.id).where(rejects.c.id > after, theirs).order_by(rejects.c.id)


def _reports_with(
    connection: AsyncConnection, digits: Sequence[str], message_ids: Collection[str], after: int
) -> Select[tuple[int]]:
    given = table_of(connection, [{"message_id": one} for one in message_ids], message_id=Text())
    return select(unmatched_reports.c.id).where(
        unmatched_reports.c.id > after,
        or_(
            *(unmatched_reports.c.report.contains(spelling, autoescape=True) for spelling in digits),
            unmatched_reports.c.message_id.in_(select(given.c.message_id)),
        ),
    )


async def rows_of(connection: AsyncConnection, traces: Traces) -> dict[str, list[dict[str, Any]]]:
    """All that is stored of the person, by kind."""
    phone = traces.phone
    mine: dict[str, Select[Any]] = {
        "user_ids": select(user_ids).where(user_ids.c.phone == phone),
        "opt_outs": select(optouts).where(optouts.c.phone == phone).order_by(optouts.c.at),
        "windows": select(windows).where(windows.c.phone == phone).order_by(windows.c.lane),
        "written_to": select(touches).where(touches.c.phone == phone).order_by(touches.c.at),
        "reached_by": select(unique_recipients).where(unique_recipients.c.phone == phone),
        "inbound": select(inbound).where(inbound.c.phone == phone).order_by(inbound.c.at),
        "rows_of_lists": select(recipients, campaigns.c.name.label("campaign"), imports.c.source)
        .join(campaigns, campaigns.c.id == recipients.c.campaign_id)
        .join(imports, imports.c.id == recipients.c.import_id)
        .where(_among(connection, recipients, traces.recipients))
        .order_by(recipients.c.id),
        "messages": select(jobs, campaigns.c.name.label("campaign"), runs.c.nominal_at)
        .join(runs, runs.c.id == jobs.c.run_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(_among(connection, jobs, traces.jobs))
        .order_by(jobs.c.id),
        "calls": select(attempts)
        .where(_among(connection, attempts, traces.jobs, "job_id"))
        .order_by(attempts.c.id),
        "events": select(events)
        .where(_among(connection, events, traces.jobs, "job_id"))
        .order_by(events.c.id),
        "rejects": select(rejects).where(_among(connection, rejects, traces.rejects)),
        "webhooks": select(webhooks).where(_among(connection, webhooks, traces.webhooks)),
        "reports_of_unknown_messages": select(unmatched_reports).where(
            _among(connection, unmatched_reports, traces.reports)
        ),
    }
    return {
        kind: [dict(row) for row in (await connection.execute(query)).mappings()]
        for kind, query in mine.items()
    }


def _among(connection: AsyncConnection, table: Table, ids: Sequence[int], column: str = "id") -> Any:
    given = table_of(connection, [{"id": one} for one in ids], id=Id)
    return table.c[column].in_(select(given.c.id))


async def erase(connection: AsyncConnection, traces: Traces, now: datetime) -> bool:
    """Erase what was found; False, with nothing done, where a message to them has come under way since."""
    theirs = select(jobs.c.id).where(_among(connection, jobs, traces.jobs)).order_by(jobs.c.id)
    await connection.execute(theirs.with_for_update())
    open_now = theirs.where(jobs.c.phone == traces.phone, jobs.c.state.in_(UNDER_WAY))
    if (await connection.execute(open_now)).first() is not None:
        return False
    if is_sqlite(connection):
        await connection.exec_driver_sql(
            "PRAGMA secure_delete = ON"
        )  # nothing of it stays in the file's free room
    name = new_name()
    pending = _among(connection, jobs, traces.jobs) & (jobs.c.phone == traces.phone) & IS_PENDING
    ended = {"state": JobState.SKIPPED, "reason": "opted_out", "held_by": None}
    await move(connection, pending, ended, "user", now, detail=GONE)
    await _blank(connection, traces)
    await _rename(connection, traces, name)
    await _keep_out(connection, traces.phone, name, now)
    return True


async def _blank(connection: AsyncConnection, traces: Traces) -> None:
    """Erase texts; delete rows that no report counts."""
    calls = update(attempts).where(_among(connection, attempts, traces.jobs, "job_id"))
    await connection.execute(calls.values(content=None, detail=None, request_id=None))
    texts = update(events).where(_among(connection, events, traces.jobs, "job_id"))
    await connection.execute(texts.values(detail=None))
    bad = update(rejects).where(_among(connection, rejects, traces.rejects))
    await connection.execute(bad.values(raw="", reason=GONE))
    await connection.execute(delete(webhooks).where(_among(connection, webhooks, traces.webhooks)))
    reports = _among(connection, unmatched_reports, traces.reports)
    await connection.execute(delete(unmatched_reports).where(reports))
    await connection.execute(delete(windows).where(windows.c.phone == traces.phone))
    named = or_(user_ids.c.phone == traces.phone, user_ids.c.user_id == traces.phone)
    ids = await connection.scalars(delete(user_ids).where(named).returning(user_ids.c.user_id))
    for theirs in (traces.phone, traces.phone.removeprefix("+"), *ids):
        answers = update(api_answers).where(api_answers.c.body.contains(theirs, autoescape=True))
        await connection.execute(answers.values(body=func.replace(api_answers.c.body, theirs, GONE)))


async def _rename(connection: AsyncConnection, traces: Traces, name: str) -> None:
    """Give what is counted the new name. A provider's id of a message often holds the number."""
    row: dict[str, Any] = {"phone": name, "vars": "{}", "bucket": 0}
    row |= dict.fromkeys(("timezone", "send_at", "consent_at"))
    mine = _among(connection, recipients, traces.recipients)
    await connection.execute(update(recipients).where(mine).values(**row))
    message = jobs.c.provider_message_id
    named = case((message.is_not(None), literal(ERASED).concat(cast(jobs.c.id, Text))), else_=None)
    own = update(jobs).where(_among(connection, jobs, traces.jobs), jobs.c.phone == traces.phone)
    await connection.execute(own.values(phone=name, provider_message_id=named, poll_at=None))
    gone: dict[str, dict[str, Any]] = {
        inbound.name: dict.fromkeys(("text", "payload", "message_id", "answers")),
        optouts.name: {"evidence": None},
    }
    for table in (touches, unique_recipients, inbound, optouts):
        theirs = update(table).where(table.c.phone == traces.phone)
        await connection.execute(theirs.values(phone=name, **gone.get(table.name, {})))


async def _keep_out(connection: AsyncConnection, phone: str, name: str, now: datetime) -> None:
    """Opted out of everything: the number, by its hash, should a later list hold it; and what has the new name."""
    known_as = hash_of(await ensure_key(connection), phone)
    opt_out = {"scope": "all", "action": "out", "source": GONE, "at": now}
    rows = [{"phone": one, **opt_out} for one in (known_as, name)]
    await connection.execute(insert(optouts), rows)

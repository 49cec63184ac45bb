"""Keys of the API, and the stored answers to calls that may be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.access import api_answers, api_keys


@frozen
class ApiKey:
    id: int
    name: str
    prefix: str
    scope: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@frozen
class StoredAnswer:
    """A call that was made before. `status` None: it has no answer yet."""

    request: str
    begun_at: datetime
    asked_at: datetime
    """When it was asked for first: a call that was cut off may be begun again."""
    done_at: datetime | None
    """When its change was committed; None: it has changed nothing yet, or that is not noted."""
    status: int | None
    body: str | None


_COLUMNS = [api_keys.c[name] for name in field_names(ApiKey)]


async def add_key(
    connection: AsyncConnection,
    name: str,
    prefix: str,
    digest: str,
    scope: str,
    by: str,
    now: datetime,
    expires_at: datetime | None,
) -> int:
    values = {
        "name": name,
        "prefix": prefix,
        "digest": digest,
        "scope": scope,
        "created_at": now,
        "created_by": by,
        "expires_at": expires_at,
    }
    added = await connection.execute(insert(api_keys).values(values).returning(api_keys.c.id))
    return int(added.scalar_one())


async def find_key(connection: AsyncConnection, digest: str) -> ApiKey | None:
    row = (await connection.execute(select(*_COLUMNS).where(api_keys.c.digest == digest))).first()
    return None if row is None else ApiKey(*row)


async def list_keys(connection: AsyncConnection) -> Sequence[ApiKey]:
    """The newest first."""
    return [
        ApiKey(*row) for row in await connection.execute(select(*_COLUMNS).order_by(api_keys.c.id.desc()))
    ]


async def note_use(connection: AsyncConnection, key_id: int, now: datetime) -> None:
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=now))


async def revoke_key(connection: AsyncConnection, key_id: int, now: datetime) -> bool:
    """Whether there was one that was not revoked yet."""
    k = api_keys.c
    done = await connection.execute(
        update(api_keys).where(k.id == key_id, k.revoked_at.is_(None)).values(revoked_at=now)
    )
    return done.rowcount == 1


async def begin_call(
    connection: AsyncConnection,
    key_id: int,
    idempotency_key: str,
    request: str,
    now: datetime,
    kept: datetime,
) -> StoredAnswer | None:
    """None: the call is new and begins now; else what is stored of it. `kept`: older answers are forgotten."""
    await connection.execute(delete(api_answers).where(api_answers.c.begun_at < kept))
    values = {"key_id": key_id, "idempotency_key": idempotency_key, "request": request, "begun_at": now}
    begun = upsert_into(is_sqlite(connection), api_answers).values(values).on_conflict_do_nothing()
    if (await connection.execute(begun.returning(api_answers.c.key_id))).first() is not None:
        return None
    a = api_answers.c
    asked_at = func.coalesce(a.asked_at, a.begun_at, type_=a.begun_at.type)
    query = select(a.request, a.begun_at, asked_at, a.done_at, a.status, a.body)
    row = (
        await connection.execute(query.where(a.key_id == key_id, a.idempotency_key == idempotency_key))
    ).one()
    return StoredAnswer(*row)


async def take_over_call(
    connection: AsyncConnection, key_id: int, idempotency_key: str, begun_at: datetime, now: datetime
) -> bool:
    """Make a call without an answer anew that was begun then; whether nobody else has, and it is not done."""
    mine = _mine(key_id, idempotency_key, begun_at)
    undone = api_answers.c.done_at.is_(None)
    first = func.coalesce(api_answers.c.asked_at, api_answers.c.begun_at)
    again = update(api_answers).where(*mine, undone).values(begun_at=now, asked_at=first)
    taken = await connection.execute(again)
    return taken.rowcount == 1


async def note_done(
    connection: AsyncConnection, key_id: int, idempotency_key: str, begun_at: datetime, now: datetime
) -> bool:
    """The transaction's changes are those of the call; whether nobody else has taken it over meanwhile."""
    mine = _mine(key_id, idempotency_key, begun_at)
    noted = await connection.execute(update(api_answers).where(*mine).values(done_at=now))
    return noted.rowcount == 1


async def store_answer(
    connection: AsyncConnection,
    key_id: int,
    idempotency_key: str,
    begun_at: datetime,
    status: int,
    body: str,
) -> None:
    mine = _mine(key_id, idempotency_key, begun_at)
    await connection.execute(update(api_answers).where(*mine).values(status=status, body=body))


async def forget_call(
    connection: AsyncConnection, key_id: int, idempotency_key: str, begun_at: datetime
) -> bool:
    """The same key may be used again; False: its call is noted as done, and stays."""
    mine = _mine(key_id, idempotency_key, begun_at)
    gone = await connection.execute(delete(api_answers).where(*mine, api_answers.c.done_at.is_(None)))
    return gone.rowcount == 1


def _mine(key_id: int, idempotency_key: str, begun_at: datetime) -> Sequence[ColumnElement[bool]]:
    """The call's row, unless it has an answer or somebody else has taken it over."""
    a = api_answers.c
    return (
        a.key_id == key_id,
        a.idempotency_key == idempotency_key,
        a.begun_at == begun_at,
        a.status.is_(None),
    )

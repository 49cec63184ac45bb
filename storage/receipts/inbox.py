"""Webhooks: stored as they arrived before they are answered, processed in order, and kept with the problem if they
cannot be read; and notices, their events that concern no job and no person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from itertools import chain
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Select,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.untrusted import clean
from storage.database.bulk import among, as_values, by_dialect, fetch_rows, is_among
from storage.database.compression import pack, unpack
from storage.database.engine import BlockingConnection, is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.receipts import notices, webhook_refusals, webhooks
from storage.tables.types import to_millis

COLUMNS: Final = ("account", "received_at", "url", "headers", "body", "size")


@frozen
class Arrival:
    """A verified webhook, as it came."""

    account: str
    received_at: datetime
    url: str
    headers: str
    """JSON object, names in lower case, secrets left out."""
    body: bytes
    size: int | None = None
    """Of the body, where it is packed."""

    @classmethod
    def packed(cls, account: str, received_at: datetime, url: str, headers: str, body: bytes) -> Arrival:
        """With its body packed, where that makes it shorter."""
        shorter = pack(body)
        if shorter is None:
            return cls(account, received_at, url, headers, body)
        return cls(account, received_at, url, headers, shorter, len(body))

    @property
    def values(self) -> tuple[object, ...]:
        """Of COLUMNS, as the driver takes them."""
        return (
            clean(self.account),
            to_millis(self.received_at),
            clean(self.url),
            clean(self.headers),
            self.body,
            self.size,
        )


@frozen
class StoredWebhook:
    id: int
    account: str
    received_at: datetime
    url: str
    headers: str
    body: bytes


@frozen
class NewNotice:
    """Something about our templates, numbers or account."""

    kind: str
    subject: str
    text: str
    at: datetime
    effect: str | None = field(default=None, compare=False)
    """What it means for sending; it is acted upon and not stored."""
    language: str | None = field(default=None, compare=False)
    """Of the template that it is about; None: all of its languages."""
    value: str | None = field(default=None, compare=False)
    """What has changed is this now: a status, a category, a messaging limit."""
    undoes: str | None = field(default=None, compare=False)
    """The subject of the notice whose effect this one ends; None: its own."""


def keep_webhooks(connection: BlockingConnection, arrivals: Sequence[Arrival]) -> None:
    """Store webhooks in the order of their arrival. They are safe once the transaction is committed."""
    place = "?" if is_sqlite(connection) else "%s"
    row = f"({', '.join([place] * len(COLUMNS))})"
    at_once = connection.dialect.insertmanyvalues_max_parameters // len(COLUMNS)
    for start in range(0, len(arrivals), at_once):
        part = arrivals[start : start + at_once]
        # As the driver takes it: what SQLAlchemy does for each row takes as long as storing a short one.
        insert_all = f"INSERT INTO webhooks ({', '.join(COLUMNS)}) VALUES {', '.join([row] * len(part))}"  # noqa: S608
        connection.exec_driver_sql(insert_all, tuple(chain.from_iterable(one.values for one in part)))


def count_refusals(connection: BlockingConnection, refused: Mapping[str, int], now: datetime) -> None:
    """Add to each account's number of webhooks refused for a wrong or missing signature."""
    if not refused:
        return
    add = upsert_into(is_sqlite(connection), webhook_refusals)
    connection.execute(
        add.on_conflict_do_update(
            index_elements=[webhook_refusals.c.account],
            set_={
                "count": webhook_refusals.c.count + add.excluded["count"],
                "last_at": add.excluded.last_at,
            },
        ),
        [{"account": account, "count": count, "last_at": now} for account, count in sorted(refused.items())],
    )


_SIZE: Final = func.coalesce(webhooks.c.size, func.length(webhooks.c.body))
"""Of the body as it arrived."""


@by_dialect
def _first_new(sqlite: bool) -> Select[Any]:
    waiting = (webhooks.c.processed_at.is_(None), is_among(sqlite, webhooks.c.account, "accounts"))
    return select(webhooks.c.id).where(*waiting).order_by(webhooks.c.id).limit(1)


async def any_new_webhook(connection: AsyncConnection, accounts: Collection[str]) -> bool:
    """Whether a webhook of these accounts is not processed yet."""
    asked = {"accounts": as_values(connection, accounts)}
    return await connection.scalar(_first_new(connection), asked) is not None


async def new_webhooks(
    connection: AsyncConnection,
    accounts: Collection[str],
    most: int,
    most_bytes: int,
    *,
    after: int = 0,
    largest: int,
) -> list[StoredWebhook]:
    """The accounts' oldest webhooks beyond the id `after` not processed yet, without those of more than `largest`
    bytes: at most `most`, and no more than `most_bytes` unless one is larger by itself."""
    waiting = (
        select(webhooks.c.id, _SIZE)
        .where(webhooks.c.processed_at.is_(None), webhooks.c.account.in_(accounts), webhooks.c.id > after)
        .where(largest >= _SIZE)
        .order_by(webhooks.c.id)
        .limit(most)
    )
    chosen: list[int] = []
    held = 0
    for webhook_id, size in sorted(await fetch_rows(connection, waiting)):
        held += size
        if chosen and held > most_bytes:
            break
        chosen.append(webhook_id)
    return await _whole(connection, chosen)


async def next_large_webhook(
    connection: AsyncConnection, accounts: Collection[str], larger_than: int
) -> StoredWebhook | None:
    """The accounts' oldest webhook of more than that many bytes not processed yet."""
    waiting = (
        select(webhooks.c.id)
        .where(webhooks.c.processed_at.is_(None), webhooks.c.account.in_(accounts), larger_than < _SIZE)
        .order_by(webhooks.c.id)
        .limit(1)
    )
    return next(iter(await _whole(connection, list(await connection.scalars(waiting)))), None)


async def _whole(connection: AsyncConnection, ids: Sequence[int]) -> list[StoredWebhook]:
    if not ids:
        return []
    columns = (
        webhooks.c.id,
        webhooks.c.account,
        webhooks.c.received_at,
        webhooks.c.url,
        webhooks.c.headers,
        webhooks.c.body,
        webhooks.c.size,
    )
    found = select(*columns).where(among(connection, webhooks.c.id, ids)).order_by(webhooks.c.id)
    return [_as_it_arrived(*row) for row in (await connection.execute(found)).all()]


def _as_it_arrived(
    webhook_id: int,
    account: str,
    received_at: datetime,
    url: str,
    headers: str,
    body: bytes,
    size: int | None,
) -> StoredWebhook:
    whole = body if size is None else unpack(body)
    return StoredWebhook(webhook_id, account, received_at, url, headers, whole)


async def take_webhooks(connection: AsyncConnection, ids: Sequence[int], now: datetime) -> frozenset[int]:
    """Mark the webhooks as processed; returns those that were still new. Another process may have processed the
    others."""
    still_new = (
        select(webhooks.c.id)
        .where(among(connection, webhooks.c.id, ids), webhooks.c.processed_at.is_(None))
        .order_by(webhooks.c.id)
        .with_for_update()
    )
    taken = [webhook_id for (webhook_id,) in await fetch_rows(connection, still_new)]
    closed = update(webhooks).where(among(connection, webhooks.c.id, taken)).values(processed_at=now)
    await connection.execute(closed)
    return frozenset(taken)


async def is_new(connection: AsyncConnection, webhook_id: int) -> bool:
    """Whether it is not processed yet; no other process applies it before this transaction ends."""
    still_new = select(webhooks.c.id).where(webhooks.c.id == webhook_id, webhooks.c.processed_at.is_(None))
    return (await connection.execute(still_new.with_for_update())).first() is not None


async def set_aside(connection: AsyncConnection, problems: Mapping[int, str]) -> None:
    """Store what is wrong with webhooks that cannot be read."""
    if problems:
        await connection.execute(
            update(webhooks)
            .where(webhooks.c.id == bindparam("of_id"))
            .values(problem=bindparam("to_problem")),
            [{"of_id": webhook_id, "to_problem": problem} for webhook_id, problem in problems.items()],
        )


async def add_notices(
    connection: AsyncConnection, account: str, news: Sequence[NewNotice]
) -> list[NewNotice]:
    """Store notices of the account, each once however often it is repeated; returns those that are new."""
    if not news:
        return []
    kept = select(notices.c.kind, notices.c.subject, notices.c.text, notices.c.at).where(
        notices.c.account == account,
        among(connection, notices.c.at, {to_millis(item.at) for item in news}, BigInteger()),
    )
    known = {NewNotice(*row) for row in await connection.execute(kept)}
    fresh = [item for item in dict.fromkeys(news) if item not in known]
    if fresh:
        rows = [
            {"account": account, "kind": n.kind, "subject": n.subject, "text": n.text, "at": n.at}
            for n in fresh
        ]
        await connection.execute(insert(notices), rows)
    return fresh

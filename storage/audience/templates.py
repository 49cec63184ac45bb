"""The message templates that a provider lists for an account, and when the list was read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ClauseElement, case, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.message.provider_templates import ProviderTemplate, read_parts, same_language, write_parts
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.templates import template_lists, templates

_PLAIN: Final = ("name", "language", "status", "category", "previous_category", "quality", "reason")


@frozen
class TemplateList:
    """What is known of an account's list, without the templates."""

    account: str
    fetched_at: datetime | None = None
    """When it was last read; None: never."""
    expired_at: datetime | None = None
    """When an event showed that the list has changed since; None: none did."""
    problem: str | None = None
    """Why the last attempt failed; None: it did not."""
    problem_at: datetime | None = None

    def is_due(self, every: timedelta, now: datetime) -> bool:
        """Whether it must be read again: never read, changed since, or older than that."""
        return self.expired_at is not None or not self.is_within(every, now)

    def is_within(self, age: timedelta, now: datetime) -> bool:
        """Whether it was read within that time; one from the future was read while the clock was ahead."""
        return self.fetched_at is not None and timedelta() <= now - self.fetched_at < age


async def store_templates(
    connection: AsyncConnection, account: str, listed: Sequence[ProviderTemplate], asked_at: datetime
) -> None:
    """Store the account's templates as asked for at that time, in place of those before. Others that store them wait
    until this transaction ends, as the account's row is written first."""
    expired_at = template_lists.c.expired_at
    fresh = {
        "fetched_at": asked_at,
        "expired_at": case((expired_at > asked_at, expired_at)),
        "problem": None,
        "problem_at": None,
    }
    await _put(connection, account, fresh)
    await connection.execute(delete(templates).where(templates.c.account == account))
    if listed:
        await connection.execute(insert(templates), [_row(account, each) for each in listed])


async def note_problem(connection: AsyncConnection, account: str, problem: str, now: datetime) -> None:
    """Store why the list could not be read; what was read before stays."""
    await _put(connection, account, {"problem": problem, "problem_at": now})


async def expire_list(connection: AsyncConnection, account: str, now: datetime) -> None:
    """Note that the list has changed at the provider since it was read."""
    of_account = template_lists.c.account == account
    await connection.execute(update(template_lists).where(of_account).values(expired_at=now))


async def note_change(
    connection: AsyncConnection,
    account: str,
    name: str,
    language: str | None,
    *,
    status: str | None = None,
    category: str | None = None,
) -> None:
    """Store a template's status or category as an event showed it; without a language, in all of them."""
    for each in await find_templates(connection, account, name):
        if language is not None and not same_language(each.language, language):
            continue
        values = {"status": status or each.status, "category": category or each.category}
        if category not in (None, each.category):
            values["previous_category"] = each.category
        one = [
            templates.c.account == account,
            templates.c.name == name,
            templates.c.language == each.language,
        ]
        await connection.execute(update(templates).where(*one).values(**values))


async def find_list(connection: AsyncConnection, account: str) -> TemplateList:
    return (await find_lists(connection, [account]))[account]


async def find_lists(connection: AsyncConnection, accounts: Collection[str]) -> dict[str, TemplateList]:
    """What is known of the list of each of these accounts."""
    columns = template_lists.c
    found = await connection.execute(
        select(
            columns.account, columns.fetched_at, columns.expired_at, columns.problem, columns.problem_at
        ).where(columns.account.in_(accounts))
    )
    stored = {row.account: TemplateList(*row) for row in found}
    return {account: stored.get(account, TemplateList(account)) for account in accounts}


async def find_templates(
    connection: AsyncConnection, account: str, name: str | None = None
) -> list[ProviderTemplate]:
    """The account's templates, by name and language; with `name`, those of that name."""
    wanted = [templates.c.account == account, *([] if name is None else [templates.c.name == name])]
    columns = [templates.c[column] for column in (*_PLAIN, "parts")]
    found = await connection.execute(select(*columns).where(*wanted))
    return sorted(map(_template, found.mappings()), key=lambda each: (each.name, each.language))


async def _put(connection: AsyncConnection, account: str, values: Mapping[str, Any]) -> None:
    plain = {name: value for name, value in values.items() if not isinstance(value, ClauseElement)}
    row = upsert_into(is_sqlite(connection), template_lists).values(account=account, **plain)
    await connection.execute(row.on_conflict_do_update(index_elements=["account"], set_=dict(values)))


def _row(account: str, each: ProviderTemplate) -> dict[str, Any]:
    return {
        "account": account,
        **{column: getattr(each, column) for column in _PLAIN},
        "parts": write_parts(each.parts),
    }


def _template(row: Mapping[Any, Any]) -> ProviderTemplate:
    return ProviderTemplate(
        **{column: row[column] for column in _PLAIN},
        parts=read_parts(row["parts"]),
    )

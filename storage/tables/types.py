"""What columns are made of: ids, instants, texts made fit to be stored; and the one metadata of all tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    bindparam,
    text,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.types import TypeDecorator

from campaigns.states import CampaignState, JobState, RunState
from campaigns.untrusted import clean

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

KEPT_BY_LOCKS: Final = "kept_by_locks"

Id = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""


class Instant(TypeDecorator[datetime]):
    """An aware datetime in Python, UTC milliseconds in the database: alike on both, and sortable in SQL."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_millis(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_millis(value)


class Text(TypeDecorator[str]):
    """A text without characters that no database takes."""

    impl = AnyText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


NOW: Final = bindparam("now", type_=Instant())
"""The moment of a statement that is made once: its parameter `now`."""


def to_millis(moment: datetime) -> int:
    """UTC milliseconds of an aware datetime; a naive one is an error."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return round(moment.timestamp() * 1000)


def from_millis(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)


def one_of(column: str, states: type[JobState] | type[CampaignState] | type[RunState]) -> CheckConstraint:
    """With IN, SQLite would make a table of the states for every row that is written."""
    known = " OR ".join(f"{column} = '{state.value}'" for state in states)
    return CheckConstraint(known, name=f"{column}_known")


def kept_by_locks(target: str) -> ForeignKey:
    """A foreign key that SQLite checks. PostgreSQL does not have it, as to check it for each row costs as much as to
    store the row: whoever writes such a row holds a lock that keeps what it refers to, see decision 12."""
    return ForeignKey(target, info={KEPT_BY_LOCKS: True})


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Only SQLite's scratch tables are created from these definitions; on PostgreSQL migrations create all, and to
    state the condition for it here would load its dialect in every command."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where))

"""A database that a test has used is as good as new for the next one, or is not given to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support.databases import Pool

TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
NOTICE = "INSERT INTO notices (account, kind, subject, text, at) VALUES ('a', 'b', 'c', 'd', 1) RETURNING id"
CARD = """
WITH card AS (
    INSERT INTO rate_cards (name, effective_from, currency, source, imported_at)
    VALUES ('a', '2026-01-01', 'USD', 'b', 1) RETURNING id)
INSERT INTO rates (card_id, market, category, "window", micros) SELECT id, 'GB', 'marketing', 'any', 1 FROM card
"""


@pytest.fixture
def pool(postgres_pool: Pool) -> Iterator[Pool]:
    """Another beside the session's: nothing in it is free yet."""
    own = Pool(postgres_pool.server_url)
    yield own
    own.close()


def ask(url: str, *statements: Any) -> list[tuple[Any, ...]]:
    """What the last of them found."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def contents(url: str) -> dict[str, int]:
    with psycopg.connect(url, autocommit=True) as connection:
        names = [name for (name,) in connection.execute(TABLES)]
        counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for name in names)
        return dict(connection.execute(counts.encode()).fetchall())


def test_rows_are_deleted_and_ids_begin_again(pool: Pool) -> None:
    with pool.database() as url:
        fresh = contents(url)
        ask(url, NOTICE, NOTICE, CARD)
        assert contents(url) != fresh
    with pool.database() as again:
        assert again == url
        assert contents(again) == fresh
        assert ask(again, NOTICE) == [(1,)]


def test_many_rows_are_deleted_too(pool: Pool) -> None:
    many = NOTICE.replace(
        "VALUES ('a', 'b', 'c', 'd', 1)", "SELECT 'a', n, 'c', 'd', 1 FROM generate_series(1, 5000) n"
    )
    with pool.database() as url:
        fresh = contents(url)
        ask(url, many, CARD)
    with pool.database() as again:
        assert (again, contents(again)) == (url, fresh)
        assert ask(again, "SELECT pg_relation_size('notices')") == [(0,)]


def test_new_rows_lie_in_the_order_in_which_they_come(pool: Pool) -> None:
    """Also where an earlier test has changed its rows, which leaves gaps among them."""
    numbered = NOTICE.replace(
        "VALUES ('a', 'b', 'c', 'd', 1)", "SELECT 'a', 'b', 'c', 'd', n FROM generate_series(1, 9) n"
    )
    with pool.database() as url:
        ask(url, numbered, "UPDATE notices SET text = 'e'", "DELETE FROM notices", NOTICE)
    with pool.database() as again:
        assert again == url
        assert ask(again, "SELECT pg_relation_size('notices')") == [(0,)]
        ask(again, numbered)
        assert ask(again, "SELECT at FROM notices") == [(n,) for n in range(1, 10)]


def test_ids_begin_again_where_no_row_is_left(pool: Pool) -> None:
    with pool.database() as url:
        ask(url, NOTICE, "DELETE FROM notices")
    with pool.database() as again:
        assert (again, ask(again, NOTICE)) == (url, [(1,)])


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (id integer)",
        "ALTER TABLE notices RENAME TO elsewhere",
        "ALTER TABLE notices ADD COLUMN more integer",
        "ALTER TABLE notices ALTER COLUMN text DROP NOT NULL",
        "ALTER TABLE campaigns DROP CONSTRAINT ck_campaigns_state_known",
        "CREATE INDEX more ON notices (text)",
        "CREATE FUNCTION more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "DROP TABLE notices",
        "ANALYZE",
        "ANALYZE notices",
    ],
)
def test_one_that_was_changed_otherwise_is_not_used_again(pool: Pool, change: str) -> None:
    with pool.database() as url:
        ask(url, change)
    with pool.database() as other:
        assert other != url


def test_one_that_somebody_is_still_at_work_in_is_not_used_again(pool: Pool) -> None:
    with pool.database() as url:
        left = psycopg.connect(url)
    with pool.database() as other:
        assert other != url
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()


def test_two_at_once_are_two(pool: Pool) -> None:
    with pool.database() as one, pool.database() as other:
        assert one != other

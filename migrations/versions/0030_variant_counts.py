"""Messages are counted by their variant too, and each keeps whether its person was outside the variant test, so that
the report of a test looks at no message. What is there is marked and counted once, where a campaign has variants: for
each million of its messages some 5 seconds with SQLite, and 40 with PostgreSQL where most were outside the test."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TEXTS: Final = ("held_by", "reason", "code")
COUNTED: Final = {
    **{name: f"{{0}}.{name}" for name in ("run_id", "lane", "state")},
    **{name: f"coalesce({{0}}.{name}, '')" for name in TEXTS},
    "variant": "CASE WHEN {0}.accepted_at IS NULL THEN '' ELSE coalesce({0}.variant, '') END",
    "outside_test": "{0}.outside_test",
    "tried_again": "{0}.tried_again",
    "answered": "coalesce({0}.answered_at > coalesce({0}.sent_at, {0}.accepted_at) "
    "AND {0}.provider_message_id IS NOT NULL, false)",
}
"""By what messages are counted; {0} is the message."""
READ: Final = (
    *("run_id", "lane", "state", *TEXTS, "variant", "outside_test", "tried_again"),
    *("answered_at", "sent_at", "accepted_at", "provider_message_id"),
)
"""What of a message is looked at."""
COLUMNS: Final = ", ".join(COUNTED)
PLACES: Final = ", ".join(str(place) for place in range(1, len(COUNTED) + 1))
FOLD_EVERY: Final = 128
"""PostgreSQL: after about so many rows, those of the run that the last one is of are added up."""
OLD_TRIGGERS: Final = ("count_added_job", "count_changed_job", "count_removed_job")
"""On SQLite; PostgreSQL's stay, as only their functions change."""
PARTS: Final = 10_000
"""A share of the recipients is so many of these."""
PAGE: Final = 10_000


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    _add_columns()
    for trigger in OLD_TRIGGERS if sqlite else ():
        op.execute(f"DROP TRIGGER {trigger}")
    _mark_outside()
    for statement in _of_sqlite() if sqlite else _of_postgresql():
        op.execute(statement)
    theirs = "run_id IN (SELECT id FROM runs WHERE spec LIKE '%\"variants\":[{%')"
    op.execute(f"DELETE FROM job_counts WHERE {theirs}")
    op.execute(
        f"INSERT INTO job_counts ({COLUMNS}, jobs) SELECT {_key('jobs')}, count(*) FROM jobs WHERE {theirs} "
        f"GROUP BY {PLACES}"
    )


def _add_columns() -> None:
    for table, comment in (
        ("jobs", "its person is outside the variant test: it is the winner"),
        ("job_counts", "whether their people are outside the variant test"),
    ):
        op.add_column(
            table,
            sa.Column(
                "outside_test", sa.Boolean(), nullable=False, server_default=sa.false(), comment=comment
            ),
        )
    op.add_column(
        "job_counts",
        sa.Column(
            "variant",
            sa.Text(),
            nullable=False,
            server_default=sa.text("''"),
            comment="of those that the provider accepted",
        ),
    )


def _mark_outside() -> None:
    """In each run whose winner some people wait for."""
    connection = op.get_bind()
    tests = sa.text("SELECT id, spec FROM runs WHERE kind <> 'test' AND spec LIKE '%\"winner\":{%'")
    for run_id, written in connection.execute(tests).all():
        spec = json.loads(written)
        asked = spec.get("winner") or {}
        share = round(asked.get("test_percent", 100) * 100)
        if spec.get("variants") and share < PARTS:
            _mark_run(connection, run_id, f"variants:{spec['name']}:", share)


def _mark_run(connection: sa.Connection, run_id: int, salt: str, share: int) -> None:
    page = sa.text(
        "SELECT id, phone FROM jobs WHERE run_id = :run AND phone > :after AND variant IS NOT NULL "
        f"ORDER BY phone LIMIT {PAGE}"
    )
    ids = "SELECT value FROM json_each(:ids)"
    if connection.dialect.name != "sqlite":
        ids = "SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(:ids AS json))"
    mark = sa.text(f"UPDATE jobs SET outside_test = true WHERE id IN ({ids})")
    after = ""
    while rows := connection.execute(page, {"run": run_id, "after": after}).all():
        outside = [job_id for job_id, phone in rows if _drawn(salt + phone) >= share]
        connection.execute(mark, {"ids": json.dumps(outside)})
        after = rows[-1][1]


def _drawn(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[8:16]) % PARTS


def _key(row: str) -> str:
    """The row's values as the counts have them."""
    return ", ".join(value.format(row) for value in COUNTED.values())


def _of_sqlite() -> list[str]:
    """Row by row, in place: there is one writer."""
    changed = " OR ".join(
        f"({value.format('OLD')}) IS NOT ({value.format('NEW')})" for value in COUNTED.values()
    )
    return [
        f"CREATE TRIGGER count_added_job AFTER INSERT ON jobs BEGIN {_count('NEW', 1)} END",
        f"CREATE TRIGGER count_changed_job AFTER UPDATE OF {', '.join(READ)} ON jobs WHEN {changed} "
        f"BEGIN {_count('OLD', -1)} {_count('NEW', 1)} END",
        f"CREATE TRIGGER count_removed_job AFTER DELETE ON jobs BEGIN {_count('OLD', -1)} END",
    ]


def _count(row: str, number: int) -> str:
    alike = " AND ".join(f"{name} = ({value.format(row)})" for name, value in COUNTED.items())
    return (
        f"UPDATE job_counts SET jobs = jobs + {number} WHERE {alike}; "
        f"INSERT INTO job_counts ({COLUMNS}, jobs) SELECT {_key(row)}, {number} WHERE changes() = 0;"
    )


def _of_postgresql() -> list[str]:
    """Once for a statement, by added rows: transactions that write at the same time never wait for each other's. The
    triggers are those of before."""
    added = f"INSERT INTO job_counts ({COLUMNS}, jobs)"
    grouped = f"GROUP BY {PLACES}"
    return [
        f"""
        CREATE OR REPLACE FUNCTION fold_job_counts(of_run bigint) RETURNS void LANGUAGE sql AS $$
            WITH free AS (
                SELECT ctid FROM job_counts WHERE run_id = of_run FOR UPDATE SKIP LOCKED
            ), gone AS (
                DELETE FROM job_counts WHERE ctid IN (SELECT ctid FROM free) RETURNING {COLUMNS}, jobs
            )
            {added} SELECT {COLUMNS}, sum(jobs) FROM gone {grouped} HAVING sum(jobs) <> 0
        $$
        """,
        f"""
        CREATE OR REPLACE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            written integer;
        BEGIN
            IF TG_OP = 'INSERT' THEN
                {added} SELECT {_key("new_jobs")}, count(*) FROM new_jobs {grouped};
            ELSIF TG_OP = 'DELETE' THEN
                {added} SELECT {_key("old_jobs")}, -count(*) FROM old_jobs {grouped};
            ELSE
                {added} SELECT {COLUMNS}, sum(number) FROM (
                    SELECT {_key("old_jobs")}, -1 FROM old_jobs
                    UNION ALL SELECT {_key("new_jobs")}, 1 FROM new_jobs
                ) AS moved ({COLUMNS}, number) {grouped} HAVING sum(number) <> 0;
            END IF;
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written > 0 AND currval('job_counts_id_seq') % {FOLD_EVERY} < written THEN
                PERFORM fold_job_counts(run_id) FROM job_counts WHERE id = currval('job_counts_id_seq');
            END IF;
            RETURN NULL;
        END
        $$
        """,
    ]

"""How many messages are in each state is kept by triggers; what is there is counted once, a few seconds a million."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY: Final = ("run_id", "lane", "state", "held_by", "reason", "code")
OPTIONAL: Final = ("held_by", "reason", "code")
COLUMNS: Final = ", ".join(KEY)
FOLD_EVERY: Final = 128
"""PostgreSQL: after about so many rows, those of the run that the last one is of are added up."""


def upgrade() -> None:
    op.create_table(
        "job_counts",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in KEY[1:]),
        sa.Column(
            "jobs",
            sa.BigInteger(),
            nullable=False,
            comment="may be negative: the sum of those alike counts",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_job_counts"),
    )
    op.create_index("ix_job_counts_run", "job_counts", ["run_id", "state", "code"])
    triggers = _of_sqlite() if op.get_bind().dialect.name == "sqlite" else _of_postgresql()
    for statement in triggers:
        op.execute(statement)
    op.execute(
        f"INSERT INTO job_counts ({COLUMNS}, jobs) "
        f"SELECT {_key('jobs')}, count(*) FROM jobs GROUP BY {_key('jobs')}"
    )


def _key(row: str) -> str:
    """The row's columns as the counts have them."""
    return ", ".join(_value(row, name) for name in KEY)


def _value(row: str, name: str) -> str:
    return f"coalesce({row}.{name}, '')" if name in OPTIONAL else f"{row}.{name}"


def _of_sqlite() -> list[str]:
    """Row by row, in place: there is one writer."""
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in KEY)
    return [
        f"CREATE TRIGGER count_added_job AFTER INSERT ON jobs BEGIN {_add('NEW', 1)} END",
        f"CREATE TRIGGER count_changed_job AFTER UPDATE OF {COLUMNS} ON jobs WHEN {changed} "
        f"BEGIN {_add('OLD', -1)} {_add('NEW', 1)} END",
        f"CREATE TRIGGER count_removed_job AFTER DELETE ON jobs BEGIN {_add('OLD', -1)} END",
    ]


def _add(row: str, number: int) -> str:
    alike = " AND ".join(f"{name} = {_value(row, name)}" for name in KEY)
    return (
        f"UPDATE job_counts SET jobs = jobs + {number} WHERE {alike}; "
        f"INSERT INTO job_counts ({COLUMNS}, jobs) SELECT {_key(row)}, {number} WHERE changes() = 0;"
    )


def _of_postgresql() -> list[str]:
    """Once for a statement, by added rows: transactions that write at the same time never wait for each other's."""
    added = f"INSERT INTO job_counts ({COLUMNS}, jobs)"
    grouped = "GROUP BY 1, 2, 3, 4, 5, 6"
    return [
        f"""
        CREATE FUNCTION fold_job_counts(of_run bigint) RETURNS void LANGUAGE sql AS $$
            WITH free AS (
                SELECT ctid FROM job_counts WHERE run_id = of_run FOR UPDATE SKIP LOCKED
            ), gone AS (
                DELETE FROM job_counts WHERE ctid IN (SELECT ctid FROM free) RETURNING {COLUMNS}, jobs
            )
            {added} SELECT {COLUMNS}, sum(jobs) FROM gone {grouped} HAVING sum(jobs) <> 0
        $$
        """,
        f"""
        CREATE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
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
        "CREATE TRIGGER count_added_jobs AFTER INSERT ON jobs "
        "REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_jobs()",
        "CREATE TRIGGER count_changed_jobs AFTER UPDATE ON jobs REFERENCING OLD TABLE AS old_jobs "
        "NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_jobs()",
        "CREATE TRIGGER count_removed_jobs AFTER DELETE ON jobs "
        "REFERENCING OLD TABLE AS old_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_jobs()",
    ]

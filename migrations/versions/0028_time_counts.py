"""When messages were sent and delivered is counted by triggers; what is there is counted once, a few seconds a million."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS: Final = "run_id, at, sent, delivered"
STEP: Final = "CASE WHEN runs.jobs <= 100000 THEN 1000 WHEN runs.jobs <= 1000000 THEN 10000 ELSE 60000 END"
"""Milliseconds that are counted together, by the size of the run."""
MOMENTS: Final = {"sent": "accepted_at", "delivered": "delivered_at"}
"""What is counted, and by which moment of a message that a provider took."""
FOLD_EVERY: Final = 1024
"""PostgreSQL: after about so many rows, those since the last time but one are added up."""


def upgrade() -> None:
    op.create_table(
        "time_counts",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column(
            "at",
            sa.BigInteger(),
            nullable=False,
            comment="the first moment of those that are counted together",
        ),
        sa.Column(
            "sent", sa.BigInteger(), nullable=False, comment="messages that the provider accepted then"
        ),
        sa.Column(
            "delivered",
            sa.BigInteger(),
            nullable=False,
            comment="of those that it accepted, arrived then",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_time_counts"),
    )
    op.create_index("ix_time_counts_run", "time_counts", ["run_id", "at"])
    triggers = _of_sqlite() if op.get_bind().dialect.name == "sqlite" else _of_postgresql()
    for statement in triggers:
        op.execute(statement)
    op.execute(_add_grouped(_rows("jobs", 1)))


def _rows(table: str, sign: int) -> str:
    return " UNION ALL ".join(
        f"SELECT run_id, {moment} AS at, {_numbers(name, sign)} FROM {table} "
        f"WHERE accepted_at IS NOT NULL AND {moment} IS NOT NULL"
        for name, moment in MOMENTS.items()
    )


def _numbers(name: str, sign: int) -> str:
    return ", ".join(f"{sign if each == name else 0} AS {each}" for each in MOMENTS)


def _add_grouped(rows: str) -> str:
    """Of the rows those of a second are taken together first: then few look up their run."""
    return f"""
        INSERT INTO time_counts ({COLUMNS})
        SELECT run_id, at - at % {STEP}, sum(sent), sum(delivered) FROM (
            SELECT run_id, at - at % 1000 AS at, sum(sent) AS sent, sum(delivered) AS delivered
            FROM ({rows}) AS part GROUP BY 1, 2 HAVING sum(sent) <> 0 OR sum(delivered) <> 0
        ) AS moved JOIN runs ON runs.id = moved.run_id GROUP BY 1, 2
    """


def _of_sqlite() -> list[str]:
    """Row by row, in place: there is one writer."""
    statements = []
    for name, moment in MOMENTS.items():
        read = dict.fromkeys(["accepted_at", moment, "run_id"])
        on_update = f"AFTER UPDATE OF {', '.join(read)} ON jobs WHEN"
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in read)
        old, new = (f"{row}.accepted_at IS NOT NULL AND {row}.{moment} IS NOT NULL" for row in ("OLD", "NEW"))
        more, fewer = _change(name, "NEW", 1), _change(name, "OLD", -1)
        statements += [
            f"CREATE TRIGGER time_added_{name} AFTER INSERT ON jobs WHEN {new} BEGIN {more} END",
            f"CREATE TRIGGER time_new_{name} {on_update} {new} AND ({changed}) BEGIN {more} END",
            f"CREATE TRIGGER time_old_{name} {on_update} {old} AND ({changed}) BEGIN {fewer} END",
            f"CREATE TRIGGER time_removed_{name} AFTER DELETE ON jobs WHEN {old} BEGIN {fewer} END",
        ]
    return statements


def _change(name: str, row: str, sign: int) -> str:
    moment = f"{row}.{MOMENTS[name]}"
    at = f"{moment} - {moment} % {STEP}"
    return (
        f"UPDATE time_counts SET {name} = {name} + {sign} WHERE run_id = {row}.run_id "
        f"AND at = (SELECT {at} FROM runs WHERE runs.id = {row}.run_id); "
        f"INSERT INTO time_counts ({COLUMNS}) SELECT runs.id, {at}, {_numbers(name, sign)} "
        f"FROM runs WHERE runs.id = {row}.run_id AND changes() = 0;"
    )


def _of_postgresql() -> list[str]:
    """Once for a statement, by added rows: transactions that write at the same time never wait for each other's."""
    return [
        f"""
        CREATE FUNCTION fold_time_counts(newest bigint) RETURNS void LANGUAGE sql AS $$
            WITH free AS (
                SELECT ctid FROM time_counts WHERE id > newest - {2 * FOLD_EVERY} FOR UPDATE SKIP LOCKED
            ), gone AS (
                DELETE FROM time_counts WHERE ctid IN (SELECT ctid FROM free) RETURNING {COLUMNS}
            )
            INSERT INTO time_counts ({COLUMNS}) SELECT run_id, at, sum(sent), sum(delivered) FROM gone
            GROUP BY 1, 2 HAVING sum(sent) <> 0 OR sum(delivered) <> 0
        $$
        """,
        f"""
        CREATE FUNCTION count_times() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            written integer;
            newest bigint;
        BEGIN
            IF TG_OP = 'INSERT' THEN
                {_add_grouped(_rows("new_jobs", 1))};
            ELSIF TG_OP = 'DELETE' THEN
                {_add_grouped(_rows("old_jobs", -1))};
            ELSE
                {_add_grouped(_rows("old_jobs", -1) + " UNION ALL " + _rows("new_jobs", 1))};
            END IF;
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written > 0 THEN
                newest := currval('time_counts_id_seq');
                IF newest % {FOLD_EVERY} < written THEN
                    PERFORM fold_time_counts(newest);
                END IF;
            END IF;
            RETURN NULL;
        END
        $$
        """,
        "CREATE TRIGGER time_added_jobs AFTER INSERT ON jobs "
        "REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_times()",
        "CREATE TRIGGER time_changed_jobs AFTER UPDATE ON jobs REFERENCING OLD TABLE AS old_jobs "
        "NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_times()",
        "CREATE TRIGGER time_removed_jobs AFTER DELETE ON jobs "
        "REFERENCING OLD TABLE AS old_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_times()",
    ]

"""What messages cost is added up by triggers; what is there is added up once, a few seconds a million. A message keeps
the category that it was sent as."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SUM = sa.Numeric().with_variant(sa.BigInteger(), "sqlite")
KEY: Final = {
    "run_id": "{0}.run_id",
    "region": "coalesce({1}, '')",
    "category": "coalesce({0}.category, '')",
    "form": "coalesce({0}.form, '')",
    "card_id": "coalesce({0}.card_id, 0)",
    "failed": "{0}.state = 'failed'",
    "settled": "{0}.cost_micros IS NOT NULL",
    "currency": "coalesce({0}.currency, '')",
    "priced": "{0}.price_micros IS NOT NULL",
    "price_currency": "coalesce({0}.price_currency, '')",
}
"""By what messages are added up; {0} is the message, {1} the country of its number."""
SUMS: Final = {
    "jobs": "1",
    "cost_micros": "coalesce({0}.cost_micros, 0)",
    "price_micros": "coalesce({0}.price_micros, 0)",
}
COLUMNS: Final = ", ".join([*KEY, *SUMS])
READ: Final = (
    *("run_id", "recipient_id", "provider_message_id", "state", "category", "form", "card_id"),
    *("cost_micros", "currency", "price_micros", "price_currency"),
)
"""What of a message is looked at."""
STATES: Final = ("sent", "delivered", "read", "accepted", "failed", "held")
"""Of messages that a provider took."""
_ANY: Final = " OR ".join(f"{{0}}.state = '{state}'" for state in STATES)
TAKEN: Final = f"{{0}}.provider_message_id IS NOT NULL AND ({_ANY})"
"""With IN, SQLite would make a table of the states for every message, which takes longer than all the rest."""
FOLD_EVERY: Final = 128
"""PostgreSQL: after about so many rows, those of the run that the last one is of are added up."""


def upgrade() -> None:
    op.add_column(
        "jobs", sa.Column("category", sa.Text(), comment="what it was sent as; null: the campaign's")
    )
    op.execute(
        "UPDATE jobs SET category = (SELECT category FROM touches WHERE touches.job_id = jobs.id) "
        "WHERE provider_message_id IS NOT NULL AND run_id IN (SELECT runs.id FROM runs "
        "JOIN campaigns ON campaigns.id = runs.campaign_id WHERE campaigns.category = 'auto')"
    )
    op.create_table(
        "cost_sums",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("region", "category", "form")),
        sa.Column("card_id", ID, nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False, comment="whether its charge is known"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("priced", sa.Boolean(), nullable=False, comment="whether its price was known"),
        sa.Column("price_currency", sa.Text(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False, comment="may be negative, as the sums may"),
        sa.Column("cost_micros", SUM, nullable=False),
        sa.Column("price_micros", SUM, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cost_sums"),
    )
    op.create_index("ix_cost_sums_run", "cost_sums", ["run_id", "region"])
    triggers = _of_sqlite() if op.get_bind().dialect.name == "sqlite" else _of_postgresql()
    for statement in triggers:
        op.execute(statement)
    message = [*_values("jobs", "recipients.region"), *(f"sum({value})" for value in _sums("jobs"))]
    groups = ", ".join(str(place) for place in range(1, len(KEY) + 1))
    op.execute(
        f"INSERT INTO cost_sums ({COLUMNS}) SELECT {', '.join(message)} "
        f"FROM jobs JOIN recipients ON recipients.id = jobs.recipient_id "
        f"WHERE {TAKEN.format('jobs')} GROUP BY {groups}"
    )


def _values(row: str, region: str) -> list[str]:
    return [value.format(row, region) for value in KEY.values()]


def _sums(row: str) -> list[str]:
    return [value.format(row) for value in SUMS.values()]


def _of_sqlite() -> list[str]:
    """Row by row, in place: there is one writer. A step from sent to delivered changes no sum and does nothing."""
    old, new = TAKEN.format("OLD"), TAKEN.format("NEW")
    same = ("provider_message_id", "state")
    others = [f"OLD.{name} IS NOT NEW.{name}" for name in READ if name not in same]
    failed = "(OLD.state = 'failed') IS NOT (NEW.state = 'failed')"
    changed = " OR ".join([f"({old}) IS NOT ({new})", failed, *others])
    return [
        f"CREATE TRIGGER sum_added_cost AFTER INSERT ON jobs WHEN {new} BEGIN {_add('NEW', '+')} END",
        f"CREATE TRIGGER sum_new_cost AFTER UPDATE OF {', '.join(READ)} ON jobs WHEN {new} AND ({changed}) "
        f"BEGIN {_add('NEW', '+')} END",
        f"CREATE TRIGGER sum_old_cost AFTER UPDATE OF {', '.join(READ)} ON jobs WHEN {old} AND ({changed}) "
        f"BEGIN {_add('OLD', '-')} END",
        f"CREATE TRIGGER sum_removed_cost AFTER DELETE ON jobs WHEN {old} BEGIN {_add('OLD', '-')} END",
    ]


def _add(row: str, sign: str) -> str:
    values = _values(row, f"(SELECT region FROM recipients WHERE id = {row}.recipient_id)")
    alike = " AND ".join(f"{name} = ({value})" for name, value in zip(KEY, values, strict=True))
    more = ", ".join(f"{name} = {name} {sign} {value}" for name, value in zip(SUMS, _sums(row), strict=True))
    added = ", ".join([*values, *(f"{sign}{value}" for value in _sums(row))])
    return (
        f"UPDATE cost_sums SET {more} WHERE {alike}; "
        f"INSERT INTO cost_sums ({COLUMNS}) SELECT {added} WHERE changes() = 0;"
    )


def _of_postgresql() -> list[str]:
    """Once for a statement, by added rows: transactions that write at the same time never wait for each other's."""
    groups = ", ".join(str(place) for place in range(1, len(KEY) + 1))
    added = f"INSERT INTO cost_sums ({COLUMNS})"
    totals = ", ".join(f"sum({name})" for name in SUMS)
    some = " OR ".join(f"sum({name}) <> 0" for name in SUMS)
    values = _values("moved", "(SELECT region FROM recipients WHERE id = moved.recipient_id)")
    sums = [f"sum(number * {value})" for value in _sums("moved")]
    looked_at = (
        ", ".join(READ[:2] + READ[4:]) + ", CASE WHEN state = 'failed' THEN state ELSE '' END AS state"
    )

    def write(*rows: str) -> str:
        """A step from sent to delivered changes no sum: its message is not looked up."""
        every = ", ".join(str(place) for place in range(1, len(READ)))
        return f"""
                {added} SELECT {", ".join([*values, *sums])} FROM (
                    SELECT {", ".join(READ[:2] + READ[3:])}, sum(sign) AS number
                    FROM ({" UNION ALL ".join(rows)}) AS read GROUP BY {every} HAVING sum(sign) <> 0
                ) AS moved
                GROUP BY {groups} HAVING {" OR ".join(f"{one} <> 0" for one in sums)};
        """

    def rows(table: str, sign: int) -> str:
        return f"SELECT {looked_at}, {sign} AS sign FROM {table} WHERE {TAKEN.format(table)}"

    return [
        f"""
        CREATE FUNCTION fold_cost_sums(of_run bigint) RETURNS void LANGUAGE sql AS $$
            WITH free AS (
                SELECT ctid FROM cost_sums WHERE run_id = of_run FOR UPDATE SKIP LOCKED
            ), gone AS (
                DELETE FROM cost_sums WHERE ctid IN (SELECT ctid FROM free) RETURNING {COLUMNS}
            )
            {added} SELECT {", ".join(KEY)}, {totals} FROM gone GROUP BY {groups} HAVING {some}
        $$
        """,
        f"""
        CREATE FUNCTION sum_costs() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
        DECLARE
            written integer;
        BEGIN
            IF TG_OP = 'INSERT' THEN
                {write(rows("new_jobs", 1))}
            ELSIF TG_OP = 'DELETE' THEN
                {write(rows("old_jobs", -1))}
            ELSE
                {write(rows("old_jobs", -1), rows("new_jobs", 1))}
            END IF;
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written > 0 AND currval('cost_sums_id_seq') % {FOLD_EVERY} < written THEN
                PERFORM fold_cost_sums(run_id) FROM cost_sums WHERE id = currval('cost_sums_id_seq');
            END IF;
            RETURN NULL;
        END
        $$
        """,
        "CREATE TRIGGER sum_added_costs AFTER INSERT ON jobs "
        "REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION sum_costs()",
        "CREATE TRIGGER sum_changed_costs AFTER UPDATE ON jobs REFERENCING OLD TABLE AS old_jobs "
        "NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION sum_costs()",
        "CREATE TRIGGER sum_removed_costs AFTER DELETE ON jobs "
        "REFERENCING OLD TABLE AS old_jobs FOR EACH STATEMENT EXECUTE FUNCTION sum_costs()",
    ]

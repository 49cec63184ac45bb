"""Answers and retries are marked at their messages and counted with them, and a campaign keeps the number of its
people: reports and lists look none of these up. What is there is marked and counted once, a minute or two for five
million messages."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TEXTS: Final = ("held_by", "reason", "code")
COUNTED: Final = {
    **{name: f"{{0}}.{name}" for name in ("run_id", "lane", "state")},
    **{name: f"coalesce({{0}}.{name}, '')" for name in TEXTS},
    "tried_again": "{0}.tried_again",
    "answered": "coalesce({0}.answered_at > coalesce({0}.sent_at, {0}.accepted_at) "
    "AND {0}.provider_message_id IS NOT NULL, false)",
}
"""By what messages are counted; {0} is the message."""
READ: Final = (
    *("run_id", "lane", "state", *TEXTS, "tried_again"),
    *("answered_at", "sent_at", "accepted_at", "provider_message_id"),
)
"""What of a message is looked at."""
COLUMNS: Final = ", ".join(COUNTED)
PLACES: Final = ", ".join(str(place) for place in range(1, len(COUNTED) + 1))
FOLD_COUNTS: Final = 128
"""PostgreSQL: after about so many rows, those of the run that the last one is of are added up."""
TIMES: Final = "run_id, at, sent, delivered"
STEP: Final = "CASE WHEN runs.jobs <= 100000 THEN 1000 WHEN runs.jobs <= 1000000 THEN 10000 ELSE 60000 END"
"""Milliseconds that are counted together, by the size of the run."""
MOMENTS: Final = {"sent": "accepted_at", "delivered": "delivered_at"}
"""What is counted, and by which moment of a message that a provider took."""
FOLD_TIMES: Final = 1024
"""PostgreSQL: after about so many rows, those since the last time but one are added up."""
OLD_TRIGGERS: Final = (
    *("count_added_job", "count_changed_job", "count_removed_job"),
    *(f"time_{what}_{name}" for name in MOMENTS for what in ("added", "new", "old", "removed")),
)
"""On SQLite; PostgreSQL's stay, as only their functions change."""


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    _add_columns()
    for statement in (TRIED_AGAIN, ANSWERED, "UPDATE inbound SET counted = true", PEOPLE):
        op.execute(statement)
    for trigger in OLD_TRIGGERS if sqlite else ():
        op.execute(f"DROP TRIGGER {trigger}")
    for statement in _of_sqlite() if sqlite else _of_postgresql():
        op.execute(statement)
    op.execute("DELETE FROM job_counts")
    op.execute(
        f"INSERT INTO job_counts ({COLUMNS}, jobs) SELECT {_key('jobs')}, count(*) FROM jobs GROUP BY {PLACES}"
    )
    op.execute("DELETE FROM time_counts")
    op.execute(_add_times(_moments("jobs", 1)))


def _add_columns() -> None:
    no = sa.false()
    op.add_column(
        "jobs",
        sa.Column(
            "answered_at",
            sa.BigInteger(),
            comment="when its person last wrote to the account that sent it, as far as that was counted",
        ),
    )
    for table, name, comment in (
        ("jobs", "tried_again", "a retry has come in its place: reports count that one"),
        ("job_counts", "tried_again", "whether a retry has come in their place"),
        ("job_counts", "answered", "whether their people wrote back after they were sent"),
        ("inbound", "counted", "whether the messages that it answers are marked"),
    ):
        op.add_column(
            table, sa.Column(name, sa.Boolean(), nullable=False, server_default=no, comment=comment)
        )
    op.add_column(
        "campaigns",
        sa.Column(
            "recipients",
            sa.BigInteger(),
            nullable=False,
            server_default=sa.text("0"),
            comment="people of its audience, those purged among them: counted when it became the audience",
        ),
    )
    is_new = sa.text("NOT counted")
    op.create_index("ix_inbound_new", "inbound", ["id"], sqlite_where=is_new, postgresql_where=is_new)


TRIED_AGAIN: Final = """
    UPDATE jobs SET tried_again = true WHERE id IN (
        SELECT older.id FROM runs AS child JOIN jobs AS newer ON newer.run_id = child.id
        JOIN runs AS run ON (run.id = child.parent_id OR run.parent_id = child.parent_id) AND run.id < child.id
        JOIN jobs AS older ON older.run_id = run.id AND older.phone = newer.phone
        WHERE child.kind = 'retry' AND coalesce(newer.reason, '') <> 'already_arrived'
    )
"""
ANSWERED: Final = """
    UPDATE jobs SET answered_at = (
        SELECT max(inbound.at) FROM inbound WHERE inbound.phone = jobs.phone
        AND substr(jobs.lane, 1, length(inbound.account) + 1) = inbound.account || '/'
        AND NOT EXISTS (SELECT 1 FROM optouts
            WHERE optouts.phone = inbound.phone AND optouts.action = 'out' AND optouts.at = inbound.at)
    ) WHERE attempts > 0 AND phone IN (SELECT phone FROM inbound)
"""
PEOPLE: Final = """
    UPDATE campaigns SET recipients = purged_recipients + (
        SELECT count(*) FROM recipients
        WHERE recipients.campaign_id = campaigns.id AND recipients.edition = campaigns.edition
    )
"""


def _key(row: str) -> str:
    """The row's values as the counts have them."""
    return ", ".join(value.format(row) for value in COUNTED.values())


def _moments(table: str, sign: int) -> str:
    return " UNION ALL ".join(
        f"SELECT run_id, {moment} AS at, {_numbers(name, sign)} FROM {table} WHERE {_has(table, moment)}"
        for name, moment in MOMENTS.items()
    )


def _has(row: str, moment: str) -> str:
    return f"{row}.accepted_at IS NOT NULL AND {row}.{moment} IS NOT NULL AND NOT {row}.tried_again"


def _numbers(name: str, sign: int) -> str:
    return ", ".join(f"{sign if each == name else 0} AS {each}" for each in MOMENTS)


def _add_times(rows: str) -> str:
    """Of the rows those of a second are taken together first: then few look up their run."""
    return f"""
        INSERT INTO time_counts ({TIMES})
        SELECT run_id, at - at % {STEP}, sum(sent), sum(delivered) FROM (
            SELECT run_id, at - at % 1000 AS at, sum(sent) AS sent, sum(delivered) AS delivered
            FROM ({rows}) AS part GROUP BY 1, 2 HAVING sum(sent) <> 0 OR sum(delivered) <> 0
        ) AS moved JOIN runs ON runs.id = moved.run_id GROUP BY 1, 2
    """


def _of_sqlite() -> list[str]:
    """Row by row, in place: there is one writer."""
    changed = " OR ".join(
        f"({value.format('OLD')}) IS NOT ({value.format('NEW')})" for value in COUNTED.values()
    )
    statements = [
        f"CREATE TRIGGER count_added_job AFTER INSERT ON jobs BEGIN {_count('NEW', 1)} END",
        f"CREATE TRIGGER count_changed_job AFTER UPDATE OF {', '.join(READ)} ON jobs WHEN {changed} "
        f"BEGIN {_count('OLD', -1)} {_count('NEW', 1)} END",
        f"CREATE TRIGGER count_removed_job AFTER DELETE ON jobs BEGIN {_count('OLD', -1)} END",
    ]
    for name, moment in MOMENTS.items():
        read = dict.fromkeys(["accepted_at", moment, "run_id", "tried_again"])
        on_update = f"AFTER UPDATE OF {', '.join(read)} ON jobs WHEN"
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in read)
        old, new = _has("OLD", moment), _has("NEW", moment)
        more, fewer = _count_time(name, "NEW", 1), _count_time(name, "OLD", -1)
        statements += [
            f"CREATE TRIGGER time_added_{name} AFTER INSERT ON jobs WHEN {new} BEGIN {more} END",
            f"CREATE TRIGGER time_new_{name} {on_update} {new} AND ({changed}) BEGIN {more} END",
            f"CREATE TRIGGER time_old_{name} {on_update} {old} AND ({changed}) BEGIN {fewer} END",
            f"CREATE TRIGGER time_removed_{name} AFTER DELETE ON jobs WHEN {old} BEGIN {fewer} END",
        ]
    return statements


def _count(row: str, number: int) -> str:
    alike = " AND ".join(f"{name} = ({value.format(row)})" for name, value in COUNTED.items())
    return (
        f"UPDATE job_counts SET jobs = jobs + {number} WHERE {alike}; "
        f"INSERT INTO job_counts ({COLUMNS}, jobs) SELECT {_key(row)}, {number} WHERE changes() = 0;"
    )


def _count_time(name: str, row: str, sign: int) -> str:
    moment = f"{row}.{MOMENTS[name]}"
    at = f"{moment} - {moment} % {STEP}"
    return (
        f"UPDATE time_counts SET {name} = {name} + {sign} WHERE run_id = {row}.run_id "
        f"AND at = (SELECT {at} FROM runs WHERE runs.id = {row}.run_id); "
        f"INSERT INTO time_counts ({TIMES}) SELECT runs.id, {at}, {_numbers(name, sign)} "
        f"FROM runs WHERE runs.id = {row}.run_id AND changes() = 0;"
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
            IF written > 0 AND currval('job_counts_id_seq') % {FOLD_COUNTS} < written THEN
                PERFORM fold_job_counts(run_id) FROM job_counts WHERE id = currval('job_counts_id_seq');
            END IF;
            RETURN NULL;
        END
        $$
        """,
        f"""
        CREATE OR REPLACE FUNCTION count_times() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            written integer;
            newest bigint;
        BEGIN
            IF TG_OP = 'INSERT' THEN
                {_add_times(_moments("new_jobs", 1))};
            ELSIF TG_OP = 'DELETE' THEN
                {_add_times(_moments("old_jobs", -1))};
            ELSE
                {_add_times(_moments("old_jobs", -1) + " UNION ALL " + _moments("new_jobs", 1))};
            END IF;
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written > 0 THEN
                newest := currval('time_counts_id_seq');
                IF newest % {FOLD_TIMES} < written THEN
                    PERFORM fold_time_counts(newest);
                END IF;
            END IF;
            RETURN NULL;
        END
        $$
        """,
    ]

"""PostgreSQL no longer checks what each new message, attempt and event refers to: the locks of their writers keep it."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

REFERENCES = (
    ("jobs", "fk_jobs_run_id"),
    ("jobs", "fk_jobs_recipient_id"),
    ("attempts", "fk_attempts_job_id"),
    ("events", "fk_events_job_id"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, name in REFERENCES:
            op.drop_constraint(name, table, type_="foreignkey")

"""The people of a run by state, rule, code and reason: a page of them is read in the order of an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_jobs_run_state", table_name="jobs")
    op.create_index("ix_jobs_run_state", "jobs", ["run_id", "state", "id"])
    for name, column in (("held", "held_by"), ("code", "code"), ("reason", "reason")):
        known = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_jobs_run_{name}",
            "jobs",
            ["run_id", column, "id"],
            sqlite_where=known,
            postgresql_where=known,
        )

"""Held messages are counted by an index, and a campaign's pauses are noted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_jobs_held",
        "jobs",
        ["run_id", "held_by", "lane", "due_at"],
        sqlite_where=sa.text("held_by IS NOT NULL"),
        postgresql_where=sa.text("held_by IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            "campaign_events",
            "event",
            existing_type=sa.Text(),
            existing_nullable=False,
            existing_comment="budget or list",
            comment="budget, list, or a state: of a pause and its end",
        )

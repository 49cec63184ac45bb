"""The database knows where a runner last worked on it: a copy must not send what the original has sent meanwhile.
What people change about a campaign has a history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "origin",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("place", sa.Text(), nullable=False, comment="JSON: where a runner last worked on it"),
        sa.PrimaryKeyConstraint("id", name="pk_origin"),
    )
    op.create_table(
        "campaign_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False, comment="budget or list"),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_campaign_events_campaign_id"),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_events"),
    )
    op.create_index("ix_campaign_events_campaign_id", "campaign_events", ["campaign_id"])

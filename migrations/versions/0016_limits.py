"""What providers show of the senders' limits is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sender_limits",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "portfolio",
            sa.Text(),
            nullable=True,
            comment="the provider's id of what the limit belongs to; null: not known",
        ),
        sa.Column(
            "people",
            sa.BigInteger(),
            nullable=True,
            comment="most in 24 hours outside a window; -1: no limit; null: not known",
        ),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("throughput", sa.Text(), nullable=True),
        sa.Column("verified_name", sa.Text(), nullable=True),
        sa.Column("name_status", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.BigInteger(), nullable=True, comment="null: never read"),
        sa.Column(
            "expired_at",
            sa.BigInteger(),
            nullable=True,
            comment="when an event showed that something has changed since",
        ),
        sa.Column(
            "problem",
            sa.Text(),
            nullable=True,
            comment="why the last attempt to read it failed; null: it did not",
        ),
        sa.PrimaryKeyConstraint("lane", name="pk_sender_limits"),
    )

"""The message templates that providers list are stored, and when each account's list was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "template_lists",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "fetched_at",
            sa.BigInteger(),
            nullable=True,
            comment="when the list below was read; null: never",
        ),
        sa.Column(
            "expired_at",
            sa.BigInteger(),
            nullable=True,
            comment="when an event showed that it changed after that; null: none did",
        ),
        sa.Column(
            "problem",
            sa.Text(),
            nullable=True,
            comment="why the last attempt to read it failed; null: it did not",
        ),
        sa.Column("problem_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account", name="pk_template_lists"),
    )
    op.create_table(
        "templates",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="the provider's own, in capitals"),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("previous_category", sa.Text(), nullable=True),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was rejected"),
        sa.Column("parts", sa.Text(), nullable=False, comment="JSON: header, body, footer, buttons"),
        sa.PrimaryKeyConstraint("account", "name", "language", name="pk_templates"),
    )

"""What is known of how a message must go has columns of its own: `held_by` shows what holds it now, and each wait
overwrites it. A person who was erased is known again by a hash, and what is done once a day is noted."""

from __future__ import annotations

from secrets import token_bytes

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "goes_alone",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="a call that it shared was refused as a whole: it shares no other",
        ),
    )
    op.add_column(
        "jobs",
        sa.Column(
            "free_refused_at",
            sa.BigInteger(),
            nullable=True,
            comment="when its free form was refused because the window was closed; null: it was not",
        ),
    )
    keys = op.create_table(
        "pseudonym_keys",
        sa.Column("name", sa.Text(), nullable=False, comment="what is hashed with it"),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_pseudonym_keys"),
    )
    op.bulk_insert(keys, [{"name": "optouts", "key": token_bytes(32)}])
    op.create_table(
        "daily_duties",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=False, comment="when it was last done to the end"),
        sa.PrimaryKeyConstraint("name", name="pk_daily_duties"),
    )
    op.execute("UPDATE jobs SET goes_alone = true WHERE state = 'pending' AND held_by = 'alone'")
    op.execute(
        "UPDATE jobs SET free_refused_at = updated_at WHERE state = 'pending' AND held_by = 'use_template'"
    )

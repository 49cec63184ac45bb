"""How many an account has reached is kept beside whom: an account without a count is counted at its next slice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tier_counts",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column(
            "reached",
            sa.BigInteger(),
            nullable=False,
            comment="people reached outside a window after `since`",
        ),
        sa.PrimaryKeyConstraint("account", name="pk_tier_counts"),
    )

"""Several processes on one database: who they are, and the rate that they share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False, comment="as lanes.holder names it"),
        sa.Column("kind", sa.Text(), nullable=False, comment="runner, clock or worker"),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column(
            "places",
            sa.Integer(),
            nullable=True,
            comment="how many lanes it works at once; null: any number, or none",
        ),
        sa.Column("leads", sa.Boolean(), nullable=False, comment="whether it holds the runner's lock"),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )
    op.create_table(
        "account_grants",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "free_at",
            sa.BigInteger(),
            nullable=False,
            comment="UTC microseconds: the first moment not given away yet",
        ),
        sa.PrimaryKeyConstraint("account", name="pk_account_grants"),
    )

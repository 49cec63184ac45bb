"""The bodies of webhooks may be packed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "webhooks",
        sa.Column(
            "size",
            sa.Integer(),
            nullable=True,
            comment="bytes of the body where it is packed; null: it is as it arrived",
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            "webhooks", "body", comment="verified before it is stored; packed where size is given"
        )

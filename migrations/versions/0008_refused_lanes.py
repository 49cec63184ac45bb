"""A lane remembers how often its sender was refused, and a pause that only a person ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "lanes",
        sa.Column(
            "refusals",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="how often in a row the sender was refused; any: the next message goes alone",
        ),
    )
    op.add_column(
        "lanes",
        sa.Column(
            "pause_stays",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="the pause ends by a person or the provider's own notice, not by a check of the sender",
        ),
    )

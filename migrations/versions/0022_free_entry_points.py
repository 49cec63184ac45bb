"""Until when messages to a person are free, because they came through an advertisement."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "windows",
        sa.Column(
            "free_until", sa.BigInteger, comment="the free entry point's end; null: no advertisement led here"
        ),
    )

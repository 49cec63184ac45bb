"""A call of the API that is begun again keeps the time at which it was asked for first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    asked = "when it was asked for first; null: when it was begun"
    op.add_column("api_answers", sa.Column("asked_at", sa.BigInteger(), nullable=True, comment=asked))

"""Bodies of webhooks are stored as they are given: those that can be made shorter are packed already."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE webhooks ALTER COLUMN body SET STORAGE EXTERNAL")

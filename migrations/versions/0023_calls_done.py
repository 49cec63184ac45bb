"""A call of the API that was done is noted in the transaction that did it; a key may be an admin's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    note = "when its change was committed; null: it has changed nothing yet"
    op.add_column("api_answers", sa.Column("done_at", sa.BigInteger(), comment=note))
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            "api_keys",
            "scope",
            existing_type=sa.Text(),
            existing_nullable=False,
            existing_comment="read, manage or send",
            comment="read, manage, send or admin",
        )

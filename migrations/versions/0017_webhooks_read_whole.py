"""What was pressed and which message was answered are stored with what people wrote; what webhooks hold that is not
understood is counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pressed = "payload or id of the button or list row that was pressed"
    op.add_column("inbound", sa.Column("payload", sa.Text(), nullable=True, comment=pressed))
    answered = "the provider's id of the message that was answered"
    op.add_column("inbound", sa.Column("answers", sa.Text(), nullable=True, comment=answered))
    op.create_table(
        "not_understood",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="what it was, such as: field flows"),
        sa.Column(
            "count", sa.BigInteger(), nullable=False, comment="parts of webhooks whose meaning is not known"
        ),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "kind", name="pk_not_understood"),
    )

"""History can be purged: what the reports count of it stays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    comment = "when its recipients and rejects were first purged"
    op.add_column("campaigns", sa.Column("purged_at", sa.BigInteger(), nullable=True, comment=comment))
    op.add_column(
        "campaigns",
        sa.Column(
            "purged_recipients",
            sa.BigInteger(),
            nullable=False,
            server_default=sa.text("0"),
            comment="how many are gone",
        ),
    )
    comment = "when its jobs were first purged"
    op.add_column("runs", sa.Column("purged_at", sa.BigInteger(), nullable=True, comment=comment))
    op.create_index("ix_jobs_recipient_id", "jobs", ["recipient_id"])
    op.create_table(
        "purged_jobs",
        sa.Column("run_id", Id, nullable=False),
        sa.Column(
            "counts", sa.Boolean(), nullable=False, comment="no test, and the newest of its person's tries"
        ),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("state", "reason", "code", "region")),
        sa.Column("taken", sa.Boolean(), nullable=False, comment="whether the provider gave it an id"),
        sa.Column("settled", sa.Boolean(), nullable=False, comment="whether its charge is known"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("priced", sa.Boolean(), nullable=False, comment="whether its price was known"),
        sa.Column("price_currency", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("jobs", "cost_micros", "price_micros")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_purged_jobs_run_id"),
        sa.PrimaryKeyConstraint(
            "run_id",
            "counts",
            "state",
            "reason",
            "code",
            "region",
            "taken",
            "settled",
            "currency",
            "priced",
            "price_currency",
            name="pk_purged_jobs",
        ),
    )
    op.create_table(
        "purged_rejects",
        sa.Column("campaign_id", Id, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("first_line", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_purged_rejects_campaign_id"),
        sa.PrimaryKeyConstraint("campaign_id", "code", name="pk_purged_rejects"),
    )

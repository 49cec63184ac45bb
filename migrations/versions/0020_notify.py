"""What people are notified of, and each delivery of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "notify_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False, comment="by which a receiver recognises one that it has"),
        sa.Column("event", sa.Text(), nullable=False, comment="as campaigns.notify_events names it"),
        sa.Column(
            "about", sa.Text(), nullable=False, comment="run:ID, campaign:ID, lane:NAME, account:NAME, …"
        ),
        sa.Column(
            "series", sa.Text(), nullable=False, comment="events of one series are delivered in their order"
        ),
        sa.Column("campaign_id", ID, nullable=True),
        sa.Column("run_id", ID, nullable=True),
        sa.Column(
            "detail", sa.Text(), nullable=False, comment="the reason or the figures, without phone numbers"
        ),
        sa.Column("amount", sa.BigInteger(), nullable=True, comment="how many messages or rows it is about"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column(
            "ended_at",
            sa.BigInteger(),
            nullable=True,
            comment="null: it lasts, or is announced once and for all",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notify_events"),
        sa.UniqueConstraint("uid", name="uq_notify_events_uid"),
    )
    op.create_index(
        "ux_notify_events_open",
        "notify_events",
        ["event", "about"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "notify_targets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "since", sa.BigInteger(), nullable=False, comment="what happened before is not announced to it"
        ),
        sa.PrimaryKeyConstraint("name", name="pk_notify_targets"),
    )
    op.create_table(
        "notify_deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("target", sa.Text(), nullable=False, comment="the name of a [[notify]] table"),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, delivered or failed"),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "next_at", sa.BigInteger(), nullable=False, comment="of one that waits: not tried before it"
        ),
        sa.Column("problem", sa.Text(), nullable=True, comment="why the last attempt failed"),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["notify_events.id"], name="fk_notify_deliveries_event_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notify_deliveries"),
        sa.UniqueConstraint("event_id", "target", name="uq_notify_deliveries_event_id_target"),
    )
    op.create_index("ix_notify_deliveries_target", "notify_deliveries", ["target", "state", "id"])

"""What the rules, the calendar and the money need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column(
            "key",
            sa.Text(),
            nullable=False,
            comment="CAMPAIGN:run:ID, CAMPAIGN:day:YYYY-MM-DD or CAMPAIGN:month:YYYY-MM",
        ),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "reserved_micros", sa.BigInteger(), nullable=False, comment="worst case of what is not settled"
        ),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False, comment="settled on the provider's word"),
        sa.PrimaryKeyConstraint("key", name="pk_budgets"),
    )
    op.create_table(
        "daily_sends",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("campaign_id", Id, nullable=False),
        sa.Column("day", sa.Text(), nullable=False, comment="YYYY-MM-DD in the campaign's zone"),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "campaign_id", "day", name="pk_daily_sends"),
    )
    op.create_table(
        "inbound",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=True, comment="null: the sender it came to is not known"),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_inbound"),
        sa.UniqueConstraint("account", "message_id", name="uq_inbound_account_message_id"),
    )
    op.create_index("ix_inbound_phone_at", "inbound", ["phone", "at"], unique=False)
    op.create_table(
        "rate_cards",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="what an account's `rates` names"),
        sa.Column("effective_from", sa.Text(), nullable=False, comment="YYYY-MM-DD, from midnight UTC"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="where the figures come from"),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rate_cards"),
        sa.UniqueConstraint(
            "name", "effective_from", "currency", name="uq_rate_cards_name_effective_from_currency"
        ),
    )
    op.create_table(
        "reservations",
        sa.Column("job_id", Id, nullable=False),
        sa.Column("paid_from", sa.Text(), nullable=False, comment="JSON list of the budgets' keys"),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_reservations"),
    )
    op.create_table(
        "touches",
        sa.Column("id", Id, nullable=False),
        sa.Column("job_id", Id, nullable=False, comment="no foreign key: a touch outlives a purged job"),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when the intent was committed"),
        sa.Column("campaign_id", Id, nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False, comment="JSON list"),
        sa.Column("counts", sa.Boolean(), nullable=False, comment="whether it uses up frequency caps"),
        sa.PrimaryKeyConstraint("id", name="pk_touches"),
        sa.UniqueConstraint("job_id", name="uq_touches_job_id"),
    )
    op.create_index("ix_touches_phone_at", "touches", ["phone", "at"], unique=False)
    op.create_table(
        "unique_recipients",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.BigInteger(), nullable=False, comment="when it was last written to outside a window"
        ),
        sa.PrimaryKeyConstraint("account", "phone", name="pk_unique_recipients"),
    )
    op.create_index("ix_unique_recipients_account_at", "unique_recipients", ["account", "at"], unique=False)
    op.create_table(
        "missed_runs",
        sa.Column("campaign_id", Id, nullable=False),
        sa.Column("nominal_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="late or overlap"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when it was found missed"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_missed_runs_campaign_id"),
        sa.PrimaryKeyConstraint("campaign_id", "nominal_at", name="pk_missed_runs"),
    )
    op.create_table(
        "rates",
        sa.Column("card_id", Id, nullable=False),
        sa.Column("market", sa.Text(), nullable=False, comment="as the card names it"),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False, comment="open, closed or any"),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["rate_cards.id"], name="fk_rates_card_id"),
        sa.PrimaryKeyConstraint("card_id", "market", "category", "window", name="pk_rates"),
    )
    op.add_column(
        "attempts",
        sa.Column(
            "run_id", Id, nullable=True, comment="the job's run: the breaker looks at a run's newest attempts"
        ),
    )
    op.create_index("ix_attempts_run", "attempts", ["run_id", "id"], unique=False)
    op.add_column(
        "campaigns",
        sa.Column(
            "approved_digest",
            sa.Text(),
            nullable=True,
            comment="of what was approved; any change to it voids the approval",
        ),
    )
    op.add_column("campaigns", sa.Column("approved_by", sa.Text(), nullable=True))
    op.add_column("campaigns", sa.Column("approved_at", sa.BigInteger(), nullable=True))
    op.add_column(
        "jobs",
        sa.Column("held_since", sa.BigInteger(), nullable=True, comment="since when the same rule holds it"),
    )
    op.add_column(
        "jobs",
        sa.Column(
            "price_micros",
            sa.BigInteger(),
            nullable=True,
            comment="what it was expected to cost when it was sent; null: unpriced",
        ),
    )
    op.add_column("jobs", sa.Column("price_currency", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("card_id", Id, nullable=True, comment="the rate card that said so"))
    op.add_column(
        "jobs",
        sa.Column(
            "variant", sa.Text(), nullable=True, comment="which of the campaign's variants; null: it has none"
        ),
    )
    op.create_index(
        "ix_jobs_window",
        "jobs",
        ["held_by", "lane", "phone"],
        unique=False,
        sqlite_where=sa.text("held_by = 'window' OR held_by = 'window_unknown'"),
        postgresql_where=sa.text("held_by = 'window' OR held_by = 'window_unknown'"),
    )
    op.add_column(
        "recipients",
        sa.Column(
            "timezone",
            sa.Text(),
            nullable=True,
            comment="IANA name, from the row; null: from the number or the campaign",
        ),
    )
    op.add_column(
        "recipients",
        sa.Column("send_at", sa.BigInteger(), nullable=True, comment="from the row: not sent before it"),
    )
    op.add_column(
        "recipients",
        sa.Column(
            "consent_at",
            sa.BigInteger(),
            nullable=True,
            comment="from the row: when the person agreed to be written to",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "kind",
            sa.Text(),
            server_default=sa.text("'scheduled'"),
            nullable=False,
            comment="scheduled, retry or test",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "winner",
            sa.Text(),
            nullable=True,
            comment="the variant that everybody else gets; null: none is chosen",
        ),
    )
    op.add_column("runs", sa.Column("winner_reason", sa.Text(), nullable=True))
    op.add_column(
        "runs",
        sa.Column(
            "watched_from",
            Id,
            nullable=True,
            comment="the breaker looks at attempts after this one; null: at all",
        ),
    )
    op.add_column(
        "runs", sa.Column("parent_id", Id, nullable=True, comment="the run whose failures a retry takes up")
    )
    _comment_start("when its next run starts; null: no time was given, or no run is left")


def downgrade() -> None:
    _comment_start("when a one-off starts; null: no time was given")
    op.drop_column("runs", "parent_id")
    op.drop_column("runs", "watched_from")
    op.drop_column("runs", "winner_reason")
    op.drop_column("runs", "winner")
    op.drop_column("runs", "kind")
    op.drop_column("recipients", "consent_at")
    op.drop_column("recipients", "send_at")
    op.drop_column("recipients", "timezone")
    op.drop_index(
        "ix_jobs_window",
        table_name="jobs",
        sqlite_where=sa.text("held_by = 'window' OR held_by = 'window_unknown'"),
        postgresql_where=sa.text("held_by = 'window' OR held_by = 'window_unknown'"),
    )
    op.drop_column("jobs", "variant")
    op.drop_column("jobs", "card_id")
    op.drop_column("jobs", "price_currency")
    op.drop_column("jobs", "price_micros")
    op.drop_column("jobs", "held_since")
    op.drop_column("campaigns", "approved_at")
    op.drop_column("campaigns", "approved_by")
    op.drop_column("campaigns", "approved_digest")
    op.drop_index("ix_attempts_run", table_name="attempts")
    op.drop_column("attempts", "run_id")
    op.drop_table("rates")
    op.drop_table("missed_runs")
    op.drop_index("ix_unique_recipients_account_at", table_name="unique_recipients")
    op.drop_table("unique_recipients")
    op.drop_index("ix_touches_phone_at", table_name="touches")
    op.drop_table("touches")
    op.drop_table("reservations")
    op.drop_table("rate_cards")
    op.drop_index("ix_inbound_phone_at", table_name="inbound")
    op.drop_table("inbound")
    op.drop_table("daily_sends")
    op.drop_table("budgets")


def _comment_start(comment: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("campaigns", "start_at", comment=comment)

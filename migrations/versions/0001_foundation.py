"""The foundation's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is paused or cancelled"),
        sa.Column("spec", sa.Text(), nullable=False, comment="the campaign file as JSON, as validated"),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column(
            "start_at",
            sa.BigInteger(),
            nullable=True,
            comment="when a one-off starts; null: no time was given",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'scheduled', 'running', 'paused', 'completed', 'cancelled')",
            name=op.f("ck_campaigns_state_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("name", name=op.f("uq_campaigns_name")),
    )
    op.create_table(
        "lanes",
        sa.Column("name", sa.Text(), nullable=False, comment="account/sender"),
        sa.Column(
            "epoch",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="fences every write of a shift",
        ),
        sa.Column("holder", sa.Text(), nullable=True, comment="the process that owns the lane now"),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True, comment="null: not paused"),
        sa.Column(
            "paused_until",
            sa.BigInteger(),
            nullable=True,
            comment="null with a reason: until a person resumes it or its session is back",
        ),
        sa.Column("last_sent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lanes")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_table(
        "optouts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="marketing or all"),
        sa.Column(
            "action",
            sa.Text(),
            nullable=False,
            comment="out or in; the newest row of a phone and scope holds",
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="who or what said so"),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_optouts")),
    )
    with op.batch_alter_table("optouts", schema=None) as batch_op:
        batch_op.create_index("ix_optouts_phone", ["phone"], unique=False)

    op.create_table(
        "unmatched_reports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "message_id",
            sa.Text(),
            nullable=False,
            comment="of a message whose own answer is not stored yet, or not ours",
        ),
        sa.Column("report", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unmatched_reports")),
    )
    with op.batch_alter_table("unmatched_reports", schema=None) as batch_op:
        batch_op.create_index("ix_unmatched_reports_message", ["account", "message_id"], unique=False)

    op.create_table(
        "webhook_refusals",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "count",
            sa.BigInteger(),
            nullable=False,
            comment="webhooks refused for a wrong or missing signature",
        ),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_webhook_refusals")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column(
            "headers", sa.Text(), nullable=False, comment="JSON object, names in lower case, secrets left out"
        ),
        sa.Column(
            "body", sa.LargeBinary(), nullable=False, comment="as it arrived; verified before it is stored"
        ),
        sa.Column("processed_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True, comment="why nothing could be made of it"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    with op.batch_alter_table("webhooks", schema=None) as batch_op:
        batch_op.create_index(
            "ix_webhooks_new",
            ["id"],
            unique=False,
            sqlite_where=sa.text("processed_at IS NULL"),
            postgresql_where=sa.text("processed_at IS NULL"),
        )

    op.create_table(
        "windows",
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column(
            "open_until", sa.BigInteger(), nullable=False, comment="the 24-hour customer service window's end"
        ),
        sa.Column(
            "known_by", sa.Text(), nullable=False, comment="inbound, provider or closing: how it is known"
        ),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("phone", "lane", name=op.f("pk_windows")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="the file's name"),
        sa.Column(
            "digest",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the file's bytes: the same file adds nothing twice",
        ),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column(
            "settled",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="rows that came back through a rejects file and took their old places in an earlier import",
        ),
        sa.Column("detected", sa.Text(), nullable=False, comment="JSON: encoding, delimiter, phone_column"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_imports_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.UniqueConstraint("campaign_id", "digest", name=op.f("uq_imports_campaign_id_digest")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("nominal_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False, comment="higher goes first"),
        sa.Column("spec", sa.Text(), nullable=False, comment="the campaign file as JSON, frozen at launch"),
        sa.Column("token", sa.Text(), nullable=False, comment="begins our names for its messages: TOKEN.JOB"),
        sa.Column("jobs", sa.BigInteger(), nullable=False, comment="how many jobs the launch made"),
        sa.Column("launched_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "expires_at", sa.BigInteger(), nullable=True, comment="after it nothing is sent; null: never"
        ),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('running', 'paused', 'completed', 'cancelled')", name=op.f("ck_runs_state_known")
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_runs_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("campaign_id", "nominal_at", name=op.f("uq_runs_campaign_id_nominal_at")),
        sa.UniqueConstraint("token", name=op.f("uq_runs_token")),
    )
    op.create_table(
        "recipients",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("import_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False, comment="physical line of the file"),
        sa.Column("phone", sa.Text(), nullable=False, comment="E.164 with its plus"),
        sa.Column(
            "region",
            sa.Text(),
            nullable=True,
            comment="ISO 3166 country of the number, null where the number has none",
        ),
        sa.Column(
            "bucket",
            sa.Integer(),
            nullable=False,
            comment="0-9999, a stable hash of the phone: spreads over lanes",
        ),
        sa.Column("vars", sa.Text(), nullable=False, comment="JSON object: column name -> text"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_recipients_campaign_id")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_recipients_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipients")),
        sa.UniqueConstraint("campaign_id", "phone", name=op.f("uq_recipients_campaign_id_phone")),
    )
    op.create_table(
        "rejects",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("import_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("column", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False, comment="the row as it stood in the file"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_rejects_campaign_id")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_rejects_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejects")),
        sa.UniqueConstraint(
            "campaign_id", "import_id", "line", name=op.f("uq_rejects_campaign_id_import_id_line")
        ),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recipient_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why it is skipped, failed, expired, cancelled or in doubt",
        ),
        sa.Column("code", sa.Text(), nullable=True, comment="the provider's own code of a failure"),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=True, comment="the rule that holds a pending job"),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="calls made, waits not counted",
        ),
        sa.Column("form", sa.Text(), nullable=True, comment="text, image, ..., template: what was sent"),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column(
            "poll_at",
            sa.BigInteger(),
            nullable=True,
            comment="when its receipt is asked for next; null: not asked",
        ),
        sa.Column("polls", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("held_by IS NULL OR state = 'pending'", name=op.f("ck_jobs_only_pending_is_held")),
        sa.CheckConstraint(
            "state <> 'pending' OR provider_message_id IS NULL", name=op.f("ck_jobs_pending_has_no_message")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'in_doubt', 'accepted', 'held', 'sent', 'delivered', 'read', 'failed', 'skipped', 'expired', 'cancelled')",
            name=op.f("ck_jobs_state_known"),
        ),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_jobs_recipient_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_jobs_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("run_id", "phone", name=op.f("uq_jobs_run_id_phone")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_jobs_due",
            ["run_id", "lane", "due_at", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        )
        batch_op.create_index(
            "ix_jobs_message",
            ["provider_message_id"],
            unique=False,
            sqlite_where=sa.text("provider_message_id IS NOT NULL"),
            postgresql_where=sa.text("provider_message_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_jobs_open",
            ["lane", "state"],
            unique=False,
            sqlite_where=sa.text("state IN ('sending', 'in_doubt')"),
            postgresql_where=sa.text("state IN ('sending', 'in_doubt')"),
        )
        batch_op.create_index(
            "ix_jobs_poll",
            ["lane", "poll_at"],
            unique=False,
            sqlite_where=sa.text("poll_at IS NOT NULL"),
            postgresql_where=sa.text("poll_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_jobs_reached",
            ["phone"],
            unique=False,
            sqlite_where=sa.text("provider_message_id IS NOT NULL"),
            postgresql_where=sa.text("provider_message_id IS NOT NULL"),
        )
        batch_op.create_index("ix_jobs_run_state", ["run_id", "state"], unique=False)

    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="1 for the job's first"),
        sa.Column(
            "call", sa.Text(), nullable=False, comment="one provider call; jobs sent in one batch share it"
        ),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("intent_at", sa.BigInteger(), nullable=False, comment="committed before the call"),
        sa.Column(
            "content",
            sa.Text(),
            nullable=True,
            comment="the rendered text: lets an in-doubt message be found at the provider",
        ),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=True,
            comment="accepted, held, rejected, not_sent, unknown; null: no answer was stored",
        ),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_attempts_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("job_id", "number", name=op.f("uq_attempts_job_id_number")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when it happened, by its source's clock"),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="launch, shift, rescue, poll, lookup, webhook, user"
        ),
        sa.Column(
            "event",
            sa.Text(),
            nullable=False,
            comment="the state entered, or late:STATE for a report that changed nothing",
        ),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_events_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("ix_events_job_id", ["job_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index("ix_events_job_id")

    op.drop_table("events")
    op.drop_table("attempts")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_run_state")
        batch_op.drop_index(
            "ix_jobs_reached",
            sqlite_where=sa.text("provider_message_id IS NOT NULL"),
            postgresql_where=sa.text("provider_message_id IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_poll",
            sqlite_where=sa.text("poll_at IS NOT NULL"),
            postgresql_where=sa.text("poll_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_open",
            sqlite_where=sa.text("state IN ('sending', 'in_doubt')"),
            postgresql_where=sa.text("state IN ('sending', 'in_doubt')"),
        )
        batch_op.drop_index(
            "ix_jobs_message",
            sqlite_where=sa.text("provider_message_id IS NOT NULL"),
            postgresql_where=sa.text("provider_message_id IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_due",
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        )

    op.drop_table("jobs")
    op.drop_table("rejects")
    op.drop_table("recipients")
    op.drop_table("runs")
    op.drop_table("imports")
    op.drop_table("windows")
    with op.batch_alter_table("webhooks", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_webhooks_new",
            sqlite_where=sa.text("processed_at IS NULL"),
            postgresql_where=sa.text("processed_at IS NULL"),
        )

    op.drop_table("webhooks")
    op.drop_table("webhook_refusals")
    with op.batch_alter_table("unmatched_reports", schema=None) as batch_op:
        batch_op.drop_index("ix_unmatched_reports_message")

    op.drop_table("unmatched_reports")
    with op.batch_alter_table("optouts", schema=None) as batch_op:
        batch_op.drop_index("ix_optouts_phone")

    op.drop_table("optouts")
    op.drop_table("notices")
    op.drop_table("lanes")
    op.drop_table("campaigns")

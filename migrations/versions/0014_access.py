"""Users of the pages, their sessions and invitations, and who did what; webhooks that could not be read are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="what is typed to log in, in lower case"),
        sa.Column("role", sa.Text(), nullable=False, comment="viewer, editor, sender or admin"),
        sa.Column("password", sa.Text(), nullable=False, comment="an argon2 hash"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "disabled_at",
            sa.BigInteger(),
            nullable=True,
            comment="since when it cannot log in; null: it can",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the token that the browser keeps"),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "invitations",
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the token in the link"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_invitations"),
    )
    op.create_table(
        "failed_logins",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_failed_logins"),
    )
    op.create_index("ix_failed_logins_name_at", "failed_logins", ["name", "at"])
    op.create_index("ix_failed_logins_address_at", "failed_logins", ["address", "at"])
    op.create_index("ix_failed_logins_at", "failed_logins", ["at"])
    op.create_table(
        "audit",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False, comment="command line, browser or API"),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column(
            "subject", sa.Text(), nullable=True, comment="the campaign, user or account that it is about"
        ),
        sa.Column("given", sa.Text(), nullable=False, comment="JSON: what was asked for"),
        sa.Column("before", sa.Text(), nullable=True, comment="JSON: the subject's state before"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject_id", "audit", ["subject", "id"])
    op.create_index("ix_audit_actor_id", "audit", ["actor", "id"])
    op.create_table(
        "audit_outcomes",
        sa.Column("audit_id", ID, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="done or refused"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was refused"),
        sa.Column("after", sa.Text(), nullable=True, comment="JSON: the subject's state after"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_audit_outcomes_audit_id"),
        sa.PrimaryKeyConstraint("audit_id", name="pk_audit_outcomes"),
    )
    could_not_be_read = sa.text("problem IS NOT NULL")
    op.create_index(
        "ix_webhooks_problem",
        "webhooks",
        ["id"],
        sqlite_where=could_not_be_read,
        postgresql_where=could_not_be_read,
    )

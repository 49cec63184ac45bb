"""Keys of the API, and the answers to its calls that may be repeated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "prefix",
            sa.Text(),
            nullable=False,
            comment="the beginning of the key, by which people know it",
        ),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the key"),
        sa.Column("scope", sa.Text(), nullable=False, comment="read, manage or send"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "api_answers",
        sa.Column("key_id", ID, nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False, comment="SHA-256 of method, path and body"),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True, comment="null: the call has no answer yet"),
        sa.Column("body", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_api_answers_key_id"),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", name="pk_api_answers"),
    )
    op.create_index("ix_api_answers_begun_at", "api_answers", ["begun_at"])

"""Media files that are uploaded to providers, and their ids there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "media_files",
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="SHA-256 of the content; campaign files name it"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="as it was called when it was loaded first"),
        sa.Column("content_type", sa.Text(), nullable=False, comment="by its content"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False, comment="when it was loaded last"),
        sa.PrimaryKeyConstraint("digest", name="pk_media_files"),
    )
    op.create_table(
        "media_uploads",
        sa.Column(
            "lane",
            sa.Text(),
            nullable=False,
            comment="the sender: another one has its own id of the same file",
        ),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("media_id", sa.Text(), nullable=False, comment="the provider's"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "digest", name="pk_media_uploads"),
    )

"""A campaign's list may be read again for each run: an audience has editions, and a missed run tells more of why. What a
failed message had taken is remembered, in case it arrives after all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEYS = {"imports": "digest", "recipients": "phone"}


def upgrade() -> None:
    for table in ("campaigns", "runs"):
        op.add_column(table, _edition(_COMMENTS[table]))
    for table, key in KEYS.items():
        with op.batch_alter_table(table) as batch:
            batch.add_column(_edition())
            batch.drop_constraint(f"uq_{table}_campaign_id_{key}", type_="unique")
            batch.create_unique_constraint(
                f"uq_{table}_campaign_id_edition_{key}", ["campaign_id", "edition", key]
            )
    for table in ("touches", "reservations"):
        op.add_column(table, _void())
    with op.batch_alter_table("missed_runs") as batch:
        batch.add_column(
            sa.Column("detail", sa.Text(), nullable=True, comment="what was wrong with its list")
        )
        batch.alter_column(
            "reason", existing_type=sa.Text(), existing_nullable=False, comment="late, overlap or list"
        )
    if op.get_bind().dialect.name == "sqlite":
        _refuse_loose_ends()


_COMMENTS = {
    "campaigns": "which reading of its list is its audience; the earlier ones belong to earlier runs",
    "runs": "the reading of the list that a scheduled run was made from",
}


def _edition(comment: str | None = None) -> sa.Column[int]:
    return sa.Column("edition", sa.Integer(), nullable=False, server_default=sa.text("0"), comment=comment)


def _void() -> sa.Column[bool]:
    return sa.Column(
        "void",
        sa.Boolean(),
        nullable=False,
        server_default=sa.false(),
        comment="the message failed; it may yet arrive",
    )


def _refuse_loose_ends() -> None:
    """The tables were made anew while foreign keys were not looked at."""
    if op.get_bind().exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise RuntimeError("A row would lose what it belongs to; nothing was changed.")

"""What a message reserves is known by the message, so that all of it can be given back; who waits for room is found
by what it waits for; and a price that proves too low is remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PERSON = "held_by = 'frequency_cap' OR held_by = 'min_gap'"
ROOM = "held_by = 'budget' OR held_by = 'tier' OR held_by = 'ramp'"


def upgrade() -> None:
    op.add_column(
        "touches",
        sa.Column(
            "outside",
            sa.Boolean(),
            nullable=False,
            server_default=sa.true(),
            comment="sent outside the person's window: the account's tier counts the person",
        ),
    )
    comment = "the day of the campaign's ramp that counts it; null: it has no ramp"
    op.add_column("touches", sa.Column("ramp_day", sa.Text(), nullable=True, comment=comment))
    comment = "what the provider has named last; null: nothing yet"
    op.add_column("reservations", sa.Column("spent_micros", sa.BigInteger(), nullable=True, comment=comment))
    op.create_table(
        "learnt_prices",
        sa.Column("campaign_id", Id, autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("expected_micros", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "cost_micros", sa.BigInteger(), nullable=False, comment="the most that such a message has cost"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "currency", "expected_micros", name="pk_learnt_prices"),
    )
    _index("ix_jobs_held_person", ["phone"], PERSON)
    _index("ix_jobs_held_room", ["held_by", "lane", "run_id", "due_at"], ROOM)


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "jobs", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))

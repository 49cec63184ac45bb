"""Numbers are stored in one spelling, and who a provider's user id stands for is known.

Providers spell some numbers otherwise than they are dialled (Brazil without the ninth digit, Mexico with 1). What such
webhooks left before is put under the number's one spelling, so that it applies to the person.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from campaigns.phones.spellings import canonical

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = {
    "optouts": (("id",), ()),
    "inbound": (("id",), ()),
    "touches": (("id",), ()),
    "windows": (("phone", "lane"), ("lane",)),
    "unique_recipients": (("account", "phone"), ("account",)),
    "recipients": (("id",), ("campaign_id", "edition")),
    "jobs": (("id",), ("run_id",)),
}
"""Table -> its key, and what is unique together with the number."""
LENGTHS = {"+52": 13, "+54": 14, "+55": 14, "+229": 14, "+225": 14}
"""Characters of a number as it is written today: others may have a former spelling, as may +54 without the 9."""


def upgrade() -> None:
    op.create_table(
        "user_ids",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False, comment="the provider's id of a person"),
        sa.Column("phone", sa.Text(), nullable=True, comment="null: not known yet"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when it was learnt"),
        sa.PrimaryKeyConstraint("account", "user_id", name="pk_user_ids"),
    )
    op.create_index("ix_user_ids_phone", "user_ids", ["phone"])
    for name, (key, beside) in TABLES.items():
        _respell(name, key, beside)


def _respell(name: str, key: Sequence[str], beside: Sequence[str]) -> None:
    """Where both spellings stand side by side, the former stays: two messages of one run, two rows of one list."""
    table = sa.table(name, *map(sa.column, dict.fromkeys((*key, *beside, "phone"))))
    twin = table.alias("twin")
    bind = op.get_bind()
    for row in (
        bind.execute(
            sa.select(*(table.c[column] for column in key), table.c.phone).where(
                _may_be_former(table.c.phone)
            )
        )
        .mappings()
        .all()
    ):
        former, today = row["phone"], canonical(row["phone"])
        if today == former:
            continue
        if name == "windows":
            _join_windows(former, today)
        same = (twin.c[column] == table.c[column] for column in beside)
        stands = sa.select(sa.literal(1)).where(twin.c.phone == today, *same).exists()
        this = (table.c[column] == row[column] for column in key)
        free = [~stands] if beside else []
        bind.execute(sa.update(table).where(*this, *free).values(phone=today))


def _may_be_former(phone: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    odd = [phone.startswith(code) & (sa.func.length(phone) != length) for code, length in LENGTHS.items()]
    return sa.or_(*odd, phone.startswith("+54") & ~phone.startswith("+549"))


def _join_windows(former: str, today: str) -> None:
    """Of two windows of one person with a lane, the one that is open longer counts."""
    table = sa.table("windows", *map(sa.column, ("phone", "lane", "open_until", "known_by", "updated_at")))
    twin = table.alias("twin")
    same = sa.and_(table.c.phone == today, twin.c.phone == former, twin.c.lane == table.c.lane)
    facts = {name: twin.c[name] for name in ("open_until", "known_by", "updated_at")}
    longer = same & (twin.c.open_until > table.c.open_until)
    op.get_bind().execute(sa.update(table).where(longer).values(facts))
    double = sa.select(twin.c.lane).where(twin.c.phone == today)
    op.get_bind().execute(sa.delete(table).where(table.c.phone == former, table.c.lane.in_(double)))

"""SQLite compares a state with each one that there is. It made a table of all twelve for every message written, a seventh
of what a message takes in it. Only the text of the condition changes: no row is read or written. PostgreSQL makes no
table of them."""

from __future__ import annotations

import re
from typing import Final

from alembic import op
from sqlalchemy import Connection, text

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TABLES: Final = ("campaigns", "runs", "jobs")
AMONG: Final = re.compile(r"CHECK \(state IN \(([^()]+)\)\)")


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        _edit_schema(connection)


def _edit_schema(connection: Connection) -> None:
    """As SQLite's manual says for a change that leaves the content as it is. A library that refuses it, as that of macOS
    does, keeps the condition that it has, which means the same."""
    connection.execute(text("PRAGMA writable_schema = ON"))
    if not connection.scalar(text("PRAGMA writable_schema")):
        return
    for table in TABLES:
        its = {"name": table}
        found = text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
        changed = AMONG.sub(_one_by_one, connection.execute(found, its).scalar_one())
        write = text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :name")
        connection.execute(write, {**its, "sql": changed})
    version = connection.scalar(text("PRAGMA schema_version"))
    connection.execute(text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(text("PRAGMA writable_schema = RESET"))


def _one_by_one(found: re.Match[str]) -> str:
    return f"CHECK ({' OR '.join(f'state = {each.strip()}' for each in found[1].split(','))})"

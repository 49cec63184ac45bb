"""A database that refuses a change, as one does that meets an unforeseen value."""

from __future__ import annotations

from sqlalchemy import text

from storage.database.engine import Engine, is_sqlite, writing


async def refuse(engine: Engine, change: str, when: str) -> None:
    """Refuse a change such as `UPDATE ON jobs` of the rows for which `when` holds."""
    async with writing(engine) as connection:
        trigger = f"CREATE TRIGGER refuse BEFORE {change}"
        if is_sqlite(connection):
            await connection.execute(text(f"{trigger} WHEN {when} BEGIN SELECT RAISE(ABORT, 'no'); END"))
            return
        body = "BEGIN RAISE EXCEPTION 'no'; END"
        await connection.execute(
            text(f"CREATE FUNCTION refuse() RETURNS trigger AS $$ {body} $$ LANGUAGE plpgsql")
        )
        await connection.execute(text(f"{trigger} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()"))

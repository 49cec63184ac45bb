"""A slice looks up the history of its own people, however many others there are."""

from __future__ import annotations

from sqlalchemy import text

from storage.database.engine import open_engine, reading, writing
from storage.sending.contact_history import recent_history
from tests.support.campaigns import later

EVERYBODY = text(
    "INSERT INTO touches (job_id, phone, at, campaign_id, lane, category, tags, counts) "
    "SELECT n, '+' || n, 1, 1, 'a/b', 'marketing', '[]', true FROM generate_series(1, 5000) AS n"
)
READ = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'touches'")


async def test_postgresql_reads_no_one_elses_history_before_it_has_analyzed_it(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    async with writing(engine) as connection:
        await connection.execute(EVERYBODY)
    people = [f"+{number}" for number in range(4_901, 5_101)]
    async with reading(engine) as connection:
        found = await recent_history(connection, [*people, *people[:5]], later(-3e9))
        read = await connection.scalar(READ)
    await engine.dispose()
    assert {phone: len(rows) for phone, rows in found.items()} == dict.fromkeys(people[:100], 1)
    assert read == 100

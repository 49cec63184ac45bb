"""What refers to a row that is not there is found on both databases, though neither lets it come about by itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlalchemy import text

from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, database_file, reading, writing
from storage.database.orphans import find_orphans
from tests.support.campaigns import later, spec, store_campaign

ATTEMPT = "INSERT INTO attempts (id, job_id, number, call, lane, epoch, intent_at) VALUES (7, 2, 1, 'c', 'a/b', 1, 0)"
EVENT = "INSERT INTO events (id, job_id, at, stored_at, source, event) VALUES (8, 99, 0, 0, 'user', 'sent')"
BY_HAND = (ATTEMPT, EVENT, "DELETE FROM jobs WHERE id = 2", "DELETE FROM recipients WHERE id IN (1, 3)")


async def test_rows_whose_message_or_recipient_is_gone_are_found(engine: Engine) -> None:
    await store_campaign(engine, spec(), 3)
    await launch_due(engine, now=lambda: later(1))
    async with reading(engine) as connection:
        assert await find_orphans(connection) == []
    if file := database_file(engine):
        with closing(sqlite3.connect(file)) as unchecked, unchecked:
            for statement in BY_HAND:
                unchecked.execute(statement)
    else:
        async with writing(engine) as connection:
            for statement in BY_HAND:
                await connection.execute(text(statement))
    async with writing(engine) as connection:
        found = await find_orphans(connection)
        assert [(one.table, one.column, one.target, one.rows, one.first) for one in found] == [
            ("jobs", "recipient_id", "recipients", 2, 1),
            ("attempts", "job_id", "jobs", 1, 7),
            ("events", "job_id", "jobs", 1, 8),
        ]
        for one in reversed(found):
            await connection.execute(text(one.removal))
        assert await find_orphans(connection) == []

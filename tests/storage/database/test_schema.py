"""The migrations lead to exactly the tables of `storage.tables`, on both databases."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations
from campaigns.errors import UsageError
from campaigns.states import JobState
from storage.audience.campaigns import require
from storage.audience.list_sizes import size_differences
from storage.database.engine import is_sqlite, open_engine, reading, writing
from storage.database.schema import current, newest, require_current, upgrade
from storage.runs.cost_sums import cost_differences
from storage.runs.job_counts import count_states, differences
from storage.runs.replies import any_new_answer
from storage.runs.time_counts import time_differences
from storage.runs.variants import tallies
from storage.sending.optouts import optout_scopes
from storage.tables.all_tables import metadata
from storage.tables.audience import imports, recipients
from storage.tables.contacts import windows
from storage.tables.runs import jobs, runs
from storage.tables.types import KEPT_BY_LOCKS, to_millis
from storage.views.costs import read_costs
from storage.views.reports import count_replies
from tests.support.campaigns import phone, spec


def _checks(connection: Connection) -> set[tuple[str, str | None]]:
    inspector = inspect(connection)
    return {
        (table, check["name"])
        for table in metadata.tables
        for check in inspector.get_check_constraints(table)
    }


async def test_migrations_equal_metadata(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": False}
        )
        return list(compare_metadata(context, metadata))

    async with reading(engine) as connection:
        found = await connection.run_sync(differences)
        kept = set() if is_sqlite(connection) else kept_by_locks_alone()
    missing = {what[0].name for kind, *what in found if kind == "add_fk"}
    assert missing == kept
    assert len(found) == len(missing)


def kept_by_locks_alone() -> set[Any]:
    """The names of the foreign keys that PostgreSQL does not have."""
    keys = {key for table in metadata.tables.values() for key in table.foreign_key_constraints}
    return {key.name for key in keys if any(KEPT_BY_LOCKS in each.info for each in key.elements)}


async def test_migrations_make_every_check(engine: AsyncEngine) -> None:
    declared = {
        (table.name, constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    async with reading(engine) as connection:
        assert await connection.run_sync(_checks) == declared


def test_the_newest_revision_is_the_one_that_the_migrations_lead_to() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [newest()]


async def test_a_database_that_is_behind_is_named(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    assert await current(engine) is None
    with pytest.raises(UsageError, match="revision none"):
        await require_current(engine)
    await upgrade(engine)
    await require_current(engine)
    await upgrade(engine)
    assert await current(engine) == newest()
    await engine.dispose()


async def test_a_database_of_a_newer_version_is_reported(engine: AsyncEngine) -> None:
    async with writing(engine) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (require_current(engine), upgrade(engine)):
        with pytest.raises(UsageError, match="revision 9999, which a newer Drumbeat has made") as caught:
            await refused
        assert "newer Drumbeat" in caught.value.hint
    async with writing(engine) as connection:  # another test gets this database
        await connection.execute(text("UPDATE alembic_version SET version_num = :own"), {"own": newest()})


async def test_what_is_stored_is_for_its_user_alone(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'new.db'}")
    await upgrade(engine)
    async with reading(engine) as connection:
        await connection.execute(text("SELECT 1"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    await engine.dispose()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


async def test_a_failed_upgrade_leaves_nothing(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    async with writing(engine) as connection:
        await connection.execute(text("CREATE TABLE optouts (x INTEGER)"))
    with pytest.raises(Exception, match="optouts"):
        await upgrade(engine)
    async with reading(engine) as connection:
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    assert tables == {"optouts"}
    await engine.dispose()


async def test_what_is_stored_stays_when_tables_are_made_anew(empty_database_url: str) -> None:
    """Campaigns of an older version keep their audience, and it is still theirs alone."""
    engine = open_engine(empty_database_url)
    await upgrade(engine, "0003")
    async with writing(engine) as connection:
        for statement in STORED:
            await connection.execute(text(statement))
    await upgrade(engine)
    async with writing(engine) as connection:
        found = select(jobs.c.phone, recipients.c.vars, imports.c.source, runs.c.edition)
        rows = await connection.execute(found.select_from(jobs.join(recipients).join(imports).join(runs)))
        assert rows.all() == [("+1", "{}", "a.csv", 0)]
        assert await count_states(connection, [1]) == {JobState.PENDING: 1}
        await connection.execute(update(jobs).values(state="skipped"))
        assert await count_states(connection, [1]) == {JobState.SKIPPED: 1}
    with pytest.raises(IntegrityError):
        async with writing(engine) as connection:
            await connection.execute(insert(recipients).values(campaign_id=1, import_id=9, line=3, **PERSON))
    async with writing(engine) as connection:
        again = insert(recipients).values(campaign_id=1, import_id=1, edition=1, line=3, **PERSON)
        await connection.execute(again)
    await engine.dispose()


PERSON = {"phone": "+1", "bucket": 1, "vars": "{}"}
STORED = (
    "INSERT INTO campaigns (id, name, state, spec, category, created_at, updated_at) "
    "VALUES (1, 'spring', 'running', '{}', 'utility', 0, 0)",
    "INSERT INTO imports (id, campaign_id, source, digest, rows, accepted, rejected, duplicates, detected, "
    "created_at) VALUES (1, 1, 'a.csv', 'x', 1, 1, 0, 0, '{}', 0)",
    "INSERT INTO recipients (id, campaign_id, import_id, line, phone, bucket, vars) VALUES (1, 1, 1, 2, '+1', 1, '{}')",
    "INSERT INTO runs (id, campaign_id, nominal_at, state, priority, spec, token, jobs, launched_at) "
    "VALUES (1, 1, 0, 'running', 0, '{}', 't', 1, 0)",
    "INSERT INTO jobs (run_id, recipient_id, phone, lane, state, due_at, updated_at) "
    "VALUES (1, 1, '+1', 'a/b', 'pending', 0, 0)",
)


async def test_what_was_stored_under_another_spelling_is_under_the_number_afterwards(
    empty_database_url: str,
) -> None:
    """The former spelling stays only where the other stands beside it: two rows of a list, two messages of a run."""
    engine = open_engine(empty_database_url)
    await upgrade(engine, "0010")
    async with writing(engine) as connection:
        for statement in (*STORED, *RESPELT):
            await connection.execute(text(statement))
    await upgrade(engine)
    async with reading(engine) as connection:
        for name in ("optouts", "inbound", "touches", "unique_recipients", "recipients", "jobs"):
            table = metadata.tables[name]
            found = set(await connection.scalars(select(table.c.phone).where(table.c.phone != "+1")))
            assert found == {TODAY} | ({OTHER, OTHER_FORMER} if name in ("recipients", "jobs") else set()), (
                name
            )
        kept = select(windows.c.phone, windows.c.lane, windows.c.known_by).order_by(windows.c.lane)
        assert list(await connection.execute(kept)) == [
            (TODAY, "a/b", "inbound"), (TODAY, "a/c", "provider"), (TODAY, "a/d", "inbound"),
        ]  # fmt: skip
        assert await optout_scopes(connection, [TODAY]) == {TODAY: {"marketing"}}
    await engine.dispose()


TODAY, FORMER = "+525512345678", "+5215512345678"
OTHER, OTHER_FORMER = "+5531988887777", "+553188887777"
_PEOPLE = "INSERT INTO recipients (id, campaign_id, import_id, line, phone, bucket, vars) VALUES"
_JOBS = "INSERT INTO jobs (run_id, recipient_id, phone, lane, state, due_at, updated_at) VALUES"
_WINDOWS = "INSERT INTO windows (phone, lane, open_until, known_by, updated_at) VALUES"
RESPELT = (
    "INSERT INTO optouts (phone, scope, action, source, at)"
    f" VALUES ('{FORMER}', 'marketing', 'out', 'webhook:a', 5), ('{TODAY}', 'marketing', 'in', 'x', 4)",
    f"INSERT INTO inbound (account, phone, at) VALUES ('a', '{FORMER}', 5)",
    "INSERT INTO touches (job_id, phone, at, campaign_id, lane, category, tags, counts)"
    f" VALUES (77, '{FORMER}', 5, 1, 'a/b', 'marketing', '[]', true)",
    f"INSERT INTO unique_recipients (account, phone, at) VALUES ('a', '{FORMER}', 5)",
    f"{_PEOPLE} (2, 1, 1, 3, '{FORMER}', 1, '{{}}'), (3, 1, 1, 4, '{OTHER}', 1, '{{}}'),"
    f" (4, 1, 1, 5, '{OTHER_FORMER}', 1, '{{}}')",
    f"{_JOBS} (1, 2, '{FORMER}', 'a/b', 'pending', 0, 0), (1, 3, '{OTHER}', 'a/b', 'pending', 0, 0),"
    f" (1, 4, '{OTHER_FORMER}', 'a/b', 'pending', 0, 0)",
    f"{_WINDOWS} ('{FORMER}', 'a/b', 9, 'inbound', 1), ('{TODAY}', 'a/b', 5, 'provider', 2)",
    f"{_WINDOWS} ('{FORMER}', 'a/c', 5, 'inbound', 1), ('{TODAY}', 'a/c', 9, 'provider', 2)",
    f"{_WINDOWS} ('{FORMER}', 'a/d', 5, 'inbound', 1)",
)


async def test_what_messages_of_an_older_version_cost_is_added_up(empty_database_url: str) -> None:
    """A message of a campaign that takes its category from its template keeps the one that it was sent as."""
    engine = open_engine(empty_database_url)
    await upgrade(engine, "0024")
    sent = (
        "UPDATE campaigns SET category = 'auto'",
        "UPDATE recipients SET region = 'NG'",
        "UPDATE jobs SET state = 'failed', provider_message_id = 'm', form = 'template', card_id = 4,"
        " price_micros = 30000, price_currency = 'EUR', cost_micros = 10000, currency = 'USD'",
        "INSERT INTO touches (job_id, phone, at, campaign_id, lane, category, tags, counts)"
        " SELECT id, '+1', 5, 1, 'a/b', 'authentication', '[]', true FROM jobs",
    )
    async with writing(engine) as connection:
        for statement in (*STORED, *sent):
            await connection.execute(text(statement))
    await upgrade(engine)
    async with writing(engine) as connection:
        assert await cost_differences(connection) == []
        usd, eur = (await read_costs(connection, 1)).by("category")
        assert (usd.group, usd.currency, usd.actual) == ("authentication", "USD", Decimal("0.01"))
        assert (eur.group, eur.currency, eur.estimated) == ("authentication", "EUR", Decimal("0.03"))
        await connection.execute(update(jobs).values(cost_micros=70_000))
        assert (await read_costs(connection, 1)).by("form")[0].actual == Decimal("0.07")
    await engine.dispose()


async def test_answers_and_retries_of_an_older_version_are_marked(empty_database_url: str) -> None:
    """And counted, as are the people of its lists."""
    engine = open_engine(empty_database_url)
    await upgrade(engine, "0028")
    former = (
        f"{_PEOPLE} (2, 1, 1, 3, '+2', 1, '{{}}')",
        "UPDATE campaigns SET purged_recipients = 5",
        "UPDATE jobs SET state = 'failed', attempts = 1, provider_message_id = 'm1', accepted_at = 10",
        "INSERT INTO runs (id, campaign_id, nominal_at, state, priority, spec, token, jobs, launched_at, kind,"
        " parent_id) VALUES (2, 1, 1, 'running', 0, '{}', 't2', 1, 0, 'retry', 1)",
        "INSERT INTO jobs (run_id, recipient_id, phone, lane, state, due_at, updated_at, attempts,"
        " provider_message_id, accepted_at, sent_at) VALUES (2, 1, '+1', 'a/b', 'sent', 0, 0, 1, 'm2', 20, 30),"
        " (1, 2, '+2', 'a/b', 'read', 0, 0, 1, 'm3', 20, 30)",
        "INSERT INTO inbound (account, phone, at) VALUES ('a', '+1', 25), ('b', '+1', 40), ('a', '+2', 31),"
        " ('a', '+2', 90)",
        "INSERT INTO optouts (phone, scope, action, source, at) VALUES ('+2', 'all', 'out', 'x', 90)",
    )
    async with writing(engine) as connection:
        for statement in (*STORED, *former):
            await connection.execute(text(statement))
    await upgrade(engine)
    async with writing(engine) as connection:
        marked = select(jobs.c.provider_message_id, jobs.c.tried_again, jobs.c.answered_at)
        assert {name: (again, at and to_millis(at)) for name, again, at in await connection.execute(marked)} == {
            "m1": (True, 25), "m2": (False, 25), "m3": (False, 31),
        }  # fmt: skip
        for find in (differences, time_differences, size_differences):
            assert await find(connection) == []
        assert not await any_new_answer(connection)
        campaign = await require(connection, "spring")
        assert campaign.recipients == 7
        assert await count_replies(connection, campaign) == {JobState.READ: 1}
    await engine.dispose()


async def test_who_was_outside_a_variant_test_of_an_older_version_is_marked(
    empty_database_url: str,
) -> None:
    """And counted apart, retries too."""
    both = [{"name": name, "share": 50, "content": {"text": name}} for name in "ab"]
    wanted = spec(variants=both, winner={"by": "read", "after": "4h", "test_percent": 33.3})
    split = wanted.split
    assert split is not None
    engine = open_engine(empty_database_url)
    await upgrade(engine, "0029")
    add = text(
        "INSERT INTO jobs (run_id, recipient_id, phone, lane, state, due_at, updated_at, variant, accepted_at)"
        " VALUES (:run, 1, :phone, 'a/b', 'sent', 0, 0, :variant, :at)"
    )
    async with writing(engine) as connection:
        for statement in (
            *STORED,
            "INSERT INTO runs (id, campaign_id, nominal_at, state, priority, spec, token, jobs, launched_at, kind,"
            " parent_id) VALUES (2, 1, 1, 'running', 0, '{}', 't2', 1, 0, 'retry', 1)",
        ):
            await connection.execute(text(statement))
        await connection.execute(update(runs).values(spec=wanted.to_json()))
        for number in range(60):
            one = {"run": 1 + number % 2, "phone": phone(number), "at": number % 3 or None}
            await connection.execute(add, {**one, "variant": ["a", "b", None][number % 3]})
    await upgrade(engine)
    async with reading(engine) as connection:
        found = (await connection.execute(select(jobs).where(jobs.c.variant.is_not(None)))).all()
        marked = {job.phone: job.outside_test for job in found}
        assert marked == {name: not split.in_test(name) for name in marked}
        assert set(marked.values()) == {True, False}
        assert await differences(connection) == []
        counted = await tallies(connection, 1)
        assert counted.rest.sent == sum(job.outside_test for job in found if job.accepted_at)
    await engine.dispose()


def test_revisions_are_numbered_in_line() -> None:
    folder = Path(migrations.__file__).parent / "versions"
    numbers = sorted(
        int(path.name[:4]) for path in folder.glob("[0-9]*.py") if re.match(r"\d{4}_\w+\.py", path.name)
    )
    assert numbers == list(range(1, len(numbers) + 1))

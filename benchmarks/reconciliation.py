"""Reconciliation against its bare limit, in the same run: `python -m benchmarks.reconciliation [URL]`.

Full: stored webhooks are read, matched to their jobs, ranked, and written with the jobs' histories. Bare: one bulk
UPDATE, keyed by the same message ids, sets the same columns of as many other jobs. The two take turns in one process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from time import perf_counter, process_time
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import Text, func, insert, literal, select, update

from benchmarks.posting import SENT_AT, body, hooked_accounts, message_id
from benchmarks.seeding import BEGUN, LANE, campaign, new_database, store
from campaigns.states import JobState, RunState
from campaigns.time.clock import utc_now
from scheduler.receipts.inbox import process_inbox
from scheduler.sending.lanes import Account, open_account
from storage.database.bulk import table_of
from storage.database.engine import Connection, Engine, is_sqlite, open_engine, reading, writing
from storage.receipts.inbox import Arrival, keep_webhooks
from storage.tables.audience import campaigns, recipients
from storage.tables.runs import events, jobs, runs
from storage.tables.types import Id
from terminal.running import run_loop

ROUNDS: Final = 5
AT_ONCE: Final = 20_000
_BARE: Final = (
    "UPDATE jobs SET state = 'delivered', delivered_at = ?, updated_at = ? WHERE provider_message_id = ?"
)
_BARE_AT_ONCE: Final = (
    "UPDATE jobs SET state = 'delivered', delivered_at = told.at, updated_at = told.at"
    " FROM unnest(%s::bigint[], %s::text[]) AS told (at, id) WHERE provider_message_id = told.id"
)


class Spent(NamedTuple):
    seconds: float
    processor: float
    """Seconds of this process, and so of SQLite too, but not of a PostgreSQL server."""

    @classmethod
    def so_far(cls) -> Self:
        return cls(perf_counter(), process_time())

    @classmethod
    def since(cls, began: Spent) -> Self:
        return cls(perf_counter() - began.seconds, process_time() - began.processor)


def measure(per_post: int, size: int, url: str | None = None) -> list[dict[str, float]]:
    """Rounds of `size` events each, in a process of their own: events per second of both, `ratio`, and the ratio
    `by_processor` time."""
    with new_database() as fresh, child(_rounds, url or fresh, per_post, size) as (pipe, _):
        done: list[dict[str, float]] = pipe.recv()
        return done


@contextmanager
def child(target: Any, *arguments: Any) -> Iterator[tuple[Pipe, int]]:
    """A new process that runs `target(*arguments, pipe)`: our end of the pipe and its id. Leaving closes the pipe."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(*arguments, theirs))
    process.start()
    theirs.close()
    try:
        yield ours, process.pid or 0
    finally:
        ours.close()
        process.join()


def _rounds(url: str, per_post: int, size: int, pipe: Pipe) -> None:
    pipe.send(run_loop(_take_turns(url, per_post, size)))


async def _take_turns(url: str, per_post: int, size: int) -> list[dict[str, float]]:
    engine = open_engine(url)
    accounts = {name: open_account(name, settings) for name, settings in hooked_accounts().items()}
    await store_accepted(engine, 2 * size * (ROUNDS + 1))
    done = []
    for start in range(0, 2 * size * (ROUNDS + 1), 2 * size):
        bare = await _bare(engine, range(start, start + size))
        full = await _full(engine, accounts, range(start + size, start + 2 * size), per_post)
        ratios = {"ratio": bare.seconds / full.seconds, "by_processor": bare.processor / full.processor}
        done.append({**ratios, "bare": size / bare.seconds, "full": size / full.seconds})
    await _expect_delivered(engine, 2 * size * (ROUNDS + 1))
    for account in accounts.values():
        await account.http.aclose()
    await engine.dispose()
    return done[1:]  # the first warms up


async def store_accepted(engine: Engine, size: int) -> None:
    """Migrate, and store jobs that the provider has accepted as the messages 0 to `size` - 1."""
    await store(engine, campaign(), size)
    async with writing(engine) as connection:
        run_id = await connection.scalar(
            insert(runs).from_select(
                ["campaign_id", "nominal_at", "state", "priority", "spec", "token", "jobs", "launched_at"],
                select(
                    campaigns.c.id, literal(BEGUN, runs.c.nominal_at.type), literal(RunState.RUNNING.value),
                    literal(0), campaigns.c.spec, literal("bench"), literal(size),
                    literal(BEGUN, runs.c.launched_at.type),
                ),
            ).returning(runs.c.id)
        )  # fmt: skip
        values: Mapping[str, Any] = {
            "run_id": run_id, "lane": LANE, "state": JobState.ACCEPTED.value, "due_at": BEGUN, "attempts": 1,
            "form": "template", "accepted_at": BEGUN, "updated_at": BEGUN,
        }  # fmt: skip
        told = (literal(value, jobs.c[name].type) for name, value in values.items())
        people = select(recipients.c.id, recipients.c.phone, *told).order_by(recipients.c.id)
        await connection.execute(insert(jobs).from_select(["recipient_id", "phone", *values], people))
        for start in range(0, size, AT_ONCE):
            await _name_messages(connection, range(start, min(start + AT_ONCE, size)))


async def _name_messages(connection: Connection, numbers: range) -> None:
    rows = [{"id": number + 1, "message_id": message_id(number)} for number in numbers]
    given = table_of(connection, rows, id=Id, message_id=Text())
    named = update(jobs).where(jobs.c.id == given.c.id).values(provider_message_id=given.c.message_id)
    await connection.execute(named)


async def _bare(engine: Engine, numbers: range) -> Spent:
    at = SENT_AT * 1000
    ids = [message_id(number) for number in numbers]
    began = Spent.so_far()
    async with writing(engine) as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        if is_sqlite(connection):
            await raw.executemany(_BARE, [(at, at, each) for each in ids])
        else:
            await raw.execute(_BARE_AT_ONCE, ([at] * len(ids), ids))
    return Spent.since(began)


async def _full(engine: Engine, accounts: Mapping[str, Account], numbers: range, per_post: int) -> Spent:
    name = next(iter(accounts))
    arrivals = [
        Arrival.packed(name, utc_now(), f"https://hooks.bench.test/webhooks/{name}", "{}", body(part))
        for part in portions(numbers, per_post)
    ]
    async with writing(engine) as connection:
        await connection.run_sync(keep_webhooks, arrivals)
    began = Spent.so_far()
    await process_inbox(engine, accounts)
    return Spent.since(began)


def portions(numbers: range, size: int) -> list[range]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


async def _expect_delivered(engine: Engine, size: int) -> None:
    """Raise RuntimeError unless every job is delivered, and half of them with an event that says so."""
    delivered = select(func.count()).where(jobs.c.state == JobState.DELIVERED.value)
    async with reading(engine) as connection:
        moved = await connection.scalar(delivered)
        told = await connection.scalar(select(func.count()).select_from(events))
    if (moved, told) != (size, size // 2):
        raise RuntimeError(f"{moved} of {size} jobs were delivered, with {told} events")


def main(arguments: list[str]) -> None:
    for per_post in (1, 100):
        for done in measure(per_post, 40_000, *arguments[:1]):
            print(json.dumps({"per_post": per_post, **done}))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The Procrastinate home: a shift is a task in a queue on the same PostgreSQL; any number of workers execute them.

The queue holds nothing that is not in our own tables: it wakes and spreads, no more. A lane's lease and epoch decide
who works it, so a task that is lost, doubled or late is harmless. Its tables have a schema of their own, are made by
`install`, and are simply made anew where they are another version's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from importlib.metadata import version
from typing import Final

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.schema import SchemaManager

from campaigns.errors import UsageError
from campaigns.time.clock import Now
from scheduler.engines.shared_clock import require_server
from scheduler.sending.lanes import LEASE
from scheduler.sending.shift import wait_for_stop
from storage.database.engine import Engine, reading, server_address
from storage.sending.lanes import DueLane, held_lanes

logger = logging.getLogger(__name__)

TASK: Final = "shift"
SCHEMA: Final = "procrastinate"
VERSION: Final = version("procrastinate")
HEARTBEAT: Final = LEASE.total_seconds() / 6
LOOK: Final = 1.0
"""Seconds after which a worker polls for tasks that it was not notified of."""
STALLED: Final = LEASE.total_seconds() / 6
"""Seconds for which a task may be under way while no process holds its lane: longer than taking the lane takes."""
RESTART: Final = 1.0
"""Seconds after which a worker that the queue has failed tries again."""
_RANKS: Final = 10_000
_INSTALL: Final = f"""
DROP SCHEMA IF EXISTS {SCHEMA} CASCADE;
CREATE SCHEMA {SCHEMA};
SET LOCAL search_path TO {SCHEMA};
{SchemaManager.get_schema()}
COMMENT ON SCHEMA {SCHEMA} IS '{VERSION}';
"""
_INSTALLED: Final = f"SELECT obj_description(to_regnamespace('{SCHEMA}'), 'pg_namespace') AS version"


@asynccontextmanager
async def _open(engine: Engine) -> AsyncIterator[App]:
    connector = PsycopgConnector(
        conninfo=server_address(engine),
        kwargs={"options": f"-c search_path={SCHEMA}"},
        min_size=1,
        max_size=4,
    )
    async with App(connector=connector).open_async() as app:
        yield app


async def install(engine: Engine) -> bool:
    """Make Procrastinate's tables where they are missing or another version's; whether they were made."""
    async with _open(engine) as app:
        if await _installed(app) == VERSION:
            return False
        await app.connector.execute_query_async(_INSTALL.replace("%", "%%"))
        return True


async def _installed(app: App) -> str | None:
    found: str | None = (await app.connector.execute_query_one_async(_INSTALLED))["version"]
    return found


@asynccontextmanager
async def open_queue(engine: Engine) -> AsyncIterator[App]:
    """The queue, ready for use. Raises UsageError where its tables have to be made first."""
    require_server(engine)
    async with _open(engine) as app:
        found = await _installed(app)
        if found != VERSION:
            raise UsageError(
                f"The queue's tables are {found or 'missing'}; this version needs {VERSION}.",
                hint="drumbeat db upgrade",
            )
        yield app


def queue_of(lane: str) -> str:
    """The queue of the lane's account: a worker listens to those of the accounts that it knows.

    Its name is short, because the server notifies on a channel named after it.
    """
    return f"account-{sha256(lane.partition('/')[0].encode()).hexdigest()[:12]}"


class Queue:
    """The clock's side: the engine whose shifts are worked by workers, wherever they are."""

    def __init__(self, engine: Engine, app: App, now: Now) -> None:
        self._engine = engine
        self._jobs = app.job_manager
        self._app = app
        self._now = now
        self._idle_since: dict[int, float] = {}

    async def wake(self, due: Sequence[DueLane]) -> None:
        waiting = {job.queueing_lock for job in await self._jobs.list_jobs_async(status=Status.TODO.value)}
        for lane, priority in ranked(due):
            if lane not in waiting:
                await self._defer(lane, priority)

    async def free_dead_lanes(self) -> None:
        """Finish the tasks of dead workers. The sweep wakes their lanes again: there is no retry to collide with."""
        doing = await self._jobs.list_jobs_async(status=Status.DOING.value)
        async with reading(self._engine) as connection:
            held = await held_lanes(connection, self._now())
        idle = {job.id: job for job in doing if job.id is not None and job.lock not in held}
        moment = time.monotonic()
        self._idle_since = {job_id: self._idle_since.get(job_id, moment) for job_id in idle}
        for job_id, since in self._idle_since.items():
            if moment - since >= STALLED:
                await self._finish(idle[job_id])

    async def busy(self) -> bool:
        return bool([*await self._jobs.list_jobs_async()])

    async def drain(self) -> None:
        """None is under way here."""

    async def _defer(self, lane: str, priority: int) -> None:
        task = self._app.configure_task(
            TASK, queue=queue_of(lane), lock=lane, queueing_lock=lane, priority=priority
        )
        try:
            await task.defer_async(lane=lane)
        except AlreadyEnqueued:
            logger.debug(
                "Another clock woke the lane.", extra={"action": "lane_already_queued", "lane": lane}
            )

    async def _finish(self, job: Job) -> None:
        logger.warning("A shift was stalled.", extra={"action": "shift_stalled", "lane": job.lock})
        assert job.id is not None  # noqa: S101
        try:
            await self._jobs.finish_job_by_id_async(job.id, Status.ABORTED, delete_job=True)
        except ConnectorException as error:
            logger.info("It has ended meanwhile: %s", error, extra={"action": "shift_ended"})


def ranked(due: Sequence[DueLane]) -> list[tuple[str, int]]:
    """Each lane with its task's priority: the run's, and among equals the first lane of every run before any second."""
    seen: Counter[int | None] = Counter()
    ranked_lanes = []
    for lane in due:
        ranked_lanes.append((lane.name, lane.priority * _RANKS - min(seen[lane.run_id], _RANKS - 1)))
        seen[lane.run_id] += 1
    return ranked_lanes


async def serve(
    app: App,
    work: Callable[[str], Awaitable[None]],
    lanes: Collection[str],
    *,
    concurrency: int,
    stop: asyncio.Event,
) -> None:
    """A worker's side: execute the shifts of these lanes until `stop`; those under way are then worked to their end.

    `work` is given the lane's name and raises nothing.
    """
    app.task(name=TASK)(_task(work))
    while not stop.is_set():
        working = asyncio.create_task(_run(app, lanes, concurrency), name="queue worker")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            working.cancel()  # asks for a graceful stop
            await asyncio.wait({working})
        error = None if working.cancelled() else working.exception()
        if error is not None:
            logger.warning("The queue failed: %s", error, extra={"action": "queue_failed"})
        await wait_for_stop(stop, RESTART)


def _task(work: Callable[[str], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def shift(lane: str) -> None:
        await work(lane)

    return shift


async def _run(app: App, lanes: Collection[str], concurrency: int) -> None:
    await app.run_worker_async(
        queues=sorted({queue_of(lane) for lane in lanes}),
        concurrency=concurrency,
        fetch_job_polling_interval=LOOK,
        update_heartbeat_interval=HEARTBEAT,
        stalled_worker_timeout=LEASE.total_seconds(),
        delete_jobs="always",  # the table stays small, and fast
        install_signal_handlers=False,
    )

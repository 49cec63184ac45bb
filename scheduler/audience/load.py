"""Loads a CSV into a campaign, all of it or nothing, or checks it the same way in a throwaway database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import gettempdir

import orjson

from campaigns.errors import IntakeError, NotFound
from campaigns.intake.model import Chunk, IntakeOptions, Reject
from campaigns.intake.read import Intake, open_intake
from campaigns.intake.reading_process import chunks_of
from campaigns.intake.rejects import RejectsFile
from campaigns.reject_codes import IntakeCode, RejectCode
from campaigns.time.clock import Now, utc_now
from scheduler.audience.audience_writer import RowKeeper
from scheduler.audience.file_threads import PART, WHOLE, in_thread
from scheduler.audience.load_report import LoadReport, TooManyRejects
from scheduler.audience.sendability import Refuse, without_refused
from scheduler.audience.staging import Stage, begin_stage, staged
from storage.audience.audience import (
    ImportCounts,
    Source,
    close_import,
    count_imports,
    find_import,
    import_sources,
    lock_campaign,
    reject_reasons,
)
from storage.database.engine import Connection, Engine, writing
from storage.database.health import plainly
from storage.database.scratch import scratch_campaign

Progress = Callable[[int], None]
"""Called with the number of rows done so far."""


Look = Callable[[Engine, int], Awaitable[None]]
"""Reads what a check has loaded: the throwaway database, and the campaign in it."""
Together = Callable[[Connection], Awaitable[None]]
"""What changes with the audience or not at all."""


async def check(
    path: Path,
    options: IntakeOptions,
    *,
    max_reject_percent: float = 20,
    rejects_path: Path,
    refuse: Refuse | None = None,
    progress: Progress | None = None,
    look: Look | None = None,
    now: Now = utc_now,
) -> LoadReport:
    """What `load` would do into an empty campaign; writes nothing but the rejects file.

    `refuse` returns why a message with a row's variables cannot be sent. `look` may read the audience. Raises
    IntakeError where the file cannot be loaded, TooManyRejects where too much of it is bad.
    """
    intake = await _opened(path, options)
    with plainly(f"the folder for temporary files, {gettempdir()}"):
        return await _check(intake, options, refuse, rejects_path, max_reject_percent, progress, look, now())


async def _check(
    intake: Intake,
    options: IntakeOptions,
    refuse: Refuse | None,
    rejects_path: Path,
    max_reject_percent: float,
    progress: Progress | None,
    look: Look | None,
    now: datetime,
) -> LoadReport:
    async with scratch_campaign(now) as (engine, campaign_id):
        async with writing(engine) as connection:
            stage = await _begin(connection, campaign_id, intake, now, empty=True)
        loading = _Loading(engine, stage, None, intake, options, refuse, now)
        report = await loading.run(rejects_path, max_reject_percent, progress)
        if look is not None:
            async with writing(engine) as connection:
                await stage.take_place(connection)
            await look(engine, campaign_id)
        return report


async def load(
    engine: Engine,
    campaign_id: int,
    path: Path,
    options: IntakeOptions,
    *,
    max_reject_percent: float = 20,
    rejects_path: Path,
    refuse: Refuse | None = None,
    progress: Progress | None = None,
    replaces: bool = False,
    together: Together | None = None,
    now: Now = utc_now,
) -> LoadReport:
    """Add the file's good rows to the campaign, all or none, and write the bad ones to `rejects_path`. `replaces`: they
    take the place of all that was loaded before. `together` runs in the transaction in which they become the audience:
    where it raises, they do not.

    Raises IntakeError where the file cannot be loaded, TooManyRejects where too much of it is bad, NotFound
    without such a campaign. The same bytes again add nothing.
    """
    intake = await _opened(path, options, again=replaces)
    while True:
        async with writing(engine) as connection:
            name = await lock_campaign(connection, campaign_id)
            if name is None:
                raise NotFound("There is no such campaign.", hint="drumbeat campaign list")
            earlier = await find_import(connection, campaign_id, intake.digest)
            if earlier and replaces and await count_imports(connection, campaign_id) > 1:
                earlier = None  # the others are taken out
            if earlier:
                if together is not None:
                    await together(connection)
                return await _report_of_earlier(connection, campaign_id, name, intake, *earlier)
            if replaces:
                _refuse_returning(intake)
            stage = await _begin(connection, campaign_id, intake, now(), empty=replaces)
        async with staged(engine, stage, now()):
            loading = _Loading(engine, stage, name, intake, options, refuse, now())
            report = await loading.run(rejects_path, max_reject_percent, progress)
            async with writing(engine) as connection:
                await lock_campaign(connection, campaign_id)
                if await stage.take_place(connection):
                    if together is not None:
                        await together(connection)
                    return report
        # Another load finished first: its people are in the campaign now, and count as duplicates.


@asynccontextmanager
async def prepared_edition(
    engine: Engine,
    campaign_id: int,
    path: Path,
    options: IntakeOptions,
    *,
    max_reject_percent: float,
    rejects_path: Path | None,
    refuse: Refuse | None = None,
    stop: asyncio.Event | None = None,
    now: datetime,
) -> AsyncIterator[Stage]:
    """The file's good rows, ready to take the place of the audience while the context lasts.

    Raises IntakeError, OSError, ValueError where it cannot be loaded, Stopping at a stop, NotFound without such a
    campaign.
    """
    intake = await _opened(path, options, again=True, stop=stop)
    _refuse_returning(intake)
    async with writing(engine) as connection:
        if await lock_campaign(connection, campaign_id) is None:
            raise NotFound("There is no such campaign.", hint="drumbeat campaign list")
        stage = await _begin(connection, campaign_id, intake, now, empty=True)
    async with staged(engine, stage, now):
        loading = _Loading(engine, stage, None, intake, options, refuse, now, stop)
        await loading.run(rejects_path, max_reject_percent, None)
        yield stage


async def _opened(
    path: Path, options: IntakeOptions, *, again: bool = False, stop: asyncio.Event | None = None
) -> Intake:
    return await in_thread(partial(open_intake, path, options, again=again), WHOLE, stop)


async def _begin(
    connection: Connection, campaign_id: int, intake: Intake, now: datetime, *, empty: bool
) -> Stage:
    return await begin_stage(
        connection, campaign_id, empty=empty, source=intake.name, digest=intake.digest, now=now
    )


def _refuse_returning(intake: Intake) -> None:
    if intake.returns:
        raise IntakeError(
            IntakeCode.RETURNING_ROWS,
            f"{intake.path.name} holds rejected rows, and the list is replaced as a whole.",
            hint="Mend the rows in the list itself.",
        )


class _Loading:
    """One file going into one stage."""

    def __init__(
        self,
        engine: Engine,
        stage: Stage,
        name: str | None,
        intake: Intake,
        options: IntakeOptions,
        refuse: Refuse | None,
        now: datetime,
        stop: asyncio.Event | None = None,
    ) -> None:
        self._now = now
        self._engine = engine
        self._stage = stage
        self._name = name
        self._intake = intake
        self._options = options
        self._refuse = refuse
        self._stop = stop
        self._is_over = False
        """Whether no more chunks are wanted."""
        self._rows = 0
        self._reasons: Counter[str] = Counter()
        self._left_out = 0
        self._respelt = 0
        self._respelt_example: tuple[str, str] | None = None

    async def run(
        self, rejects_path: Path | None, max_reject_percent: float, progress: Progress | None
    ) -> LoadReport:
        """Store every row, then the counts; the rejects file is kept whatever the verdict. None: there is none."""
        stage, source = self._stage, self._intake.path.name
        keeper = RowKeeper(
            self._engine, stage.edition, stage.import_id, self._intake, self._options, self._now
        )
        with RejectsFile(rejects_path, self._intake.detected) as file:
            await self._store(keeper, file, progress)
            if not self._rows and self._left_out:
                raise IntakeError(
                    IntakeCode.NO_ROW_CHOSEN,
                    f"No row of {source} has the cells of audience.where; it leaves out all {self._left_out:,} rows.",
                    hint="A cell must be exactly the same, in upper and lower case too.",
                )
            if not self._rows:
                raise IntakeError(
                    IntakeCode.HEADER_ONLY,
                    f"{source} has only blank rows below its header.",
                    hint="Add a row for each recipient.",
                )
            if await in_thread(self._intake.changed, WHOLE, self._stop):
                raise IntakeError(
                    IntakeCode.FILE_CHANGED,
                    f"{source} changed while it was read.",
                    hint="Write it under another name, and rename it once it is whole.",
                )
            report = self._report(file.keep(), keeper.earlier)
        if report.has_too_many_bad(max_reject_percent):
            raise TooManyRejects(report, max_reject_percent)
        async with writing(self._engine) as connection:
            await close_import(connection, stage.import_id, self._counts(report, keeper.settled))
        return report

    async def _store(self, keeper: RowKeeper, file: RejectsFile, progress: Progress | None) -> None:
        """Chunk by chunk; the next one is read while the database takes this one."""
        chunks = self._chunks()
        try:
            chunk = await self._next(chunks)
            while chunk is not None:
                reading = asyncio.ensure_future(self._next(chunks))
                try:
                    self._count(await keeper.store(chunk), file)
                    self._rows += chunk.rows
                    self._left_out += chunk.left_out
                    self._respelt += len(chunk.respelt)
                    self._respelt_example = self._respelt_example or next(iter(chunk.respelt), None)
                    if progress is not None:
                        progress(self._rows)
                    chunk = await reading
                finally:
                    reading.cancel()
        finally:
            self._end(chunks)
        self._count(await keeper.finish(), file)

    async def _next(self, chunks: Generator[Chunk, None, None]) -> Chunk | None:
        def read() -> Chunk | None:
            chunk = next(chunks, None)
            if self._is_over:
                chunks.close()
            return chunk

        return await in_thread(read, PART, self._stop)

    def _end(self, chunks: Generator[Chunk, None, None]) -> None:
        """End the reading: now, or by the thread that is in it."""
        self._is_over = True
        with suppress(ValueError):
            chunks.close()

    def _chunks(self) -> Generator[Chunk, None, None]:
        for read in chunks_of(self._intake):
            yield without_refused(read, self._refuse) if self._refuse else read

    def _count(self, rejects: list[Reject], file: RejectsFile) -> None:
        file.write(rejects)
        self._reasons.update(reject.code.value for reject in rejects)

    def _report(self, rejects_file: Path | None, earlier: Mapping[Source, int]) -> LoadReport:
        rejected = self._reasons.total()
        return LoadReport(
            campaign=self._name,
            rows=self._rows,
            accepted=self._rows - rejected,
            rejected=rejected,
            duplicates=self._reasons[RejectCode.DUPLICATE],
            rejects_file=rejects_file,
            detected=self._intake.detected,
            reasons=dict(self._reasons.most_common()),
            earlier=earlier,
            left_out=self._left_out,
            respelt=self._respelt,
            respelt_example=self._respelt_example,
            duplicates_are_bad=self._options.duplicates == "reject",
        )

    def _counts(self, report: LoadReport, settled: int) -> ImportCounts:
        columns = list(report.detected.header)
        known = {**report.detected.as_json(), "left_out": report.left_out, "columns": columns}
        detected = orjson.dumps(known).decode()
        return ImportCounts(
            report.rows, report.accepted, report.rejected, report.duplicates, settled, detected
        )


async def _report_of_earlier(
    connection: Connection, campaign_id: int, name: str, intake: Intake, import_id: int, counts: ImportCounts
) -> LoadReport:
    """What the earlier load of the same bytes did."""
    reasons = await reject_reasons(connection, import_id)
    sources = await import_sources(connection, campaign_id)
    return LoadReport(
        campaign=name, rows=counts.rows, accepted=counts.accepted, rejected=counts.rejected,
        duplicates=counts.duplicates, rejects_file=None, detected=intake.detected, reasons=reasons,
        already_loaded=True, loaded_before=sources[import_id],
        replaced=max(0, reasons.get(RejectCode.DUPLICATE, 0) - counts.duplicates),
    )  # fmt: skip

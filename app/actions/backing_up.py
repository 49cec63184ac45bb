"""Back up the database, and decide whether a copy may send."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from app.wiring.databases import copy_of
from app.wiring.output_files import needed_files, output_place
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.frozen import frozen
from campaigns.time.clock import utc_now
from storage.database.backup import back_up, is_backup
from storage.database.engine import Engine, open_engine, reading, writing
from storage.database.health import ping
from storage.database.origin import adopt
from storage.views.overview import UnsentCampaign, unsent_campaigns


@frozen
class Backup:
    """A backup that was made."""

    path: Path
    bytes: int
    made_at: datetime


@frozen
class Copy:
    """What a copy would do."""

    problem: str | None
    """Why the database is taken for a copy; None: it is not."""
    unsent: tuple[UnsentCampaign, ...]
    """The campaigns whose recipients could get a message twice: those that the original continues."""


@act("database.backup", about="path")
async def back_up_database(settings: Settings, path: Path, *, force: bool) -> Backup:
    """Copy the database of any revision to `path`, also while a runner sends. `force`: over an earlier backup.

    Raises UsageError where nothing may be written there, or the database is on a server; Unavailable if it failed.
    """
    place = output_place(
        path, needed_files(settings), option="the backup", force=force, over_database=is_backup(path)
    )
    engine = open_engine(settings.database_url)
    try:
        await ping(engine)
        moment = utc_now()
        size = await back_up(engine, place, moment, replace=force)
    finally:
        await engine.dispose()
    return Backup(place, size, moment)


async def describe_copy(engine: Engine) -> Copy:
    """Whether the database is a copy, and what it would send."""
    problem = await copy_of(engine)
    async with reading(engine) as connection:
        return Copy(problem, tuple(await unsent_campaigns(connection)) if problem else ())


@act("database.adopt", about=None)
async def adopt_copy(engine: Engine) -> None:
    """From now on this database sends, as if it had never been a copy."""
    async with writing(engine) as connection:
        await adopt(connection, engine)

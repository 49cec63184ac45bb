"""Lists of opt-outs that are uploaded: by a browser, kept for an hour, looked at and then imported; or by a program, in
one call. Their rejected rows are kept for an hour."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from pathlib import Path
from secrets import token_hex
from typing import Final

from app.actions.contacts import ImportReport, import_preferences
from app.actions.drafts.drafts import drafts_folder, sweep
from app.actions.drafts.incoming import incoming
from app.actions.drafts.lists import safe_name
from app.actions.loading import with_file_name_in_errors
from app.actions.personal_data import allow_list
from app.wiring.rights import Actor, act, current_actor
from app.wiring.settings import Settings
from campaigns.errors import Forbidden, InvalidInput, NotFound
from campaigns.frozen import frozen
from campaigns.intake.model import Detected, IntakeOptions, Reject, RowPreference
from campaigns.intake.read import open_intake
from campaigns.phones.stop_words import Action, Scope
from campaigns.time.clock import Now, utc_now
from scheduler.audience.file_threads import WHOLE, in_thread
from storage.database.engine import Engine

LARGEST: Final = 16 << 20
"""Bytes of an uploaded list of opt-outs: about a million numbers."""
REJECTS: Final = ".rejects.csv"
"""Beside the list, whose name never begins with a dot."""
SHOWN: Final = 20
_PREFIX: Final = ".in-"
TOKEN_BYTES: Final = 16
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


@frozen
class Reading:
    """How an uploaded list is read, beside what it says itself."""

    action: Action = "out"
    scope: Scope | None = None
    """For rows without their own; None: the usual one of the action."""
    country: str | None = None
    phone_column: str = ""


@dataclass
class Understood:
    """What an import would do."""

    filename: str
    detected: Detected
    columns: Sequence[str] = ()
    """Those that override action, scope, time, source or evidence row by row."""
    rows: int = 0
    people: int = 0
    """With one row at least that is good."""
    actions: Counter[Action] = field(default_factory=Counter)
    """Good rows by what they ask for."""
    reasons: Counter[str] = field(default_factory=Counter)
    first_rejects: list[Reject] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        return self.reasons.total()


@act("contacts.upload", about="filename")
async def receive_preferences(settings: Settings, filename: str, chunks: AsyncIterator[bytes]) -> str:
    """Keep the uploaded list for an hour; what it is called until then. Raises InvalidInput if it is empty or too
    large."""
    folder = drafts_folder(settings)
    await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
    too_large = InvalidInput(
        f"{filename[:80]} is larger than {LARGEST >> 20} MB.",
        hint="Upload it in parts, or use the command line: drumbeat contacts import FILE",
    )
    async with incoming(folder, safe_name(filename), chunks, LARGEST, too_large) as file:
        return await asyncio.to_thread(_keep, folder, file.path)


def _keep(folder: Path, path: Path) -> str:
    kept = _new_folder(folder)
    path.replace(kept / path.name)
    return kept.name.removeprefix(_PREFIX)


def _new_folder(within: Path) -> Path:
    """One that is swept away when an hour has passed."""
    within.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(within)
    new = within / f"{_PREFIX}{token_hex(TOKEN_BYTES)}"
    new.mkdir(mode=0o700)
    return new


async def understand_preferences(
    settings: Settings, token: str, reading: Reading, *, now: Now = utc_now
) -> Understood:
    """What an import of the list would do; stores nothing. Raises NotFound where it is gone, IntakeError, Forbidden."""
    _require("contacts.upload")
    path = await asyncio.to_thread(_path, settings, token)
    return await in_thread(partial(_understood, path, _options(reading, now)), WHOLE)


async def import_uploaded(
    engine: Engine, settings: Settings, token: str, reading: Reading, *, now: Now = utc_now
) -> ImportReport:
    """Import the list, as `import_preferences` does. Raises NotFound where it is gone, IntakeError."""
    actor = _require("contacts.import")
    path = await asyncio.to_thread(_path, settings, token)
    return await import_preferences(
        engine,
        path,
        _options(reading, now),
        reading.action,
        reading.scope,
        f"{actor.via}:{actor.name}",
        rejects=path.parent / REJECTS,
        now=now,
    )


def _require(act: str) -> Actor:
    """Who acts. Raises Forbidden, before anything is told of the list."""
    actor = current_actor()
    if not actor.may(act):
        raise Forbidden(f"{actor.name} is a {actor.role}, and may not import opt-outs.")
    return actor


async def import_sent(
    engine: Engine,
    settings: Settings,
    path: Path,
    options: IntakeOptions,
    action: Action,
    scope: Scope | None,
    source: str,
    *,
    now: Now = utc_now,
) -> tuple[ImportReport, str | None]:
    """Import a list that came whole, as `import_preferences` does; and what `rejects_of` finds its rejected rows by,
    None: there are none."""
    folder = await asyncio.to_thread(_new_folder, drafts_folder(settings))
    kept = False
    try:
        report = await import_preferences(
            engine, path, options, action, scope, source, rejects=folder / REJECTS, now=now
        )
        kept = report.rejects_file is not None
    finally:
        if not kept:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return report, folder.name.removeprefix(_PREFIX) if kept else None


async def rejects_of(engine: Engine, settings: Settings, token: str) -> Path:
    """The rejected rows of an import. Raises NotFound without any, Forbidden."""
    path = drafts_folder(settings) / f"{_PREFIX}{token}" / REJECTS
    if not _TOKEN.fullmatch(token) or not path.is_file():
        raise NotFound("There are no rejected rows.")
    await allow_list(engine, "opt-outs", "rejected rows of an import of opt-outs")
    return path


def _path(settings: Settings, token: str) -> Path:
    folder = drafts_folder(settings) / f"{_PREFIX}{token}"
    found = (
        [each for each in folder.glob("*") if not each.name.startswith(".")]
        if _TOKEN.fullmatch(token)
        else []
    )
    if not found:
        raise NotFound("This list is not kept any more.", hint="Upload it again.")
    return found[0]


def _options(reading: Reading, now: Now) -> IntakeOptions:
    return IntakeOptions(
        default_country=reading.country,
        phone_columns=(reading.phone_column,) if reading.phone_column else (),
        landlines="accept",
        preference_defaults=RowPreference(reading.action, reading.scope, now(), "browser"),
    )


def _understood(path: Path, options: IntakeOptions) -> Understood:
    with with_file_name_in_errors(path):
        intake = open_intake(path, options)
        found = Understood(path.name, intake.detected, intake.preference_columns)
        people: set[str] = set()
        for chunk in intake.chunks():
            found.rows += chunk.rows
            people.update(chunk.phones)
            otherwise = repeat(options.preference_defaults, len(chunk.phones))
            found.actions.update(each.action for each in chunk.preferences or otherwise if each)
            rejects = intake.placed(chunk.rejects)
            found.reasons.update(reject.code.value for reject in rejects)
            found.first_rejects += rejects[: SHOWN - len(found.first_rejects)]
        found.people = len(people)
        return found

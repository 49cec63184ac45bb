"""The list step of a draft: its list, what was understood of it, and where else it was used."""

from __future__ import annotations

import asyncio
import csv
import logging
import os
import signal
from collections.abc import Sequence
from functools import partial
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from app.actions.drafts.drafts import Draft, open_draft
from app.actions.drafts.lists import BESIDE, Upload, audience_of, upload_of
from app.actions.personal_data import allow_list
from app.views.drafts.column_uses import ColumnUse, column_uses, unmet
from app.views.drafts.drafts import Step, draft_names, steps_of
from app.views.drafts.list_checks import REJECTS, ListCheck, check_list, known_check, rows_so_far
from app.wiring.settings import Settings
from campaigns.errors import NotFound, SpecError, Unavailable
from campaigns.frozen import frozen
from campaigns.intake.defuse import defuse
from campaigns.message.templates import renderers_of
from campaigns.spec.campaign_spec import AudienceSpec
from scheduler.audience.file_threads import WHOLE, in_thread
from storage.database.engine import Engine, reading
from storage.views.uploads import EarlierUse, uses_of_list

logger = logging.getLogger(__name__)

IN_PROCESS: Final = 1 << 20
"""Bytes of a list above which it is checked by a process of its own, so that sending does not wait."""
PATIENCE: Final = 3.0
"""Seconds that a page waits for a check before it shows how far it is."""
_SAMPLE_PHONES: Final = ("+447700900001", "+447700900002")
"""Numbers that Ofcom reserves for fiction."""
_running: dict[Path, asyncio.Task[None]] = {}
"""Campaign file -> the check of its list that is under way."""


@frozen
class ListStep:
    """All that the list step shows."""

    draft: Draft
    steps: Sequence[Step]
    upload: Upload | None
    check: ListCheck | None
    """None: there is no list, or it is still being read."""
    rows_read: int
    """Rows of a list that is being read."""
    audience: AudienceSpec
    uses: Sequence[ColumnUse]
    unmet: Sequence[str]
    """Variables of the message that no column has."""
    campaigns: Sequence[EarlierUse]
    """Where the same list was loaded."""
    drafts: Sequence[str]
    """Other drafts with the same list."""


async def list_step(engine: Engine, settings: Settings, name: str) -> ListStep:
    """Raises NotFound without such a draft. Starts a check where the list has changed since the last."""
    draft = await open_draft(settings, name)
    check = await checked(settings, draft)
    upload = await asyncio.to_thread(upload_of, draft.folder)
    try:
        audience = audience_of(draft)
    except SpecError:
        audience = AudienceSpec()
    uses = column_uses(check, audience) if check else []
    return ListStep(
        draft,
        await asyncio.to_thread(steps_of, draft),
        upload,
        check,
        await asyncio.to_thread(rows_so_far, draft),
        audience,
        uses,
        unmet(check, uses) if check else [],
        await _campaigns_with(engine, check, upload, name),
        await asyncio.to_thread(_drafts_with, settings, draft, upload),
    )


async def rejects_file(engine: Engine, settings: Settings, name: str) -> tuple[Path, str]:
    """The draft's rejected rows, and what to call the file. Raises NotFound if there are none, Forbidden."""
    draft = await open_draft(settings, name)
    path = draft.folder / BESIDE / REJECTS
    if draft.list_path is None or not path.is_file():
        raise NotFound(f"The list of {name} has no rejected rows.")
    await allow_list(engine, name, "rejected rows of the draft")
    return path, f"{draft.list_path.stem}.rejects.csv"


async def sample_list(settings: Settings, name: str) -> str:
    """A CSV with the columns that the draft's message uses, and two rows. Raises NotFound."""
    draft = await open_draft(settings, name)
    names = await asyncio.to_thread(_used_names, draft)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["phone", *map(defuse, names)])
    for number, phone in enumerate(_SAMPLE_PHONES, start=1):
        writer.writerow([phone, *(defuse(f"{name.replace('_', ' ')} {number}") for name in names)])
    return text.getvalue()


def _used_names(draft: Draft) -> list[str]:
    """The variables of its message; none while it is not whole."""
    try:
        renderers = renderers_of(draft.spec.contents).values() if draft.spec else ()
    except SpecError:
        return []
    return sorted({name for renderer in renderers for name in renderer.names} - {"phone"})


async def checked(settings: Settings, draft: Draft, patience: float = PATIENCE) -> ListCheck | None:
    """The check of the list as it is now, waited for only so many seconds; None: there is no list, or its check is
    under way."""
    if draft.list_path is None:
        return None
    if (known := await asyncio.to_thread(known_check, draft)) is not None:
        return known
    task = _running.get(draft.path)
    if task is None:
        task = asyncio.create_task(_check(settings, draft), name="check of a list")
        _running[draft.path] = task
        task.add_done_callback(lambda _: _running.pop(draft.path, None))
    done, _ = await asyncio.wait({task}, timeout=patience)
    for each in done:
        each.result()
    return await asyncio.to_thread(known_check, await open_draft(settings, draft.name))


async def _check(settings: Settings, draft: Draft) -> None:
    if draft.list_path is None or draft.list_path.stat().st_size <= IN_PROCESS:
        await check_list(settings, draft.name)
        return
    process = get_context("spawn").Process(target=_in_child, args=(settings, draft.name), daemon=True)
    await asyncio.to_thread(process.start)
    try:
        await in_thread(partial(process.join, None), WHOLE)
    finally:
        process.kill()
    if process.exitcode:
        raise Unavailable(f"The list of {draft.name} could not be checked.", hint="Upload it again.")


def _in_child(settings: Settings, name: str) -> None:
    """Check the list behind everything else that this machine does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    asyncio.run(check_list(settings, name))


async def _campaigns_with(
    engine: Engine, check: ListCheck | None, upload: Upload | None, name: str
) -> Sequence[EarlierUse]:
    digests = {*(check.digests if check else ()), *([upload.digest] if upload else ())}
    if not digests:
        return []
    async with reading(engine) as connection:
        return [use for use in await uses_of_list(connection, digests) if use.campaign != name]


def _drafts_with(settings: Settings, draft: Draft, upload: Upload | None) -> list[str]:
    if upload is None:
        return []
    others = [name for name in draft_names(settings) if name != draft.name]
    known = ((name, upload_of(draft.folder.parent / name)) for name in others)
    return [name for name, other in known if other is not None and other.digest == upload.digest]

"""The list of a draft: uploaded whole, then corrected row by row with the rejected rows that come back.

The list that the campaign file names is always whole and can be loaded as it is. Corrected rows are put into their old
lines, so that each row keeps its line; the list as it was uploaded, and the corrections, are kept in `.list`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import asdict, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from app.actions.drafts.drafts import Draft, drafts_folder, held, read_draft, save_section, write_section
from app.actions.drafts.incoming import Incoming, incoming
from app.actions.drafts.quota import within_room
from app.wiring.rights import act, current_actor
from app.wiring.settings import Settings
from campaigns.atomic_files import filled_file, whole_file, write_blocks
from campaigns.bounded_files import open_source
from campaigns.errors import IntakeError, InvalidInput, NotFound, SpecError
from campaigns.frozen import frozen
from campaigns.intake.corrections import (
    cells_at,
    corrected_text,
    is_changed,
    read_corrections,
    write_corrected_workbook,
)
from campaigns.intake.model import REJECT_COLUMNS, IntakeOptions
from campaigns.intake.names import fold
from campaigns.intake.read import Intake, open_intake
from campaigns.spec.campaign_spec import AudienceSpec
from campaigns.spec.toml_files import Loc
from campaigns.time.clock import utc_now
from scheduler.audience.file_threads import WHOLE, in_thread

LARGEST: Final = 64 << 20
"""Bytes of an uploaded list."""
BESIDE: Final = ".list"
_LONGEST: Final = 80
_KINDS: Final = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods")
_OF_ONE_LIST: Final = (
    "upload.json",
    "original",
    "corrections.json",
    "rejected.json",
    "rejects.csv",
    "check.json",
)
"""Files that are about one list, and not about the next."""
_READING: Final = ("encoding", "delimiter", "sheet")
"""Keys of [audience] that belong to one file, and not to the next."""


@frozen
class Upload:
    """What is known of the list that was uploaded."""

    name: str
    """As its owner called it."""
    digest: str
    """SHA-256 of the file as it came."""
    size: int
    at: str
    by: str
    reading: Mapping[str, str | None] = field(default_factory=dict)
    """How the file as it came is read, once it has been corrected."""
    corrected: int = 0
    """Rows that were corrected."""


@frozen
class Received:
    """What became of an uploaded list."""

    draft: Draft
    digest: str
    """Of the list."""
    same: bool
    """Whether it is the list that the draft has already."""


@frozen
class Corrected:
    """What became of uploaded corrections."""

    draft: Draft
    rows: int
    """Rows that were changed, and put into their places."""
    unused: Sequence[tuple[int, str]]
    """Line in the uploaded file, and why its row was left out."""


@act("draft.upload")
async def receive_list(
    settings: Settings, name: str, filename: str, chunks: AsyncIterator[bytes]
) -> Received:
    """Make the uploaded file the draft's list. Raises NotFound, InvalidInput if it is empty or too large."""
    async with _incoming(settings, name, filename, chunks) as (path, digest, size):
        return await asyncio.to_thread(_take_list, settings, name, filename, path, digest, size)


@act("draft.correct")
async def receive_corrections(
    settings: Settings, name: str, filename: str, chunks: AsyncIterator[bytes]
) -> Corrected:
    """Put the rows of a corrected rejects file into the list. Raises NotFound without a list, InvalidInput."""
    async with _incoming(settings, name, filename, chunks) as (path, _, _):
        as_this_user = partial(copy_context().run, _correct, settings, name, path)
        return await in_thread(as_this_user, WHOLE)


async def save_uses(
    settings: Settings,
    name: str,
    uses: Mapping[str, str] | None,
    reading: Mapping[str, Any],
    digest: str,
) -> Draft:
    """Save how the list is read. `uses`: column -> `phone`, `phone_too`, `consent`, the name of a variable, or empty;
    None: as they are. `reading`: other keys of [audience]. Raises as `save_section` does."""
    changes: dict[str | Loc, Any] = {f"audience.{key}": value for key, value in reading.items()}
    if uses is not None:
        changes |= _uses(uses)
    return await save_section(settings, name, changes, digest)


def _uses(uses: Mapping[str, str]) -> dict[str | Loc, Any]:
    phones = [column for column, use in uses.items() if use == "phone"]
    phones += [column for column, use in uses.items() if use == "phone_too"]
    consents = [column for column, use in uses.items() if use == "consent"]
    if len(consents) > 1:
        raise InvalidInput(
            f"{consents[0]} and {consents[1]} cannot both say who agreed.", hint="Choose one of them."
        )
    names = {
        column: use
        for column, use in uses.items()
        if use not in ("", "phone", "phone_too", "consent") and use != fold(column)
    }
    return {
        "audience.phone_column": (phones[0] if len(phones) == 1 else phones) or None,
        "audience.map": names or None,
        "audience.consent": next(iter(consents), None),
    }


def upload_of(folder: Path) -> Upload | None:
    """What is known of the draft's list; None: it was not uploaded."""
    try:
        return Upload(**json.loads((folder / BESIDE / "upload.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remember_rejected(folder: Path, lines: Sequence[int]) -> None:
    """These lines of a draft's list were rejected, so they can be corrected. The draft is `held`."""
    known = rejected_lines(folder)
    if not known.issuperset(lines):
        with whole_file(folder / BESIDE / "rejected.json", replace=True) as file:
            json.dump(sorted(known.union(lines)), file)


def rejected_lines(folder: Path) -> frozenset[int]:
    """The lines of a draft's list that were rejected at any time: only these can be corrected."""
    try:
        return frozenset(json.loads((folder / BESIDE / "rejected.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return frozenset()


def audience_of(draft: Draft) -> AudienceSpec:
    """The draft's [audience]. Raises SpecError."""
    if draft.spec is not None:
        return draft.spec.audience
    try:
        return AudienceSpec.model_validate(
            draft.data.get("audience", {}), context={"folder": str(draft.folder)}
        )
    except ValidationError as error:
        raise draft.problem or SpecError("[audience] is not valid.") from error


@asynccontextmanager
async def _incoming(
    settings: Settings, name: str, filename: str, chunks: AsyncIterator[bytes]
) -> AsyncIterator[Incoming]:
    draft = await asyncio.to_thread(read_draft, settings, name)
    too_large = InvalidInput(
        f"{filename[:_LONGEST]} is larger than {LARGEST >> 20} MB.",
        hint="Leave out columns that the message does not need, or load the list on the command line.",
    )
    fitting = within_room(settings.drafts, draft.folder, chunks)
    async with incoming(draft.folder / BESIDE, safe_name(filename), fitting, LARGEST, too_large) as file:
        yield file


def safe_name(filename: str) -> str:
    """A name for a file of ours that is like the uploaded file's."""
    last = re.split(r"[/\\]", filename)[-1]
    stem, dot, kind = last.rpartition(".")
    kind = f".{kind.lower()}" if dot and f".{kind.lower()}" in _KINDS else ".csv"
    plain = re.sub(r"[^\w-]+", "-", stem or last).strip("-_")[:_LONGEST]
    return f"{plain.encode()[:_LONGEST].decode(errors='ignore') or 'list'}{kind}"


def _take_list(settings: Settings, name: str, filename: str, path: Path, digest: str, size: int) -> Received:
    with held(drafts_folder(settings) / name):
        draft = read_draft(settings, name)
        known = upload_of(draft.folder)
        if known is not None and known.digest == digest and draft.list_path is not None:
            return Received(draft, digest, same=True)
        if draft.list_path is not None and rejected_lines(draft.folder) and _holds_rejects(path):
            raise InvalidInput(
                f"{filename[-_LONGEST:]} holds rejected rows, and would take the place of the whole list.",
                hint="Upload it below, under 'Upload only the corrected rows'.",
            )
        place = _free(draft, path.name)
        changes: dict[Loc, Any] = {("audience", key): None for key in _READING}
        changes["audience", "csv"] = place.name
        write_section(draft, changes)
        if draft.list_path is not None and draft.list_path != place:
            draft.list_path.unlink(missing_ok=True)
        for old in _OF_ONE_LIST:
            (draft.folder / BESIDE / old).unlink(missing_ok=True)
        path.replace(place)
        by = current_actor().name
        _remember(draft.folder, Upload(filename[-200:], digest, size, utc_now().isoformat(), by))
        return Received(read_draft(settings, name), digest, same=False)


def _holds_rejects(path: Path) -> bool:
    try:
        return open_intake(path, IntakeOptions()).returns
    except IntakeError as error:
        return any(fold(name) == REJECT_COLUMNS[0] for name in error.columns)


def _free(draft: Draft, name: str) -> Path:
    """Where the list can be put without replacing another file of the draft."""
    place, number = draft.folder / name, 2
    while place.exists() and place != draft.list_path:
        place = (draft.folder / name).with_stem(f"{Path(name).stem}-{number}")
        number += 1
    return place


def _remember(folder: Path, upload: Upload) -> None:
    with whole_file(folder / BESIDE / "upload.json", replace=True) as file:
        json.dump(asdict(upload), file)


def _correct(settings: Settings, name: str, path: Path) -> Corrected:
    with held(drafts_folder(settings) / name):
        draft = read_draft(settings, name)
        upload = upload_of(draft.folder)
        if draft.list_path is None or upload is None:
            raise NotFound("The draft has no uploaded list to correct.", hint="Upload the list first.")
        original = _original(draft, draft.list_path, upload)
        found = read_corrections(path, original, rejected_lines(draft.folder))
        earlier = _earlier(draft)
        before = {**cells_at(original, found.rows), **earlier}
        rows = {line: row for line, row in found.rows.items() if is_changed(before.get(line), row)}
        if not rows:
            return Corrected(draft, 0, found.unused)
        known = {**earlier, **rows}
        with whole_file(draft.folder / BESIDE / "corrections.json", replace=True) as file:
            json.dump(known, file, ensure_ascii=False)
        reading = upload.reading or {key: draft.data["audience"].get(key) for key in _READING}
        _remember(draft.folder, replace(upload, reading=reading, corrected=len(known)))
        place = _write_corrected(draft.list_path, original, known)
        now = {
            "csv": place.name,
            "sheet": None,
            "delimiter": original.detected.delimiter,
            "encoding": "utf-8",
        }
        if original.detected.sheet is not None:
            now |= {"delimiter": None, "encoding": None}
        saved = write_section(draft, {("audience", key): value for key, value in now.items()})
        return Corrected(saved, len(rows), found.unused)


def _original(draft: Draft, list_path: Path, upload: Upload) -> Intake:
    """The list as it was uploaded, which is kept from the first correction on."""
    place = draft.folder / BESIDE / "original"
    if not upload.reading:
        write_blocks(place, open_source(list_path, again=False).blocks())
    audience = audience_of(draft)
    if upload.reading:
        audience = audience.model_copy(update=dict(upload.reading))
    options = IntakeOptions(
        default_country=audience.default_country,
        phone_columns=audience.options(frozenset(), None).phone_columns,
        columns=audience.map,
        delimiter=audience.delimiter,
        encoding=audience.encoding,
        sheet=audience.sheet,
    )
    return open_intake(place, options)


def _earlier(draft: Draft) -> dict[int, list[str]]:
    try:
        text = (draft.folder / BESIDE / "corrections.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return {int(line): cells for line, cells in json.loads(text).items()}


def _write_corrected(list_path: Path, original: Intake, rows: Mapping[int, list[str]]) -> Path:
    """The list with all corrections, in place of the one before."""
    if original.detected.sheet is None:
        write_blocks(list_path, corrected_text(original, rows))
        return list_path
    place = list_path.with_suffix(".xlsx")
    with filled_file(place, replace=True) as path:
        write_corrected_workbook(original, rows, path)
    if place != list_path:
        list_path.unlink(missing_ok=True)
    return place

"""What a draft's list holds and what is wrong with it: the result of a check as a load would do it, kept beside the
list until the list, or what the campaign file says about it, changes."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from app.actions.drafts.drafts import Draft, held, read_draft
from app.actions.drafts.lists import BESIDE, audience_of, remember_rejected
from app.actions.loading import Flags, TooManyRejects, check_campaign, check_csv
from app.wiring.settings import Settings
from campaigns.atomic_files import whole_file
from campaigns.errors import DrumbeatError, IntakeError, SpecError
from campaigns.frozen import frozen
from campaigns.intake.columns import Column, columns_at_a_glance, columns_of
from campaigns.intake.defuse import from_rejects
from campaigns.intake.model import REJECT_COLUMNS
from campaigns.intake.read import open_intake
from campaigns.message.templates import needed_variables
from campaigns.spec.campaign_spec import AudienceSpec
from scheduler.audience.file_threads import WHOLE, in_thread
from scheduler.audience.load_report import LoadReport

MOST_SHOWN: Final = 50
"""Bad rows that are shown."""
RESULT: Final = "check.json"
REJECTS: Final = "rejects.csv"
PROGRESS: Final = "progress"
_DECIDES: Final = ("audience", "content", "variants", "schedule", "provider", "senders", "category")
"""Keys of the campaign file that decide how the list is read."""
_ADDED: Final = len(REJECT_COLUMNS)
_STEP: Final = 10_000
"""Rows after which the progress is written anew."""


@frozen
class BadRow:
    """A row that gets no message."""

    line: int
    column: str
    """The column at fault; empty: the row as a whole."""
    code: str
    reason: str
    cells: Sequence[tuple[str, str]]
    """Column and cell."""


@frozen
class ListProblem:
    """Why the list as a whole cannot be loaded."""

    code: str
    message: str
    hint: str
    line: int | None = None
    column: str | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    """What to choose -> how the list would be read."""


@frozen
class ListCheck:
    """The result of a check."""

    key: str
    """What it was made of; see `key_of`."""
    problem: ListProblem | None = None
    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    left_out: int = 0
    respelt: int = 0
    respelt_example: tuple[str, str] | None = None
    too_many: bool = False
    """Whether more rows are bad than `max_reject_percent` allows."""
    max_reject_percent: float = 20
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Reject code -> rows."""
    encoding: str = ""
    delimiter: str = ""
    sheet: str | None = None
    phones: Sequence[str] = ()
    """The phone column, then its fallback columns."""
    columns: Sequence[Column] = ()
    bad: Sequence[BadRow] = ()
    """The first of them."""
    needed: Sequence[str] = ()
    """Variables that the message needs, and the list must have."""
    optional: Sequence[str] = ()
    """Those with a default."""
    digests: Sequence[str] = ()
    """What loads of this list are recognized by."""


_ADAPTER: Final = TypeAdapter(ListCheck)


def known_check(draft: Draft) -> ListCheck | None:
    """The stored result, if it is of the list and the campaign file as they are now."""
    try:
        found = _ADAPTER.validate_json((draft.folder / BESIDE / RESULT).read_bytes())
    except (OSError, ValueError):
        return None
    return found if found.key == key_of(draft) else None


def key_of(draft: Draft) -> str:
    """What a check depends on."""
    place = draft.list_path.stat() if draft.list_path else None
    file = (
        (draft.list_path.name, place.st_size, place.st_mtime_ns, place.st_ino)
        if draft.list_path and place
        else None
    )
    deciding = {key: draft.data.get(key) for key in _DECIDES}
    return hashlib.sha256(
        json.dumps([file, deciding, draft.spec is not None], default=str).encode()
    ).hexdigest()


async def check_list(settings: Settings, name: str) -> None:
    """Check the draft's list and keep the result. Raises NotFound without such a draft."""
    draft = await asyncio.to_thread(read_draft, settings, name)
    if draft.list_path is None:
        return
    beside = draft.folder / BESIDE
    beside.mkdir(mode=0o700, exist_ok=True)
    work = Path(mkdtemp(prefix=".check-", dir=beside))
    try:
        found = await _check(settings, draft, draft.list_path, work)
        await in_thread(partial(_keep, settings, name, found, work), WHOLE)
    finally:
        shutil.rmtree(work, ignore_errors=True)


async def _check(settings: Settings, draft: Draft, path: Path, work: Path) -> ListCheck:
    """What is wrong with the campaign file is no problem of the list: then it is checked without its message."""
    key = key_of(draft)
    try:
        audience = audience_of(draft)
        report, too_many = await _report(settings, draft, path, audience, work)
    except IntakeError as error:
        return await in_thread(partial(_problem, draft, path, key, error), WHOLE)
    except DrumbeatError as error:
        return ListCheck(key, ListProblem("spec", str(error), error.hint))
    return await in_thread(partial(_result, draft, path, audience, report, too_many, key), WHOLE)


async def _report(
    settings: Settings, draft: Draft, path: Path, audience: AudienceSpec, work: Path
) -> tuple[LoadReport, bool]:
    """The report, and whether too many rows are bad."""
    flags = Flags(rejects=work / REJECTS)
    progress = _Progress(work.parent)
    try:
        if draft.spec is not None:
            try:
                return (await check_campaign(settings, draft.path, flags, progress=progress)).report, False
            except IntakeError:
                raise
            except DrumbeatError:
                pass  # about the message, the account or a template
        alone = audience.model_dump(exclude={"csv", "refresh"})
        flags = Flags(audience=alone, rejects=flags.rejects)
        return (await check_csv(path, flags, progress=progress)).report, False
    except TooManyRejects as error:
        return error.report, True


class _Progress:
    """Keeps the number of rows where another process can see it."""

    def __init__(self, folder: Path) -> None:
        self._place = folder / PROGRESS
        self._next = _STEP

    def __call__(self, rows: int) -> None:
        if rows >= self._next:
            self._next = rows + _STEP
            with whole_file(self._place, replace=True) as file:
                file.write(str(rows))


def rows_so_far(draft: Draft) -> int:
    """Rows that a check under way has read."""
    try:
        return int((draft.folder / BESIDE / PROGRESS).read_text())
    except (OSError, ValueError):
        return 0


def _problem(draft: Draft, path: Path, key: str, error: IntakeError) -> ListCheck:
    problem = ListProblem(
        str(error.code), str(error), error.hint, error.line, error.column, dict(error.choices)
    )
    known = {**_glance(draft, path, error.columns), **_variables(draft)} if error.columns else {}
    return ListCheck(key, problem, **known)


def _glance(draft: Draft, path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """What is known of a list that lacks a variable, or whose numbers are not found; `names`: its columns."""
    options = audience_of(draft).options(frozenset(), None)
    with suppress(IntakeError):
        intake = open_intake(path, options)
        detected = intake.detected
        return {
            "columns": columns_of(intake),
            "phones": detected.phone_columns,
            "encoding": detected.encoding,
            "delimiter": detected.delimiter,
            "sheet": detected.sheet,
        }
    with suppress(IntakeError):
        return {"columns": columns_at_a_glance(path, options, names)}
    return {}


def _result(
    draft: Draft, path: Path, audience: AudienceSpec, report: LoadReport, too_many: bool, key: str
) -> ListCheck:
    intake = open_intake(path, audience.options(frozenset(), None))
    detected = report.detected
    return ListCheck(
        key,
        None,
        report.rows,
        report.accepted,
        report.rejected,
        report.duplicates,
        report.left_out,
        report.respelt,
        report.respelt_example,
        too_many,
        audience.max_reject_percent,
        report.reasons,
        detected.encoding,
        detected.delimiter,
        detected.sheet,
        detected.phone_columns,
        columns_of(intake),
        _bad_rows(report.rejects_file, detected.delimiter),
        digests=[intake.digest, intake.file_digest],
        **_variables(draft),
    )


def _variables(draft: Draft) -> dict[str, Any]:
    if draft.spec is None:
        return {}
    optional = draft.spec.optional_variables
    try:
        needed = needed_variables(draft.spec.contents) - {"phone"}
    except SpecError:  # the message step says so
        return {}
    return {"needed": sorted(needed - optional), "optional": sorted(optional)}


def _bad_rows(path: Path | None, delimiter: str) -> list[BadRow]:
    """The first rows of a rejects file."""
    found = []
    for row in islice(_rejects(path, delimiter), MOST_SHOWN):
        line, column, code, reason = (cell for _, cell in row[-_ADDED:])
        found.append(BadRow(int(line), column, code, reason, row[:-_ADDED]))
    return found


def _rejects(path: Path | None, delimiter: str) -> Iterator[list[tuple[str, str]]]:
    """The rows of a rejects file, cell by cell; the last are those that say what is wrong."""
    if path is None:
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=delimiter)
        header = [from_rejects(name) for name in next(rows)]
        for row in rows:
            yield list(zip(header, map(from_rejects, row), strict=True))


def _keep(settings: Settings, name: str, found: ListCheck, work: Path) -> None:
    """The result, the rejects file and the lines in it, in place of those of the check before; nothing if the draft has
    changed meanwhile."""
    beside = work.parent
    rejects = next(iter(work.glob("*.csv")), None)
    lines = [int(row[-_ADDED][1]) for row in _rejects(rejects, found.delimiter)]
    with held(beside.parent):
        if key_of(read_draft(settings, name)) != found.key:
            return
        remember_rejected(beside.parent, lines)
        if rejects is not None:
            rejects.replace(beside / REJECTS)
        else:
            (beside / REJECTS).unlink(missing_ok=True)
        with whole_file(beside / RESULT, replace=True) as file:
            file.write(orjson.dumps(found, default=str).decode())
        (beside / PROGRESS).unlink(missing_ok=True)

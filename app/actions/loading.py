"""From a campaign file, a CSV and flags to a loaded campaign: what `campaign check` and `load` do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from app.actions.campaign_media import with_media
from app.actions.open_campaign import is_open, open_campaign
from app.actions.provider_checks import check_provider, placed_by_message, read_user_ids
from app.actions.scheduling import Confirm, TimeFlags, schedule_warnings, start_flag, start_of
from app.actions.templates import Catalogue, known_templates
from app.wiring.approval_guard import guard_of
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, IntakeError, SpecError
from campaigns.frozen import frozen
from campaigns.intake.model import IntakeOptions
from campaigns.message.template_category import AUTO
from campaigns.message.templates import needed_variables
from campaigns.spec.campaign_spec import AudienceSpec, CampaignSpec, load_spec
from campaigns.spec.media_files import MediaFile
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.spec.toml_files import read_toml
from campaigns.states import CampaignState
from campaigns.time.clock import Now, utc_now
from scheduler.actions import control
from scheduler.actions.approval import approval_problem
from scheduler.audience.load import check, load
from scheduler.audience.load_report import LoadReport
from scheduler.audience.load_report import TooManyRejects as TooManyRejects
from storage.audience.audience import count_imports
from storage.audience.campaigns import (
    discard_empty,
    replace_spec,
    require,
)
from storage.database.engine import Connection, Engine, reading, writing
from storage.runs.campaign_events import add_campaign_event
from storage.sending.media import keep_media

Progress = Callable[[int], None]
"""Receives the number of rows processed so far."""
_REJECTS: Final = re.compile(r"\.rejects(-\d+)?\Z")
_LONGEST_NAME: Final = 100
"""Bytes of a list's name in the name of its rejects file."""


@frozen
class Flags:
    """The options of the command line, beside the file; None: not given."""

    audience: Mapping[str, Any] = field(default_factory=dict)
    """Keys of [audience] to replace."""
    times: TimeFlags = field(default_factory=TimeFlags)
    rejects: Path | None = None
    """The file for bad rows; default: see `rejects_path`."""
    replace: bool = False
    """Whether the list takes the place of those loaded before, instead of adding to them."""
    is_whole: bool = False
    """Whether it is all that the campaign is to be sent to: until the start, each load replaces the one before."""


@frozen
class Loaded:
    """What a check or a load did."""

    campaign: str | None
    report: LoadReport
    state: CampaignState | None = None
    start_at: datetime | None = None
    held: str | None = None
    """Why it needs an approval to start."""
    start_flag: str = ""
    """The option that a load needs to start it; empty if its time is known."""
    each_run: Path | None = None
    """The list, if every run reads it again."""
    templates: Catalogue | None = None
    """The account's templates by which it was checked; None: it sends none."""
    categories: tuple[str, ...] = ()
    """What `category = "auto"` means by those templates; empty: the file names the category."""

    @property
    def json(self) -> dict[str, Any]:
        return {
            **self.report.as_json(),
            "campaign": self.campaign,
            "state": self.state,
            "start_at": self.start_at,
            "held": self.held,
            "templates": self.templates and self.templates.json,
            "categories": self.categories,
        }


@frozen
class Checked:
    """What a check has loaded into a temporary database, in which the campaign has no text and no time."""

    spec: CampaignSpec
    start_at: datetime | None
    engine: Engine
    campaign_id: int
    templates: Catalogue | None


async def check_campaign(
    settings: Settings,
    path: Path,
    flags: Flags,
    *,
    look: Callable[[Checked], Awaitable[None]] | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Do all that a load does with a campaign file, but store only the rejects. `look` may read the audience that a
    load would make."""
    moment = utc_now()
    spec, _ = await asyncio.to_thread(_spec, path, flags, moment)
    with placed_by_message(path):
        start = start_of(spec.schedule, flags.times, moment)
    templates = await known_templates(settings, spec)
    refuse = check_provider(settings, spec, path, templates) if settings.accounts else None
    csv = _csv_of(spec)
    with placed_by_message(path):
        options = _options(settings, spec, start, moment)
    with with_file_name_in_errors(csv):
        report = await check(
            csv,
            options,
            refuse=refuse,
            progress=progress,
            look=look and (lambda engine, id: look(Checked(spec, start, engine, id, templates))),
            **_limits(spec.audience, csv, flags, spec.name),
        )
    flag = _start_flag(spec, start)
    categories = _categories(spec, templates)
    return Loaded(
        spec.name, report, start_at=start, start_flag=flag, templates=templates, categories=categories
    )


async def check_csv(path: Path, flags: Flags, *, progress: Progress | None = None) -> Loaded:
    """The same for a CSV alone: any column may be a variable."""
    try:
        audience = AudienceSpec.model_validate(flags.audience)
    except ValidationError as error:
        raise SpecError("\n".join(_plainly(detail) for detail in error.errors())) from error
    with with_file_name_in_errors(path):
        limits = _limits(audience, path, flags)
        options = audience.options(
            frozenset(), flags.times.timezone, ScheduleSpec().span_of_rows(None, utc_now())
        )
        return Loaded(None, await check(path, options, progress=progress, **limits))


def _campaign_name(given: Mapping[str, Any]) -> str | None:
    """The name that the campaign file gives, if it can be read."""
    try:
        name = read_toml(given["path"]).data.get("name")
    except DrumbeatError:
        return None
    return name if isinstance(name, str) else None


@act("campaign.load", about=_campaign_name)
async def load_campaign(
    engine: Engine,
    settings: Settings,
    path: Path,
    flags: Flags,
    *,
    confirm: Confirm = lambda _: None,
    progress: Progress | None = None,
    now: Now = utc_now,
) -> Loaded:
    """Store the campaign and its audience, and schedule it if a time is known.

    Loading the same file again adds nothing twice. Raises InvalidInput if the campaign has been launched; of one that
    recurs, `flags.replace` replaces the list for its later runs.
    """
    moment = now()
    spec, media = await asyncio.to_thread(_spec, path, flags, moment)
    with placed_by_message(path):
        start = start_of(spec.schedule, flags.times, moment)
    for question in schedule_warnings(spec.schedule, start, moment):
        confirm(question)
    templates = await known_templates(settings, spec, engine, now=now)
    refuse = check_provider(settings, spec, path, templates)
    with placed_by_message(path):
        options = _options(settings, spec, start, moment)
    csv = _csv_of(spec)
    async with writing(engine) as connection:
        campaign = await open_campaign(connection, spec, moment, replaces=flags.replace)
        is_again = flags.is_whole and await count_imports(connection, campaign.id) > 0
    held: str | None = None

    async def keep_text_and_time(connection: Connection) -> None:
        """In the list's transaction, so that a launch sees either all of the old or all of the new."""
        nonlocal held
        found = await open_campaign(connection, spec, moment, replaces=flags.replace)
        if flags.replace:
            await add_campaign_event(connection, campaign.id, "list", f"replaced by {csv.name}", moment)
        if not await is_open(connection, found):
            return
        await replace_spec(connection, campaign.id, spec, moment)
        await keep_media(connection, media, moment)
        held = await _schedule(connection, settings, spec.name, start, flags, moment)

    async with _discarded_if_empty(engine, campaign.id):
        with with_file_name_in_errors(csv):
            report = await load(
                engine,
                campaign.id,
                csv,
                options,
                refuse=refuse,
                progress=progress,
                replaces=flags.replace or is_again or spec.audience.refresh is not None,
                together=keep_text_and_time,
                **_limits(spec.audience, csv, flags, spec.name),
            )
    async with reading(engine) as connection:
        stored = await require(connection, spec.name)
    flag = _start_flag(spec, stored.start_at)
    each_run = csv if spec.audience.refresh else None
    return Loaded(
        spec.name,
        report,
        stored.state,
        stored.start_at,
        held,
        flag,
        each_run,
        templates,
        _categories(spec, templates),
    )


def _categories(spec: CampaignSpec, known: Catalogue | None) -> tuple[str, ...]:
    """What `category = "auto"` means, each once."""
    if spec.category != AUTO:
        return ()
    templates = (known and known.templates) or ()
    return tuple(dict.fromkeys(spec.category_of(content, templates) for content in spec.contents.values()))


@asynccontextmanager
async def _discarded_if_empty(engine: Engine, campaign_id: int) -> AsyncIterator[None]:
    """Delete the campaign after an error if nothing was ever loaded into it."""
    try:
        yield
    except BaseException:
        async with writing(engine) as connection:
            await discard_empty(connection, campaign_id)
        raise


async def _schedule(
    connection: Connection,
    settings: Settings,
    name: str,
    start: datetime | None,
    flags: Flags,
    now: datetime,
) -> str | None:
    """Schedule it at `start`, if known; returns why it needs an approval first, if it does."""
    if start is None:
        return None
    held = await approval_problem(connection, await require(connection, name), guard_of(settings), start)
    if not (held and flags.times.now):
        await control.schedule(connection, name, start, now)
    return held


def _spec(path: Path, flags: Flags, now: datetime) -> tuple[CampaignSpec, list[MediaFile]]:
    """The campaign with its flags, and the media files that it names."""
    spec = load_spec(path)
    schedule = flags.times.changes(spec.schedule, now)
    if flags.audience or schedule:
        spec = spec.changed(audience=flags.audience, schedule=schedule)
    with placed_by_message(path):
        return with_media(spec, path.parent)


def _start_flag(spec: CampaignSpec, start: datetime | None) -> str:
    return "" if start is not None else start_flag(spec.schedule)


def _options(settings: Settings, spec: CampaignSpec, start: datetime | None, now: datetime) -> IntakeOptions:
    """How the list of a campaign that first starts at `start` is read."""
    schedule, required = spec.schedule, needed_variables(spec.contents)
    span = schedule.span_of_rows(start, now)
    user_ids = read_user_ids(settings, spec)
    return spec.audience.options(required, schedule.timezone, span, spec.optional_variables, user_ids)


@contextmanager
def with_file_name_in_errors(csv: Path) -> Iterator[None]:
    """Add the file name to errors about the list."""
    try:
        yield
    except IntakeError as error:
        error.file = csv.name
        raise


def _plainly(detail: Any) -> str:
    """One problem with a flag in a sentence: `--delimiter: input should be ',' or ';', not '#'.`"""
    message = str(detail["ctx"]["error"] if detail["type"] == "value_error" else detail["msg"])
    flag = "--" + "-".join(map(str, detail["loc"])).replace("_", "-")
    return f"{flag}: {message[:1].lower()}{message[1:]}, not {detail['input']!r}."


def _csv_of(spec: CampaignSpec) -> Path:
    if spec.audience.csv is None:
        raise SpecError(
            "audience.csv is missing.", hint='Add csv = "people.csv" to [audience], or use --csv FILE.'
        )
    return spec.audience.csv


def _limits(audience: AudienceSpec, csv: Path, flags: Flags, campaign: str | None = None) -> dict[str, Any]:
    return {
        "max_reject_percent": audience.max_reject_percent,
        "rejects_path": flags.rejects or rejects_path(csv, campaign),
    }


def rejects_path(csv: Path, campaign: str | None = None) -> Path:
    """`spring-sale.people.rejects.csv` in the current folder, after campaign and list; `spring.rejects.csv` if both
    have the same name, or there is no campaign. Rejects of a rejects file keep the name of the first list."""
    name = _REJECTS.sub("", csv.stem).encode()[:_LONGEST_NAME].decode(errors="ignore")
    if campaign is not None and name != campaign and not name.startswith(f"{campaign}."):
        name = f"{campaign}.{name}"
    return Path(f"{name}.rejects.csv").absolute()

"""`drumbeat campaign check` and `drumbeat campaign load`."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.wiring.context import Context
from terminal.commands.options import (
    Command,
    confirm,
    existing_file,
    json_option,
    map_option,
    mapping,
    new_rejects,
    phone_column_option,
    rejects_option,
    run_async,
    yes_option,
)

if TYPE_CHECKING:
    from app.actions.loading import Flags, Loaded
    from app.views.drafts.preflight import Preflight

T = TypeVar("T")

PARTIAL = 3
_TIMES = ("now", "at", "cron", "every", "timezone")
_AUDIENCE = (
    "csv",
    "default_country",
    "phone_column",
    "delimiter",
    "encoding",
    "sheet",
    "duplicates",
    "landlines",
    "max_reject_percent",
)


def _intake_options(command: Command) -> Command:
    options = (
        click.option(
            "--default-country", metavar="CC", help="Country of numbers written without +, such as BJ."
        ),
        phone_column_option,
        map_option,
        click.option("--delimiter", help="One of , ; | or tab; default: detected."),
        click.option("--encoding", help="Such as utf-8 or cp1252; default: detected."),
        click.option("--sheet", help="The sheet of a workbook; default: the only one that has data."),
        click.option(
            "--duplicates",
            type=click.Choice(["first", "last", "reject"]),
            help="Which row to keep if a number occurs twice.",
        ),
        click.option(
            "--landlines", type=click.Choice(["reject", "accept"]), help="Reject or accept landline numbers."
        ),
        click.option(
            "--max-reject-percent",
            type=click.FloatRange(0, 100),
            help="Load nothing if more rows than this are bad; default 20.",
        ),
        rejects_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("path", metavar="SPEC|CSV", type=existing_file)
@click.option("--csv", type=existing_file, help="Use this list instead of the one in the campaign file.")
@_intake_options
@json_option
@click.pass_obj
def check(context: Context, /, path: Path, as_json: bool, **flags: Any) -> int:
    """Check a campaign file, or a list (CSV, .xlsx, .xls, .ods) alone, as a load would. Writes only the rejected rows.

    Of a campaign file it also shows when it would start, who would be skipped, the price, and three messages. For more
    than 50,000 recipients, `campaign estimate` shows the price after the load.
    Exit code 3: some rows were rejected; 5: it could not be loaded.
    """
    from terminal.output import print_json, suggest
    from terminal.preflight import print_preflight

    checked = _flags(context, flags)
    if path.suffix.lower() != ".toml":
        loaded = _done(_check_csv(path, checked), as_json)
        return PARTIAL if loaded.report.rejected else 0
    found = _or_rejects(_preflight(context, path, checked), as_json)
    loaded = found.loaded
    if as_json:
        print_json(found.json)
    else:
        print_preflight(found)
        suggest(f"drumbeat campaign load {path}{loaded.start_flag}")
    return PARTIAL if loaded.report.rejected else 0


async def _preflight(context: Context, path: Path, flags: Flags) -> Preflight:
    from app.views.drafts.preflight import preflight
    from terminal.progress import row_counter

    with row_counter() as progress:
        return await preflight(context.settings, path, flags, progress=progress)


async def _check_csv(path: Path, flags: Flags) -> Loaded:
    from app.actions.loading import check_csv
    from terminal.progress import row_counter

    with row_counter() as progress:
        return await check_csv(path, flags, progress=progress)


@click.command()
@click.argument("spec", metavar="SPEC", type=existing_file)
@click.option("--csv", type=existing_file, help="Use this list instead of the one in the campaign file.")
@click.option("--now", is_flag=True, help="Start as soon as a runner is running.")
@click.option("--at", metavar="TIME", help="Start at this time, such as 2026-12-01T09:00.")
@click.option("--cron", metavar="CRON", help='Repeat: minute hour day month weekday, "0 9 * * mon".')
@click.option("--every", metavar="TIME", help="Repeat at this interval from --at or --now, such as 1d.")
@click.option("--timezone", metavar="ZONE", help="The time zone of these times, such as Africa/Porto-Novo.")
@click.option("--replace", is_flag=True, help="Replace the list that was loaded, instead of adding to it.")
@_intake_options
@yes_option
@json_option
@click.pass_obj
def load(context: Context, /, spec: Path, yes: bool, as_json: bool, **flags: Any) -> int:
    """Store a campaign and its recipients. Loading the same file again adds nothing twice.

    --replace takes out everybody who is not on the new list. A campaign that recurs and has started uses that list from
    its next run on. One that is sent once is not changed after its start.

    A time in the past is refused, except with --now. Asks first if it would send more often than once an hour, or
    start more than twenty years from now.

    Exit code 3: loaded, and some rows were rejected; 5: nothing was done; 6: loaded, and it needs approval to start.
    """
    from campaigns.errors import Stopped
    from terminal.output import suggest

    loaded = _done(_load(context, spec, _flags(context, flags), yes), as_json)
    if loaded.held and flags["now"]:
        raise Stopped(
            f"{loaded.campaign} is loaded but does not start. {loaded.held}",
            hint=f"drumbeat campaign approve {loaded.campaign}, then drumbeat campaign start {loaded.campaign}",
        )
    if not as_json:
        suggest(*_fix(loaded, spec), f"drumbeat campaign preview {loaded.campaign}", _start(loaded, spec))
    return PARTIAL if loaded.report.rejected else 0


async def _load(context: Context, spec: Path, flags: Flags, yes: bool) -> Loaded:
    from app.actions.loading import load_campaign
    from terminal.progress import row_counter

    async with context.database(create=True) as engine:
        ask = partial(confirm, yes=yes)
        with row_counter() as progress:
            return await load_campaign(engine, context.settings, spec, flags, confirm=ask, progress=progress)


def _fix(loaded: Loaded, spec: Path) -> list[str]:
    from terminal.output import near

    report = loaded.report
    rejects = None if loaded.each_run or report.known == report.rejected else report.rejects_file
    return [f"drumbeat campaign load {spec} --csv {near(rejects)}   (once fixed)"] if rejects else []


def _start(loaded: Loaded, spec: Path) -> str:
    return (
        "drumbeat run --until-idle"
        if loaded.start_at
        else f"drumbeat campaign load {spec}{loaded.start_flag}"
    )


def _flags(context: Context, given: dict[str, Any]) -> Flags:
    from app.actions.loading import Flags
    from app.actions.scheduling import TimeFlags

    audience = {key: given[key] for key in _AUDIENCE if given.get(key) is not None}
    if "csv" in audience:
        audience["csv"] = audience["csv"].absolute()
    if given["map_"]:
        audience["map"] = mapping(given["map_"])
    times = {key: given[key] for key in _TIMES if given.get(key)}
    for one, other in (("now", "at"), ("now", "cron"), ("at", "cron"), ("every", "cron")):
        if {one, other} <= times.keys():
            raise click.UsageError(f"Use either --{one} or --{other}, not both.")
    return Flags(
        audience, TimeFlags(**times), new_rejects(context, given["rejects"]), bool(given.get("replace"))
    )


def _done(work: Coroutine[Any, Any, Loaded], as_json: bool) -> Loaded:
    """Do it and show the result."""
    loaded = _or_rejects(work, as_json)
    _show(loaded, as_json)
    return loaded


def _or_rejects(work: Coroutine[Any, Any, T], as_json: bool) -> T:
    """Do it; if too many rows were bad to load anything, show which."""
    from app.actions.loading import Loaded, TooManyRejects

    try:
        return run_async(work)
    except TooManyRejects as error:
        _show(Loaded(error.report.campaign, error.report), as_json)
        raise


def _show(loaded: Loaded, as_json: bool) -> None:
    from terminal.load_report import print_load
    from terminal.output import print_json

    if as_json:
        print_json(loaded.json)
    else:
        print_load(loaded)

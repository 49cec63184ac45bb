"""`drumbeat contacts`: opt-outs, and the data of one person."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.wiring.context import Context
from terminal.commands.options import (
    Command,
    CommandGroup,
    confirm,
    existing_file,
    json_option,
    map_option,
    mapping,
    new_rejects,
    phone_column_option,
    rejects_option,
    run_async,
    timezone_option,
    yes_option,
)

if TYPE_CHECKING:
    from app.actions.contacts import ImportReport
    from app.actions.personal_data import Erased
    from app.views.people.contacts import Person
    from campaigns.intake.model import IntakeOptions
    from campaigns.phones.stop_words import Action, Scope, StopWord
    from storage.sending.optouts import LogEntry

PARTIAL = 3

_SCOPES = click.Choice(["marketing", "all"])
_country_option = click.option(
    "--default-country", metavar="CC", help="Country of numbers written without +, such as BJ."
)
_source_option = click.option(
    "--source", metavar="TEXT", help="Who or what reported it; default: your user name on this computer."
)


@click.group(cls=CommandGroup)
def contacts() -> None:
    """Manage opt-outs; show, export or erase the data of one person."""


@contacts.command("import")
@click.argument("path", metavar="FILE", type=existing_file)
@click.option("--out/--in", "out", default=True, help="Opt people out (the default), or in again.")
@click.option("--scope", type=_SCOPES, help="Which messages; default: marketing for --out, all for --in.")
@_source_option
@_country_option
@phone_column_option
@map_option
@click.option("--delimiter", help="One of , ; | or tab; default: detected.")
@click.option("--encoding", help="Such as utf-8 or cp1252; default: detected.")
@click.option("--sheet", help="The sheet of a workbook; default: the only one that has data.")
@rejects_option
@json_option
@click.pass_obj
def import_(
    context: Context,
    /,
    path: Path,
    out: bool,
    scope: Scope | None,
    source: str | None,
    rejects: Path | None,
    map_: tuple[str, ...],
    phone_column: list[str] | None,
    as_json: bool,
    **reading: Any,
) -> int:
    """Opt out everybody in a CSV or workbook. Numbers are read as in a campaign's list.

    Columns named action (out or in), scope, at, source or evidence override the options row by row. Importing the same
    file again adds nothing. Exit code 3: some rows were rejected, the others are stored.
    """
    from campaigns.intake.model import IntakeOptions
    from terminal.output import print_json, suggest

    options = IntakeOptions(
        landlines="accept", columns=mapping(map_), phone_columns=tuple(phone_column or ()), **reading
    )
    action: Action = "out" if out else "in"
    place = new_rejects(context, rejects)
    report = run_async(_import(context, path, options, action, scope, source or _user("import"), place))
    if as_json:
        print_json(report.json)
    else:
        _print_import(path, report)
        suggest("drumbeat contacts list")
    return PARTIAL if report.rejected else 0


async def _import(
    context: Context,
    path: Path,
    options: IntakeOptions,
    action: Action,
    scope: Scope | None,
    source: str,
    rejects: Path | None,
) -> ImportReport:
    from app.actions.contacts import import_preferences

    async with context.database(create=True) as engine:
        return await import_preferences(engine, path, options, action, scope, source, rejects=rejects)


def _print_import(path: Path, report: ImportReport) -> None:
    from terminal.output import near, print_facts, print_table, print_text

    facts: list[tuple[str, Any]] = [
        ("read as", report.detected.summary()),
        ("per row", ", ".join(report.columns) or "only the number"),
        ("default", f"{report.otherwise.action}, scope {report.scope}, source {report.otherwise.source}"),
        ("rows", report.rows),
        ("opted out", report.opted["out"]),
        ("opted in", report.opted["in"]),
        ("unchanged", report.unchanged),
        ("outdated", report.outdated),
        ("rejected", report.rejected),
    ]
    if report.rejects_file:
        facts.append(("rejected rows", f"{near(report.rejects_file)} (fix them there and import that file)"))
    print_facts(path.name, facts)
    print_text()
    if report.reasons:
        print_table("Why rows were rejected", ("code", ">rows"), report.reasons.most_common())
        first = [(one.line, one.column, one.reason) for one in report.first_rejects]
        print_table(f"The first of them in {path.name}", (">line", "column", "what is wrong"), first)


def _person_options(command: Command) -> Command:
    options = (
        click.argument("phone", metavar="PHONE"),
        click.option(
            "--scope", type=_SCOPES, help="Which messages; default: marketing to opt out, all to opt in."
        ),
        click.option("--evidence", metavar="TEXT", help="The proof, such as a ticket number."),
        _source_option,
        _country_option,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@contacts.command()
@_person_options
@click.pass_obj
def optout(context: Context, /, scope: Scope | None, **details: Any) -> None:
    """Opt a person out of marketing, or of all messages; applies from the next messages on."""
    _change(context, _preference("out", scope), **details)


@contacts.command()
@_person_options
@click.pass_obj
def optin(context: Context, /, scope: Scope | None, **details: Any) -> None:
    """Opt a person in again who has asked for it."""
    _change(context, _preference("in", scope), **details)


def _preference(action: Action, scope: Scope | None) -> StopWord:
    from campaigns.phones.stop_words import StopWord, usual_scope

    return StopWord(action, scope or usual_scope(action))


def _change(
    context: Context,
    preference: StopWord,
    phone: str,
    evidence: str | None,
    source: str | None,
    default_country: str | None,
    as_json: bool,
) -> None:
    from app.actions.contacts import number_of
    from terminal.output import print_json, print_text, suggest

    number = number_of(phone, default_country)
    out = [
        entry.scope
        for entry in run_async(_append(context, number, preference, source or _user("hand"), evidence))
    ]
    if as_json:
        print_json(
            {"phone": number, "action": preference.action, "scope": preference.scope, "opted_out": out}
        )
        return
    print_text(f"{number} is opted out of {' and of '.join(out)}." if out else f"{number} is not opted out.")
    suggest(f"drumbeat contacts show {number}")


async def _append(
    context: Context, phone: str, preference: StopWord, source: str, evidence: str | None
) -> Sequence[LogEntry]:
    from app.actions.contacts import record_preference

    async with context.database(create=True) as engine:
        return await record_preference(engine, phone, preference, source, evidence)


def _user(how: str) -> str:
    """`hand:ada`: how it was recorded, and by which user of this computer."""
    import getpass

    try:
        return f"{how}:{getpass.getuser()}"
    except (KeyError, OSError):
        return how


@contacts.command()
@click.argument("user_id", metavar="USER_ID")
@click.argument("phone", metavar="PHONE")
@click.option("--account", required=True, metavar="NAME", help="The account whose webhooks name the user id.")
@_country_option
@json_option
@click.pass_obj
def link(
    context: Context, user_id: str, phone: str, account: str, default_country: str | None, as_json: bool
) -> None:
    """Record whose number a WhatsApp user id is.

    Opt-outs and messages that came under the id alone, which `drumbeat provider notices` shows as unknown_person, are
    the number's from then on.
    """
    from app.actions.contacts import number_of
    from terminal.output import print_json, print_text, suggest

    number = number_of(phone, default_country)
    out = [entry.scope for entry in run_async(_link(context, account, user_id, number))]
    if as_json:
        print_json({"phone": number, "user_id": user_id, "account": account, "opted_out": out})
        return
    opted = f"opted out of {' and of '.join(out)}" if out else "not opted out"
    print_text(f"{user_id} is {number}, who is {opted}.")
    suggest(f"drumbeat contacts show {number}")


async def _link(context: Context, account: str, user_id: str, phone: str) -> Sequence[LogEntry]:
    from app.actions.contacts import link_user_id

    async with context.database(create=True) as engine:
        return await link_user_id(engine, context.settings, account, user_id, phone)


@contacts.command()
@click.argument("phone", metavar="PHONE")
@_country_option
@timezone_option
@json_option
@click.pass_obj
def show(context: Context, phone: str, default_country: str | None, as_json: bool) -> None:
    """Show one person: opt-outs with sources, windows, messages left under the caps, and messages both ways."""
    from app.actions.contacts import number_of
    from terminal.output import print_json, suggest

    person = run_async(_look_up(context, number_of(phone, default_country)))
    if as_json:
        print_json(person.json)
        return
    _print_person(person)
    suggest(f"drumbeat why NAME {person.phone}", f"drumbeat contacts optout {person.phone}")


async def _look_up(context: Context, phone: str) -> Person:
    from app.views.people.contacts import person_overview
    from campaigns.time.clock import utc_now

    async with context.snapshot() as connection:
        return await person_overview(connection, phone, context.settings.caps, utc_now())


def _print_person(person: Person) -> None:
    from campaigns.visible_text import one_line
    from terminal.output import print_facts, print_table, print_text, shown_time

    scopes = [f"{entry.scope} since {shown_time(entry.at)}" for entry in person.opt_outs]
    print_facts(person.phone, [("opted out of", ", ".join(scopes) or "nothing")])
    print_text()
    log = [(e.at, e.action, e.scope, one_line(e.source), one_line(e.evidence or "")) for e in person.log]
    print_table("Opt-outs and opt-ins", ("at", "action", "scope", "source", "evidence"), log)
    windows = [
        (w.lane, w.open_until, "open" if w.open_until > person.at else "closed", w.known_by)
        for w in person.windows
    ]
    print_table("24-hour windows", ("lane", "until", "now", "known by"), windows)
    if person.rooms:
        rooms = [(room.label, room.left, room.frees_at) for room in person.rooms]
        print_table("Messages left under the caps of drumbeat.toml", ("cap", ">left", "more from"), rooms)
    got = [(m.at, m.campaign, m.lane, m.category, m.state) for m in person.got]
    print_table("Messages to them", ("at", "campaign", "lane", "category", "state"), got)
    wrote = [(m.at, m.lane or m.account, one_line(m.shown)) for m in person.wrote]
    print_table("Messages from them", ("at", "to", "text"), wrote)


@contacts.command()
@click.argument("phone", metavar="PHONE")
@_country_option
@click.pass_obj
def export(context: Context, phone: str, default_country: str | None) -> None:
    """Print all that the database holds about a person, as JSON.

    List rows, messages with texts, calls and events, replies, opt-outs with their sources, windows, rejected rows and
    webhooks. A webhook may hold other people's data too.
    """
    from app.actions.contacts import number_of
    from terminal.output import print_json

    print_json(run_async(_export(context, number_of(phone, default_country))))


async def _export(context: Context, phone: str) -> dict[str, Any]:
    from app.actions.personal_data import export_person
    from campaigns.time.clock import utc_now

    async with context.database() as engine:
        return await export_person(engine, phone, utc_now())


@contacts.command()
@click.argument("phone", metavar="PHONE")
@_country_option
@yes_option
@json_option
@click.pass_obj
def erase(context: Context, phone: str, default_country: str | None, yes: bool, as_json: bool) -> None:
    """Erase all that the database holds about a person, for good.

    Report totals are kept without the person. The person gets no more messages, even if a later list contains the
    number: a keyed hash of it is kept. Refused while a message to them is being sent or in doubt.
    """
    from app.actions.contacts import number_of
    from terminal.output import print_facts, print_json, print_text

    erased = run_async(_erase(context, number_of(phone, default_country), yes, as_json))
    if as_json:
        print_json(erased.json)
        return
    print_facts(f"Erased for {erased.phone}", list(erased.facts) or [("rows", 0)])
    print_text("Their data may still be in:")
    for place in erased.json["still_held_by"]:
        print_text(f"- {place}")


async def _erase(context: Context, phone: str, yes: bool, as_json: bool) -> Erased:
    from app.actions.personal_data import erase_person, facts_of, what_is_held
    from campaigns.time.clock import utc_now
    from terminal.output import print_facts

    async with context.database() as engine:
        if not as_json:
            held = facts_of(await what_is_held(engine, phone))
            print_facts(f"Stored for {phone}", list(held) or [("rows", 0)])
        confirm("Erase this for good?", yes)
        return await erase_person(engine, phone, utc_now())


@contacts.command("list")
@click.option("--scope", type=_SCOPES, help="Only people who are opted out of it.")
@timezone_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, safe to open in a spreadsheet.")
@click.pass_obj
def list_(context: Context, scope: Scope | None, as_json: bool, as_csv: bool) -> None:
    """List everybody who is opted out now, oldest opt-out first."""
    if as_json and as_csv:
        raise click.UsageError("Use either --json or --csv, not both.")
    run_async(_list(context, scope, "json" if as_json else "csv" if as_csv else "table"))


async def _list(context: Context, scope: Scope | None, format_: str) -> None:
    from app.views.people.contacts import stream_opted_out
    from terminal.opt_out_list import OptOutPrinter

    async with context.snapshot() as connection:
        printer = OptOutPrinter(sys.stdout, format_)
        async for entry in stream_opted_out(connection, scope):
            printer.write(entry)
        printer.close()

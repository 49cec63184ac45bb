"""`drumbeat campaign`: what is there, what it would send, and steering it while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from app.commands.load import check, load
from app.commands.options import confirm, json_option, name_argument, run_async, yes_option
from app.context import Context

if TYPE_CHECKING:
    from campaigns.content import Content
    from storage.campaigns import Campaign, ImportLine
    from storage.reports import Delivery


@click.group()
def campaign() -> None:
    """Check, load and steer campaigns."""


campaign.add_command(check)
campaign.add_command(load)


@campaign.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """Every campaign, the newest first."""
    from app.output import print_json, print_table, suggest

    lines = run_async(_list(context))
    if as_json:
        print_json(lines)
        return
    rows = [
        (
            line.name,
            line.state,
            line.category,
            line.recipients,
            line.rejected,
            line.start_at,
            line.reason or "",
        )
        for line in lines
    ]
    print_table(None, ("name", "state", "category", ">recipients", ">rejected", "starts at", "reason"), rows)
    suggest("drumbeat campaign show NAME" if lines else "drumbeat campaign load SPEC --now")


async def _list(context: Context) -> list[Any]:
    from storage.campaigns import list_campaigns
    from storage.engine import reading

    async with context.database() as engine, reading(engine) as connection:
        return await list_campaigns(connection)


@campaign.command()
@name_argument
@json_option
@click.pass_obj
def show(context: Context, name: str, as_json: bool) -> None:
    """One campaign: its state, its files, and where its messages stand."""
    from app.output import print_json

    found, files, delivery = run_async(_show(context, name))
    if as_json:
        print_json(_show_json(found, files, delivery))
    else:
        _print_campaign(found, files, delivery)


async def _show(context: Context, name: str) -> tuple[Campaign, list[ImportLine], Delivery]:
    from storage.campaigns import list_imports, require
    from storage.engine import reading
    from storage.reports import delivery

    async with context.database() as engine, reading(engine) as connection:
        found = await require(connection, name)
        return found, list(await list_imports(connection, found.id)), await delivery(connection, found)


def _show_json(found: Campaign, files: list[ImportLine], delivery: Delivery) -> dict[str, Any]:
    return {
        "campaign": found.name,
        "state": found.state,
        "reason": found.reason,
        "start_at": found.start_at,
        "created_at": found.created_at,
        "spec": found.spec.model_dump(mode="json", exclude_none=True),
        "imports": files,
        "rows": delivery.rows,
        "rejected": delivery.rejected,
        "jobs": delivery.jobs,
        "states": delivery.states,
    }


def _print_campaign(found: Campaign, files: list[ImportLine], delivery: Delivery) -> None:
    from app.output import print_facts, print_table, say, suggest

    spec = found.spec
    facts: list[tuple[str, Any]] = [
        ("state", found.state.value + (f" ({found.reason})" if found.reason else "")),
        ("starts at", found.start_at or "no time given"),
        ("sends", f"{' or '.join(spec.content.types)} through {', '.join(spec.lanes)}"),
        ("category", spec.category),
        ("rows", delivery.rows),
        ("rejected", delivery.rejected),
    ]
    facts += [(state.value, count) for state, count in delivery.states.items()]
    print_facts(found.name, facts)
    say()
    headings = ("file", ">rows", ">accepted", ">rejected", ">of it duplicates", "loaded at")
    rows = [(f.source, f.rows, f.accepted, f.rejected, f.duplicates, f.created_at) for f in files]
    print_table("Loaded files", headings, rows)
    suggest(*_next_commands(found))


def _next_commands(found: Campaign) -> list[str]:
    from campaigns.states import CampaignState

    match found.state:
        case CampaignState.DRAFT:
            return [f"drumbeat campaign preview {found.name}", "drumbeat campaign load SPEC --now"]
        case CampaignState.SCHEDULED:
            return ["drumbeat run --until-idle"]
        case CampaignState.PAUSED:
            return [f"drumbeat campaign resume {found.name}"]
        case _:
            return [f"drumbeat report delivery {found.name}"]


@campaign.command()
@name_argument
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=3, show_default=True, help="How many.")
@json_option
@click.pass_obj
def preview(context: Context, name: str, limit: int, as_json: bool) -> None:
    """The messages of the first recipients, as they would arrive.

    A campaign with a text and a template shows both: which one goes is decided when it is sent.
    """
    from app.output import print_json, say, suggest
    from app.previews import preview_lines

    messages = run_async(_preview(context, name, limit))
    if as_json:
        print_json({"campaign": name, "messages": [_message_json(*message) for message in messages]})
        return
    for line, phone, content in messages:
        say(f"line {line}  {phone}  ({content.type})")
        for text in preview_lines(content):
            say(f"  {text}")
        say()
    suggest("drumbeat run --until-idle")


def _message_json(line: int, phone: str, content: Content) -> dict[str, Any]:
    from dataclasses import asdict

    given = {key: value for key, value in asdict(content).items() if value}
    return {"line": line, "phone": phone, **given}


async def _preview(context: Context, name: str, limit: int) -> list[tuple[int, str, Content]]:
    import json

    from campaigns.templates import Renderer
    from storage.campaigns import require, sample_recipients
    from storage.engine import reading

    async with context.database() as engine, reading(engine) as connection:
        found = await require(connection, name)
        sample = await sample_recipients(connection, found.id, limit)
    renderer = Renderer(found.spec.content)
    both = renderer.has_free_form and renderer.has_template
    return [
        (line, phone, renderer.render(json.loads(values), template=template))
        for line, phone, values in sample
        for template in ((False, True) if both else (False,))
    ]


@campaign.command()
@name_argument
@click.option("--reason", default="paused by a person", help="Shown until it is resumed.")
@json_option
@click.pass_obj
def pause(context: Context, name: str, reason: str, as_json: bool) -> None:
    """Send nothing more; the messages under way are finished."""
    run_async(_pause(context, name, reason))
    _done(as_json, name, "paused", f"{name} is paused: {reason}.", f"drumbeat campaign resume {name}")


async def _pause(context: Context, name: str, reason: str) -> None:
    from scheduler import control

    async with context.database() as engine:
        await control.pause(engine, name, reason)


@campaign.command()
@name_argument
@json_option
@click.pass_obj
def resume(context: Context, name: str, as_json: bool) -> None:
    """Go on where it was paused."""
    run_async(_resume(context, name))
    _done(as_json, name, "resumed", f"{name} goes on.", "drumbeat run --until-idle")


async def _resume(context: Context, name: str) -> None:
    from scheduler import control

    async with context.database() as engine:
        await control.resume(engine, name)


@campaign.command()
@name_argument
@yes_option
@json_option
@click.pass_obj
def cancel(context: Context, name: str, yes: bool, as_json: bool) -> None:
    """End it; messages not sent yet never will be. There is no way back."""
    from app.output import counted

    confirm(f"Cancel {name} for good?", yes)
    count = run_async(_cancel(context, name))
    said = f"{name} is cancelled; {counted(count, 'message')} will not be sent."
    _done(as_json, name, "cancelled", said, f"drumbeat report delivery {name}", cancelled=count)


async def _cancel(context: Context, name: str) -> int:
    from scheduler import control

    async with context.database() as engine:
        return await control.cancel(engine, name)


@campaign.command()
@name_argument
@click.option(
    "--in-doubt",
    "action",
    type=click.Choice(["resend", "give-up"]),
    required=True,
    help="resend risks a second copy; give-up risks that none arrived.",
)
@yes_option
@json_option
@click.pass_obj
def resolve(
    context: Context, name: str, action: Literal["resend", "give-up"], yes: bool, as_json: bool
) -> None:
    """Decide about messages that may have left, where the provider cannot tell."""
    from app.output import counted

    if action == "resend":
        confirm(f"Send the messages of {name} that are in doubt again? Some people may get two.", yes)
    count = run_async(_resolve(context, name, action))
    verb = "to be sent again" if action == "resend" else "given up"
    _done(
        as_json,
        name,
        action,
        f"{counted(count, 'message')} {verb}.",
        f"drumbeat report delivery {name}",
        resolved=count,
    )


async def _resolve(context: Context, name: str, action: Literal["resend", "give-up"]) -> int:
    from scheduler import control

    async with context.database() as engine:
        return await control.resolve(engine, name, action)


def _done(as_json: bool, name: str, what: str, sentence: str, then: str, **more: Any) -> None:
    from app.output import print_json, say, suggest

    if as_json:
        print_json({"campaign": name, "done": what, **more})
        return
    say(sentence)
    suggest(then)

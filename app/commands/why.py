"""`drumbeat why`: one recipient's story, and what holds the message now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.commands.options import json_option, name_argument, run_async
from app.context import Context

if TYPE_CHECKING:
    from app.stories import Story


@click.command()
@name_argument
@click.argument("phone")
@json_option
@click.pass_obj
def why(context: Context, name: str, phone: str, as_json: bool) -> None:
    """Everything that happened to one recipient, and what holds it."""
    from app.output import print_json

    story = run_async(_story(context, name, phone))
    if as_json:
        print_json(story.json)
    else:
        _print_story(name, story.json)


_SOURCES = {
    "shift": "by the runner",
    "poll": "told by the provider",
    "lookup": "looked up",
    "webhook": "told by the provider",
}


def _said(detail: str) -> str:
    """An event's source in words; what stands behind it stays."""
    source, separator, rest = detail.partition(": ")
    return f"{_SOURCES.get(source, source)}{separator}{rest}"


async def _story(context: Context, name: str, phone: str) -> Story:
    from app.stories import tell_story
    from storage.engine import reading

    async with context.database() as engine, reading(engine) as connection:
        return await tell_story(connection, context.settings, name, phone)


def _print_story(name: str, story: dict[str, Any]) -> None:
    from app.output import print_facts, print_table, say, suggest

    facts = [("state", story["state"]), ("reason", story["reason"]), ("code", story["code"])]
    facts += [("held by", story["held_by"]), ("estimated send", story["estimated_send_at"])]
    print_facts(f"{story['phone']} in {name}", [fact for fact in facts if fact[1] is not None])
    say()
    rows = [(moment.at, moment.event, _said(moment.detail or "")) for moment in story["timeline"]]
    print_table(None, ("at", "event", "detail"), rows)
    suggest(f"drumbeat report recipients {name}")

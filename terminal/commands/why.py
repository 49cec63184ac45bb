"""`drumbeat why`: one recipient's timeline, and what delays the message now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, name_argument, run_async, timezone_option

if TYPE_CHECKING:
    from app.views.people.recipient_timeline import RecipientTimeline


@click.command()
@name_argument
@click.argument("phone")
@timezone_option
@json_option
@click.pass_obj
def why(context: Context, name: str, phone: str, as_json: bool) -> None:
    """Show everything that happened to one recipient, and what delays the message.

    For a waiting message it also shows since when it waits, when it is expected to be sent, and on which assumptions.
    """
    from terminal.output import print_json

    story = run_async(_story(context, name, phone))
    if as_json:
        print_json(story.json)
    else:
        _print_timeline(name, story.json)


_FACTS: Final = (
    ("state", "state"),
    ("reason", "reason"),
    ("code", "code"),
    ("held by", "held_by"),
    ("which means", "meaning"),
    ("held since", "held_since"),
    ("held until", "held_until"),
    ("estimated send", "estimated_send_at"),
    ("expires", "expires_at"),
    ("lane", "lane"),
    ("run", "run"),
    ("next run", "next_run"),
    ("variant", "variant"),
    ("form", "form"),
    ("expected cost", "price"),
    ("cost", "cost"),
)
"""What is shown, in this order, and its key."""


def _readable(detail: str) -> str:
    """Replaces an event's source code with plain text; keeps what follows it."""
    from app.views.messages import SOURCES
    from terminal.output import in_readers_zone

    source, separator, rest = detail.partition(": ")
    return in_readers_zone(f"{SOURCES.get(source, source)}{separator}{rest}")


async def _story(context: Context, name: str, phone: str) -> RecipientTimeline:
    from app.views.people.recipient_timeline import recipient_timeline

    async with context.snapshot() as connection:
        return await recipient_timeline(connection, context.settings, name, phone)


def _print_timeline(name: str, story: dict[str, Any]) -> None:
    from terminal.output import print_facts, print_table, print_text, suggest

    facts = [(label, story[key]) for label, key in _FACTS if story.get(key) is not None]
    print_facts(f"{story['phone']} in {name}", [*facts, *_forecast(story), *_rows(story)])
    print_text()
    several = story.get("runs", 1) > 1
    headings = ("at", *(("run",) if several else ()), "event", "detail")
    rows = [
        (moment.at, *((moment.run,) if several else ()), moment.event, _readable(moment.detail or ""))
        for moment in story["timeline"]
    ]
    print_table(None, headings, rows)
    suggest(f"drumbeat report recipients {name}", f"drumbeat contacts show {story['phone']}")


def _forecast(story: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The forecast for a waiting message, and its assumptions."""
    from terminal.output import in_readers_zone

    expected = story.get("expected")
    if expected is not None:
        detail = expected.get("form") or expected.get("reason") or expected.get("rule")
        yield "expected", f"{expected['decision']}, {detail}: {in_readers_zone(expected['because'])}"
    if story.get("ahead"):
        yield "messages ahead", story["ahead"]
        yield "pace", story["pace"]
    for number, assumption in enumerate(story.get("assumes", ())):
        yield "" if number else "assumes", assumption


def _rows(story: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if story.get("line") is not None:
        yield "row", f"line {story['line']} of {story['source']}"
    if story["state"] != "rejected":
        for row in story["rejected_rows"]:
            yield "row left out", f"line {row.line} of {row.source}, {row.code}: {row.reason}"

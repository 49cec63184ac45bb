"""`drumbeat campaign test`: send the message to your own numbers first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, name_argument, run_async

if TYPE_CHECKING:
    from scheduler.actions.testing import TestRun


@click.command()
@name_argument
@click.option(
    "--to",
    "numbers",
    metavar="PHONE",
    multiple=True,
    required=True,
    help="A number to send to; may be repeated.",
)
@click.option(
    "--line", type=click.IntRange(min=1), help="The row that fills the message; default: the first."
)
@click.option("--variant", metavar="VARIANT", help="Which variant; default: the first.")
@json_option
@click.pass_obj
def test(
    context: Context,
    name: str,
    numbers: tuple[str, ...],
    line: int | None,
    variant: str | None,
    as_json: bool,
) -> None:
    """Send the message to your own numbers, filled from a row of the list. Works for a draft too.

    Frequency caps and reports do not count it; `why` shows what became of it. It costs as much as any message.
    """
    from campaigns.figures import counted
    from terminal.output import print_json, print_text, suggest

    trial = run_async(_start(context, name, numbers, line, variant))
    if as_json:
        print_json({"campaign": name, "done": "test", **_json(trial)})
        return
    ready = counted(len(trial.phones), "test message")
    print_text(f"{ready} of {name}, filled from line {trial.line}. A runner must send within an hour.")
    suggest("drumbeat run --until-idle", *(f"drumbeat why {name} {phone}" for phone in trial.phones))


async def _start(
    context: Context, name: str, numbers: tuple[str, ...], line: int | None, variant: str | None
) -> TestRun:
    from app.actions.steering import send_test

    async with context.database() as engine:
        return await send_test(engine, name, numbers, line, variant)


def _json(trial: TestRun) -> dict[str, object]:
    return {
        "run": trial.run_id,
        "line": trial.line,
        "to": trial.phones,
        "expires_at": trial.expires_at,
    }

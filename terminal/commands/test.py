"""`drumbeat campaign test`: the message to named numbers before it goes to everybody."""

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
    "--to", "numbers", metavar="PHONE", multiple=True, required=True, help="Whom to; may be repeated."
)
@click.option(
    "--line", type=click.IntRange(min=1), help="The row that fills the message; default: the first."
)
@click.option("--variant", metavar="VARIANT", help="Which of the variants; default: the first.")
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
    """Send the message to your own numbers, filled from a row of the list; a draft will do.

    No cap and no report counts it; `why` tells what became of it. It costs what a message costs.
    """
    from campaigns.figures import counted
    from terminal.output import print_json, say, suggest

    trial = run_async(_start(context, name, numbers, line, variant))
    if as_json:
        print_json({"campaign": name, "done": "test", **_json(trial)})
        return
    ready = counted(len(trial.phones), "test message")
    say(f"{ready} of {name}, filled from line {trial.line}, for the runner to send within an hour.")
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

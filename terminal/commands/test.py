"""`drumbeat campaign test`: send the message to your own numbers first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, name_argument, run_async

if TYPE_CHECKING:
    from app.actions.testing import TestResult
    from scheduler.actions.testing import TestRun
    from storage.runs.side_runs import RunMessage

PARTIAL = 3


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
) -> int:
    """Send the message to your own numbers, filled from a row of the list, and wait for the result. Works for a draft
    too, and sends nothing else.

    Frequency caps and reports do not count it. It costs as much as any message. Exit code 3: a message was not
    sent; 6: one still waits, and a runner sends it within an hour.
    """
    from campaigns.errors import Stopped
    from terminal.output import print_json, suggest

    result = run_async(_send(context, name, numbers, line, variant))
    if as_json:
        print_json({"campaign": name, "done": "test", **_json(result)})
    else:
        _print(result)
        suggest(*(f"drumbeat why {name} {message.phone}" for message in result.messages))
    if result.waiting:
        return Stopped.exit_code
    return 0 if result.all_accepted else PARTIAL


async def _send(
    context: Context, name: str, numbers: tuple[str, ...], line: int | None, variant: str | None
) -> TestResult:
    from app.actions.testing import send_test
    from campaigns.figures import counted
    from terminal.output import print_note

    def begun(run: TestRun) -> None:
        messages = counted(len(run.phones), "test message")
        print_note(f"Sending {messages} of {name}, filled from line {run.line} …")

    async with context.database() as engine:
        return await send_test(engine, context.settings, name, numbers, line, variant, begun=begun)


def _print(result: TestResult) -> None:
    from terminal.output import print_table, print_text

    rows = [(message.phone, message.state, _why(message)) for message in result.messages]
    print_table(None, ("phone", "state", "why"), rows)
    if result.waiting:
        print_text(f"What waits is sent by drumbeat run until {result.run.expires_at:%H:%M:%S} UTC.")


def _why(message: RunMessage) -> str:
    from app.views.messages import ENDED, WAITS

    known = WAITS.get(message.held_by or "") or ENDED.get(message.reason or "", message.reason)
    return " ".join(filter(None, (known, message.code, message.detail)))


def _json(result: TestResult) -> dict[str, object]:
    run = result.run
    return {
        "run": run.run_id,
        "line": run.line,
        "to": run.phones,
        "expires_at": run.expires_at,
        "messages": result.messages,
    }

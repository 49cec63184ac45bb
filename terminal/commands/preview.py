"""`drumbeat campaign preview`: messages as they would arrive, filled from real rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, name_argument, run_async

if TYPE_CHECKING:
    from app.views.message.sampling import Preview

FEW = 3
some = click.IntRange(1, 1000)


@click.command()
@name_argument
@click.option("--first", "-n", metavar="N", type=some, help=f"The first N recipients; default: {FEW}.")
@click.option("--line", metavar="N", type=click.IntRange(min=1), help="The recipient in line N of the file.")
@click.option("--random", metavar="N", type=some, help="N random recipients.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="With --random: another seed draws other recipients.",
)
@click.option("--longest", metavar="N", type=some, help="The N longest messages.")
@click.option("--missing", metavar="N", type=some, help="The N recipients with the most blank cells.")
@json_option
@click.pass_obj
def preview(context: Context, /, name: str, seed: int, as_json: bool, **chosen: int | None) -> None:
    """Show messages of real recipients, as they would arrive.

    If a campaign has a text and a template, or variants, all are shown: which one is sent is decided at sending.
    """
    from terminal.output import print_json, print_sentence, suggest
    from terminal.preflight import print_preview

    given = {option: number for option, number in chosen.items() if number is not None}
    if len(given) > 1:
        raise click.UsageError(f"Use only one of {', '.join(f'--{option}' for option in given)}.")
    option, number = next(iter(given.items()), ("first", FEW))
    previews, unshown = run_async(_preview(context, name, option, number, seed))
    if as_json:
        from app.views.message.sampling import preview_json

        messages = [message for each in previews for message in preview_json(each)]
        print_json({"campaign": name, "messages": messages, "templates_not_shown": unshown})
        return
    for each in previews:
        print_preview(each)
    if not previews:
        _print_none(option)
    elif unshown:
        print_sentence(unshown)
    suggest(f"drumbeat campaign test {name} --to PHONE", f"drumbeat campaign start {name}")


def _print_none(option: str) -> None:
    from terminal.output import print_text

    print_text(
        "No row has a blank cell in a column that the message uses."
        if option == "missing"
        else "No recipients."
    )


async def _preview(
    context: Context, name: str, option: str, number: int, seed: int
) -> tuple[list[Preview], str | None]:
    from app.views.message.sampling import Choice, preview_messages, unshown_templates
    from terminal.progress import row_counter

    async with context.snapshot() as connection:
        with row_counter() as progress:
            found = await preview_messages(connection, name, Choice(option), number, seed, progress)
        return found, await unshown_templates(connection, context.settings, name)

"""`drumbeat demo`: the whole thing on SQLite and an emulated provider, with the reports at the end."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("drumbeat-demo"),
    show_default=True,
    help="Where its files go; a folder of an earlier demo is used again.",
)
def demo(folder: Path) -> None:
    """The whole thing, in half a minute, with nobody's real number.

    A CSV of 1,000 rows is loaded and sent to an emulated provider on this machine; reports follow.
    """
    from terminal.demonstration import show_everything

    show_everything(folder)

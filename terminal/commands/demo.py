"""`drumbeat demo`: a whole campaign on SQLite and an emulated provider, with its reports."""

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
    help="The folder for its files; the folder of an earlier demo is reused.",
)
@click.option("--browser", is_flag=True, help="Show it in the browser afterwards, until stopped.")
def demo(folder: Path, browser: bool) -> None:
    """Send a sample campaign to an emulated provider, in half a minute; no real numbers.

    A CSV of 1,000 rows is loaded and sent to an emulated provider on this machine; reports follow.
    """
    from terminal.demonstration import show_everything

    show_everything(folder, browser=browser)

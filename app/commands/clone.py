"""`drumbeat campaign clone` and `start`: the same again under another name, and the start of a draft."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from app.commands.options import Command, json_option, name_argument, run_async
from app.context import Context

if TYPE_CHECKING:
    from app.starting import Started


def _start_options(command: Command) -> Command:
    for option in (
        click.option("--timezone", metavar="ZONE", help="The zone of --at, such as Africa/Porto-Novo."),
        click.option("--at", metavar="TIME", help="Start then, such as 2026-12-01T09:00."),
        click.option("--now", is_flag=True, help="Start as soon as a runner runs."),
    ):
        command = option(command)
    return command

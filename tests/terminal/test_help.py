"""The help of a group: whole sentences, at 80 columns too."""

from __future__ import annotations

import click

from cli import COMMANDS, cli
from tests.support.cases import each

GROUPS = [name for name in COMMANDS if isinstance(cli.get_command(click.Context(cli), name), click.Group)]


@each("name", GROUPS)
def test_no_line_of_a_group_is_cut(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    shown = command.get_help(click.Context(command, info_name=name, terminal_width=80))
    assert "..." not in shown.partition("Commands:")[2]

"""The help of a group: whole sentences, at 80 columns too; and which of its commands are loaded."""

from __future__ import annotations

import click
from click.testing import CliRunner

from cli import COMMANDS, cli
from terminal.commands.campaign import ELSEWHERE
from terminal.commands.options import CommandGroup
from tests.support.cases import each

GROUPS = [name for name in COMMANDS if isinstance(cli.get_command(click.Context(cli), name), click.Group)]


@each("name", GROUPS)
def test_no_line_of_a_group_is_cut(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    shown = command.get_help(click.Context(command, info_name=name, terminal_width=80))
    assert "..." not in shown.partition("Commands:")[2]


def test_a_group_loads_the_command_that_is_called_and_all_for_a_wrong_name() -> None:
    group = CommandGroup("campaign", elsewhere=ELSEWHERE)
    show = group.get_command(click.Context(group), "show")
    assert show is not None
    assert group.commands == {"show": show}
    assert "Did you mean 'preview'?" in CliRunner().invoke(group, ["preveiw"]).output
    assert group.list_commands(click.Context(group)) == sorted(ELSEWHERE)

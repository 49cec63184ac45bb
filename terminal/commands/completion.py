"""`drumbeat completion`: the script that lets a shell complete our commands."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the shell completion script.

    It completes commands, options, and the names of your campaigns, runs and accounts.

    For bash, add to ~/.bashrc: eval "$(drumbeat completion bash)"

    For zsh, add to ~/.zshrc: eval "$(drumbeat completion zsh)"

    For fish: drumbeat completion fish > ~/.config/fish/completions/drumbeat.fish
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(script(ctx.find_root().command, {}, "drumbeat", "_DRUMBEAT_COMPLETE").source())

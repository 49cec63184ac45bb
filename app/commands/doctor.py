"""`drumbeat doctor`: what is wrong with the setup, and what to do about it."""

from __future__ import annotations

import click

from app.commands.options import json_option, run_async
from app.context import Context


@click.command()
@json_option
@click.pass_obj
def doctor(context: Context, as_json: bool) -> int:
    """Check settings, secrets, database and providers.

    One line each, with what to do. Exit code 4 where something is wrong.
    """
    from app.checkup import check_up
    from app.output import print_json, say, suggest
    from campaigns.errors import AccountError

    findings = run_async(check_up(context))
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.said}")
            if finding.fix and not finding.ok:
                say(f"      Try: {finding.fix}")
        suggest("drumbeat campaign check SPEC")
    return 0 if all(finding.ok for finding in findings) else AccountError.exit_code

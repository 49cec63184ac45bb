"""`drumbeat doctor`: check the setup, and show what to do if something is wrong."""

from __future__ import annotations

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, run_async


@click.command()
@json_option
@click.pass_obj
def doctor(context: Context, as_json: bool) -> int:
    """Check settings, secrets, database and providers.

    Prints one line per check, and what to do if it fails. Exit code 4: a check failed.
    """
    from app.wiring.checkup import check_up
    from campaigns.errors import AccountError
    from terminal.output import print_json, print_sentence, print_text, suggest

    findings = run_async(check_up(context))
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            print_sentence(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.said}", 6)
            if finding.fix and not finding.ok:
                print_text(f"      Try: {finding.fix}")
        suggest("drumbeat campaign check SPEC")
    return 0 if all(finding.ok for finding in findings) else AccountError.exit_code

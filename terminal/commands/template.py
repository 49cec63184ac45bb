"""`drumbeat template`: the message templates of an account, as its provider lists them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from app.wiring.context import Context
from terminal.commands.options import (
    CommandGroup,
    account_argument,
    complete_account,
    json_option,
    run_async,
    timezone_option,
)

if TYPE_CHECKING:
    from app.views.operators.templates import AccountTemplates
    from campaigns.message.provider_templates import ProviderTemplate

the_account = click.argument("account", shell_complete=complete_account)


@click.group(cls=CommandGroup)
def template() -> None:
    """Fetch and show the message templates of your accounts."""


@template.command()
@the_account
@json_option
@click.pass_obj
def sync(context: Context, account: str, as_json: bool) -> None:
    """Fetch the account's templates from its provider and store them.

    A runner does the same every four hours, and a check or load of a campaign does it where the list is older than five
    minutes.
    """
    from app.views.operators.templates import template_json
    from campaigns.figures import counted
    from terminal.output import print_json, print_text, suggest

    found = run_async(_sync(context, account))
    if as_json:
        print_json({"account": account, "templates": [template_json(each) for each in found]})
        return
    approved = sum(each.status == "APPROVED" for each in found)
    print_text(f"{account} has {counted(len(found), 'template')}; {approved:,} of them approved.")
    suggest(f"drumbeat template list {account}")


async def _sync(context: Context, account: str) -> Sequence[ProviderTemplate]:
    from app.actions.templates import sync_account

    async with context.database(create=True) as engine:
        return await sync_account(engine, context.settings, account)


@template.command("list")
@account_argument
@timezone_option
@json_option
@click.pass_obj
def list_(context: Context, account: str | None, as_json: bool) -> None:
    """List the stored templates of an account, or of all: language, status, category and parameters."""
    from app.wiring.probes import chosen_accounts
    from terminal.output import print_json, suggest

    names = chosen_accounts(context.settings, account)
    found = run_async(_list(context, names))
    if as_json:
        print_json([each.json for each in found])
        return
    for each in found:
        _print_list(each)
    suggest("drumbeat template show ACCOUNT NAME", "drumbeat template sync ACCOUNT")


async def _list(context: Context, names: list[str]) -> list[AccountTemplates]:
    from app.views.operators.templates import list_templates

    async with context.snapshot() as connection:
        return await list_templates(connection, context.settings, names)


def _print_list(found: AccountTemplates) -> None:
    from app.views.operators.templates import parameters_of
    from terminal.output import print_sentence, print_table, print_text, shown_time

    state = found.state
    if state.fetched_at is None:
        why = found.unlisted or state.problem or f"Not read yet: drumbeat template sync {state.account}"
        print_sentence(f"{state.account}: {why}")
        print_text()
        return
    headings = ("name", "language", "status", "category", ">parameters", "?quality")
    rows = [
        (
            each.name,
            each.language,
            each.status.lower(),
            each.category,
            len(parameters_of(each)),
            each.quality or "-",
        )
        for each in found.templates
    ]
    print_table(f"{state.account}, as of {shown_time(state.fetched_at)}", headings, rows)
    if state.problem is not None and state.problem_at is not None:
        print_sentence(f"It could not be read again at {shown_time(state.problem_at)}: {state.problem}")


@template.command()
@the_account
@click.argument("name")
@click.argument("language", required=False)
@json_option
@click.pass_obj
def show(context: Context, account: str, name: str, language: str | None, as_json: bool) -> None:
    """Show one stored template: its text, its status, and the parameters that a campaign must give."""
    from terminal.output import print_facts, print_json, print_text, suggest

    context.settings.account(account)
    found = run_async(_show(context, account, name, language))
    if as_json:
        from app.views.operators.templates import template_json

        print_json({"account": account, **template_json(found)})
        return
    print_facts(found.name, list(_facts(found)))
    print_text()
    for line in _text(found):
        print_text(f"  {line}")
    suggest(f"drumbeat template list {account}")


async def _show(context: Context, account: str, name: str, language: str | None) -> ProviderTemplate:
    from app.views.operators.templates import show_template

    async with context.snapshot() as connection:
        return await show_template(connection, account, name, language)


def _facts(found: ProviderTemplate) -> Iterator[tuple[str, Any]]:
    from app.views.operators.templates import parameters_of

    yield "language", found.language
    yield "status", found.status.lower()
    if found.reason:
        yield "reason", found.reason
    yield "category", found.category
    if found.previous_category:
        yield "before", found.previous_category
    if found.quality:
        yield "quality", found.quality.lower()
    yield "parameters", ", ".join(parameters_of(found)) or "none"


def _text(found: ProviderTemplate) -> Iterator[str]:
    parts = found.parts
    if parts.header is not None:
        yield parts.header.text or f"({parts.header.kind})"
    yield from parts.body.split("\n")
    if parts.footer:
        yield parts.footer
    for button in parts.buttons:
        yield f"[ {button.text} ]  {button.url or button.kind.replace('_', ' ')}"
    yield from (f"({kind.replace('_', ' ')})" for kind in parts.others)

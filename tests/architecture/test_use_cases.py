"""Each command calls one use case of `app`, or is listed here as one that needs none."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from cli import cli
from tests.support.cases import each

USE_CASES = {
    "campaign check": "app.views.drafts.preflight:preflight",
    "campaign load": "app.actions.loading:load_campaign",
    "campaign list": "app.views.campaigns.campaign_list:list_campaigns",
    "campaign show": "app.views.campaigns.overview:campaign_overview",
    "campaign preview": "app.views.message.sampling:preview_messages",
    "campaign estimate": "app.views.campaigns.estimates:estimate_campaign",
    "campaign test": "app.actions.testing:send_test",
    "campaign approve": "app.actions.steering:approve_campaign",
    "campaign budget": "app.actions.steering:set_budget",
    "campaign start": "app.actions.starting:start_campaign",
    "campaign next": "app.views.campaigns.upcoming_runs:upcoming_runs",
    "campaign pause": "app.actions.steering:pause_campaign",
    "campaign resume": "app.actions.steering:resume_campaign",
    "campaign cancel": "app.actions.steering:cancel_campaign",
    "campaign resolve": "app.actions.steering:resolve_doubts",
    "campaign retry-failed": "app.actions.steering:retry_failed",
    "campaign winner": "app.actions.steering:choose_winner",
    "campaign clone": "app.actions.starting:clone_campaign",
    "campaign backfill": "app.actions.backfilling:backfill_runs",
    "contacts import": "app.actions.contacts:import_preferences",
    "contacts list": "app.views.people.contacts:stream_opted_out",
    "contacts show": "app.views.people.contacts:person_overview",
    "contacts optout": "app.actions.contacts:record_preference",
    "contacts optin": "app.actions.contacts:record_preference",
    "contacts link": "app.actions.contacts:link_user_id",
    "contacts export": "app.actions.personal_data:export_person",
    "contacts erase": "app.actions.personal_data:erase_person",
    "db adopt": "app.actions.backing_up:adopt_copy",
    "db backup": "app.actions.backing_up:back_up_database",
    "db upgrade": "app.wiring.databases:upgrade_database",
    "db purge": "app.actions.purging:purge_database",
    "db recount": "app.actions.counting:recount_messages",
    "doctor": "app.wiring.checkup:check_up",
    "key create": "app.actions.api_keys:create_key",
    "key list": "app.actions.api_keys:list_keys",
    "key revoke": "app.actions.api_keys:revoke_key",
    "notify list": "app.views.operators.notifications:list_notifications",
    "notify resend": "app.actions.notifying:resend",
    "notify test": "app.actions.notifying:send_trials",
    "provider list": "app.views.operators.providers:list_adapters",
    "provider check": "app.wiring.probes:probe",
    "provider balance": "app.views.operators.balances:left_on",
    "provider limits": "app.views.operators.limits:shown_limits",
    "provider notices": "app.views.operators.providers:newest_notices",
    "rates import": "app.actions.rates:import_card",
    "rates show": "app.views.operators.rates:list_cards",
    "reconcile": "app.actions.reconciling:reconcile_now",
    "report cost": "app.views.reports.cost_report:cost_report",
    "report compare": "app.views.reports.comparison:compare_campaigns",
    "report delivery": "app.views.reports.reports:delivery_report",
    "report failures": "app.views.reports.reports:failures_report",
    "report funnel": "app.views.reports.funnel:funnel_report",
    "report recipients": "app.views.reports.reports:stream_recipients",
    "report summary": "app.views.reports.summary:read_summary",
    "report variants": "app.views.reports.variants:variants_report",
    "run": "app.actions.running:run_campaigns",
    "up": "app.actions.running:run_campaigns",
    "status": "app.views.campaigns.status:status",
    "session create": "app.actions.sessions:create_session",
    "session delete": "app.actions.sessions:delete_session",
    "session disconnect": "app.actions.sessions:disconnect_session",
    "session list": "app.actions.sessions:list_sessions",
    "session qr": "app.actions.sessions:session_qr_code",
    "session reconnect": "app.actions.sessions:reconnect_session",
    "session show": "app.actions.sessions:show_session",
    "template list": "app.views.operators.templates:list_templates",
    "template show": "app.views.operators.templates:show_template",
    "template sync": "app.actions.templates:sync_account",
    "user disable": "app.actions.users:disable_user",
    "user enable": "app.actions.users:enable_user",
    "user invite": "app.actions.users:invite_user",
    "user list": "app.actions.users:list_users",
    "user role": "app.actions.users:set_role",
    "why": "app.views.people.recipient_timeline:recipient_timeline",
    "worker": "app.actions.running:work_for_clocks",
    "workers": "app.views.operators.process_status:process_status",
}
WITHOUT = {
    "completion": "prints a script of click's",
    "demo": "runs other use cases one after the other",
    "emulator": "serves what is no part of the product",
    "init": "writes files to start from, before there is a project",
    "serve": "starts the web server",
}


def leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


COMMANDS = dict(leaves(cli))


def test_every_command_has_its_use_case() -> None:
    assert USE_CASES.keys() | WITHOUT.keys() == COMMANDS.keys()
    assert not USE_CASES.keys() & WITHOUT.keys()


@each(("command", "place"), USE_CASES.items())
def test_a_command_calls_its_use_case(command: str, place: str) -> None:
    module, _, name = place.partition(":")
    use_case = getattr(importlib.import_module(module), name)
    assert use_case.__module__ == module, "it is only passed on there"
    callback = COMMANDS[command].callback
    assert callback is not None
    source = inspect.getsourcefile(inspect.unwrap(callback))
    assert source is not None
    beside = [Path(source), Path(source).parents[1] / "running.py"]
    assert any((module, name) in imported(path) for path in beside)


def imported(path: Path) -> set[tuple[str | None, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

"""A provider is added by one file, one table of cases and one emulator; the engine meets it by its two registry lines.

`tests/providers/pigeon` is such a provider: it keeps the contract of all adapters, and a campaign goes through it.
"""

from __future__ import annotations

import ast
import asyncio
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

import emulators.app
from app.wiring.settings import load_settings
from cli import cli
from emulators import settings as emulator_settings
from providers import registry
from scheduler.clock.runner import run
from storage.database.engine import open_engine, reading
from storage.tables.runs import attempts
from tests.acceptance.conftest import InMemory
from tests.providers import test_contract as contract
from tests.providers import test_examples
from tests.providers.pigeon import adapter, cases, emulator
from tests.support.campaigns import phone
from tests.support.paths import ROOT

SETTINGS = """
[providers.post]
adapter = "pigeon"
base_url = "http://emulator/pigeon"
api_key = "env:PIGEON_KEY"
settle_after = "1s"
[[providers.post.senders]]
name = "shop"
loft = "north"
"""
CAMPAIGN = """
name = "homing"
provider = "post"
senders = ["shop"]
[audience]
csv = "people.csv"
[content]
text = "Hello {{ first_name }}"
[pace]
delay_between = 0
"""


@pytest.fixture(autouse=True)
def _the_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.ADAPTERS, "pigeon", f"{adapter.__name__}:Pigeon")  # type: ignore[attr-defined]
    monkeypatch.setitem(registry.ACCOUNTS, "pigeon", f"{adapter.__name__}:PigeonAccount")  # type: ignore[attr-defined]
    monkeypatch.setattr(emulators.app, "PROVIDERS", (*emulators.app.PROVIDERS, emulator.Pigeon))
    monkeypatch.setenv("PIGEON_KEY", "test-key")


async def test_it_keeps_the_contract_of_all_adapters(caplog: pytest.LogCaptureFixture) -> None:
    table = cases.TABLE
    for sends in table.sends:
        await contract.test_a_call_becomes_the_documented_request(table, sends)
    for reads in table.reads:
        await contract.test_an_answer_means_this_for_each_recipient(table, reads)
    for hears in table.webhooks:
        contract.test_a_webhook_is_verified_on_its_raw_body_and_understood(table, hears)
        contract.test_a_changed_webhook_is_refused(table, hears)
    await contract.test_the_secret_is_nowhere_but_in_the_request(table, caplog)
    await contract.test_a_check_distinguishes_a_wrong_key_from_a_silent_provider(table)
    contract.test_its_declared_capabilities_hold(table)
    contract.test_its_settings_refuse_an_unknown_key_and_a_key_written_out(table)


def test_no_answer_and_no_webhook_breaks_it(tmp_path: Path) -> None:
    table = cases.TABLE
    contract.test_no_answer_breaks_it_and_a_success_is_never_a_permanent_refusal(table)
    contract.test_no_body_breaks_the_reading_of_a_webhook(table)
    for example in table.examples:
        test_examples.test_a_request_is_made_by_a_campaign_file(table, example, tmp_path)


@pytest.mark.large
def test_a_campaign_goes_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [phone(number) for number in (*range(60), 901, 903, 908)]
    rows = "".join(f"{number},Ada\n" for number in people)
    monkeypatch.chdir(tmp_path)
    Path("people.csv").write_text(f"phone,first_name\n{rows}", encoding="utf-8")
    Path("drumbeat.toml").write_text(SETTINGS, encoding="utf-8")
    Path("homing.toml").write_text(CAMPAIGN, encoding="utf-8")
    assert drumbeat("campaign", "load", "homing.toml", "--now", "--json")["accepted"] == len(people)
    received, unknown = asyncio.run(send_all())
    assert received == dict.fromkeys([number[1:] for number in people if not number.endswith("908")], 1)
    assert unknown > 0  # otherwise nothing was in doubt, and nothing was looked up
    report = drumbeat("report", "delivery", "homing", "--json")
    assert report["states"] == {"delivered": 60, "sent": 1, "failed": 2}


async def send_all() -> tuple[Counter[str], int]:
    """Run until idle with faults on; how many letters each number received, and how many attempts stayed unanswered."""
    settings = load_settings()
    faults = [{"kind": kind, "probability": 0.05, "method": "POST"} for kind in ("500", "500_after")]
    times = {"sent_after": 0.01, "delivered_after": 0.02, "read_after": 0.02}
    transport = InMemory(emulator_settings.Settings.parse({**times, "faults": faults}))
    engine = open_engine(settings.database_url)
    wait = timedelta(seconds=5)  # one message stays sent, so it is waited for in full
    await run(engine, settings.accounts, until_idle=True, wait_receipts=wait, transport=transport)
    async with reading(engine) as connection:
        unknown = await connection.scalar(
            select(func.count()).select_from(attempts).where(attempts.c.outcome == "unknown")
        )
    await engine.dispose()
    return Counter(entry["to"] for entry in await transport.ledger()), int(unknown or 0)


def drumbeat(*arguments: str) -> Any:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code in (0, 3), result.stderr
    return json.loads(result.stdout)


def test_no_other_file_of_the_engine_knows_it() -> None:
    ours = ("app", "campaigns", "emulators", "migrations", "providers", "scheduler", "storage", "web")
    files = [ROOT / "cli.py", *(file for folder in ours for file in (ROOT / folder).rglob("*.py"))]
    assert [file for file in files if "pigeon" in file.read_text(encoding="utf-8").lower()] == []


def test_its_emulator_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(emulator.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {str(module).partition(".")[0] for module in imported}.isdisjoint(
        {"app", "campaigns", "providers", "scheduler", "storage", "tests", "web"}
    )

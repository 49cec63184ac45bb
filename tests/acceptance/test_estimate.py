"""Estimates and rate cards on the command line; and what is estimated agrees with what the emulator then does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.views.reports.cost_report import cost_report
from campaigns.money.costs import Money
from cli import cli
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from storage.audience.campaigns import require
from storage.database.engine import reading
from tests.acceptance.conftest import World
from tests.support.campaigns import spec
from tests.support.paths import ROOT
from tests.support.project import Done, write_project

CARD = ROOT / "sample_data" / "rates" / "meta-usd-2026-01-01.csv"
FROM = ("--from", "2026-01-01", "--currency", "USD", "--source", "a transcription")
Run = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OURVOICE_API_KEY", raising=False)
    return write_project(tmp_path)


@pytest.fixture
def run(folder: Path) -> Run:
    def run(*arguments: str) -> Done:
        result = CliRunner().invoke(cli, arguments)
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


def settle(folder: Path, line: str) -> None:
    """Add a key to the account."""
    file = folder / "drumbeat.toml"
    file.write_text(file.read_text().replace('currency = "XOF"', f'currency = "XOF"\n{line}'))


async def foresee(world: World) -> Estimate:
    async with reading(world.engine) as connection:
        return await estimate(connection, await require(connection, "spring"), world.account)


async def cost_of(world: World) -> dict[str, Any]:
    async with reading(world.engine) as connection:
        return (await cost_report(connection, "spring")).json


@pytest.mark.alone
@pytest.mark.large  # the samples' estimates are compared with their results too
async def test_what_was_estimated_is_what_it_came_to(sqlite_world: World) -> None:
    sqlite_world.account = sqlite_world.account.model_copy(update={"price": Money(Decimal(10), "XOF")})
    await sqlite_world.campaign(spec(pace={"delay_between": 400}), 8)
    foreseen = await foresee(sqlite_world)
    await sqlite_world.run()
    report = await cost_of(sqlite_world)
    (total,) = foreseen.totals()
    assert total.low <= report["actual"] <= total.high
    assert (report["estimated"], report["unsettled"], report["unpriced"]) == (Decimal(80), Decimal(0), 0)
    left = sorted(message["left_at"] for message in await sqlite_world.ledger())
    assert left[-1] - left[0] == pytest.approx(foreseen.takes.total_seconds(), rel=0.1)


def test_a_card_is_imported_shown_and_replaced(run: Run) -> None:
    done = run("rates", "import", str(CARD), "--name", "meta-usd", *FROM, "--json")
    assert (done.code, json.loads(done.out)["replaced"]) == (0, False)
    again = run("rates", "import", str(CARD), "--name", "meta-usd", *FROM)
    assert "replaced: 32 markets" in again.out
    (line,) = json.loads(run("rates", "show", "--json").out)
    assert (line["name"], line["effective_from"], line["markets"]) == ("meta-usd", "2026-01-01", 32)
    (card,) = json.loads(run("rates", "show", "meta-usd", "--json").out)["cards"]
    benin = [rate for rate in card["rates"] if rate["market"] == "Rest of Africa"]
    assert {(rate["category"], rate["window"]): rate["rate"] for rate in benin} == {
        ("marketing", "any"): "0.0225",
        ("utility", "closed"): "0.004",
        ("authentication", "any"): "0.004",
    }
    assert "Rest of Africa" in run("rates", "show", "meta-usd").out


def test_a_card_with_a_mistake_changes_nothing(run: Run, folder: Path) -> None:
    run("rates", "import", str(CARD), "--name", "meta-usd", *FROM)
    (folder / "bad.csv").write_text("market,marketing\nIndia,0.01\nRest of Afrika,0.02\n")
    done = run("rates", "import", "bad.csv", "--name", "meta-usd", *FROM)
    assert (done.code, "bad.csv, line 3, column market" in done.err) == (5, True)
    assert "Rest of Africa" in done.err
    assert json.loads(run("rates", "show", "--json").out)[0]["markets"] == 32


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rates", "import", str(CARD), "--name", "Meta USD", *FROM], 2, "such as meta-usd"),
        (["rates", "import", str(CARD), "--name", "m", *FROM[:2], "--currency", "usd", *FROM[4:]], 2, "USD"),
        (["rates", "import", str(CARD), "--name", "m", "--from", "soon", *FROM[2:]], 2, "soon"),
        (
            ["rates", "import", str(CARD), "--name", "m", *FROM[:4], "--source", " "],
            2,
            "the source of the figures",
        ),
        (["rates", "import", "nowhere.csv", "--name", "m", *FROM], 7, "nowhere.csv"),
        (["rates", "show", "meta-us"], 7, "Did you mean meta-usd?"),
        (["campaign", "estimate", "sprin"], 7, "Did you mean spring?"),
    ],
)
def test_mistakes_are_reported(run: Run, arguments: list[str], code: int, said: str) -> None:
    run("rates", "import", str(CARD), "--name", "meta-usd", *FROM)
    run("campaign", "load", "spring.toml")
    done = run(*arguments)
    assert (done.code, said in done.err) == (code, True), done.err


def test_the_estimate_of_a_draft_needs_no_secret(run: Run, folder: Path) -> None:
    settle(folder, 'price = "10 XOF"')
    run("campaign", "load", "spring.toml")
    done = run("campaign", "estimate", "spring", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["recipients"], told["sends"], told["skips"], told["forms"]) == (3, 3, {}, {"free": 3})
    assert (told["currency"], told["low"], told["high"], told["unpriced"]) == ("XOF", "30.00", "30.00", 0)
    assert (told["duration_seconds"], told["bound_by"]) == (0.002, "delay_between")
    assert datetime.fromisoformat(told["ends_at"]) >= datetime.fromisoformat(told["at"])
    shown = run("campaign", "estimate", "spring").out
    assert "30.00 to 30.00 XOF" in shown
    assert "limited by delay_between" in shown


def test_without_a_price_the_estimate_reports_none(run: Run) -> None:
    run("campaign", "load", "spring.toml")
    told = json.loads(run("campaign", "estimate", "spring", "--json").out)
    assert (told["totals"], told["unpriced"]) == ([], 3)
    [line] = told["by_country_and_category"]
    assert (line["low"], line["high"], line["unpriced"]) == (None, None, 3)
    shown = run("campaign", "estimate", "spring").out
    assert "it is not counted as 0" in shown
    assert re.search(r"\b0\.00\b", shown) is None


def test_a_card_that_an_account_names_prices_its_campaigns(run: Run, folder: Path) -> None:
    settle(folder, 'rates = "mine"')
    (folder / "mine.csv").write_text("market,service\nUnited Kingdom,0.01\n")
    run("rates", "import", "mine.csv", "--name", "mine", *FROM)
    run("campaign", "load", "spring.toml")
    told = json.loads(run("campaign", "estimate", "spring", "--json").out)
    assert (told["currency"], told["low"], told["high"]) == ("USD", "0.03", "0.03")


def test_approval_above_an_amount_knows_the_worst_case(run: Run, folder: Path) -> None:
    settle(folder, 'price = "10 XOF"')
    file = folder / "drumbeat.toml"
    for amount, code in (("29.00", 6), ("30.00", 0)):
        limits = f'[approval]\namount = "{amount}"\ncurrency = "XOF"\n'
        file.write_text(file.read_text().partition("[approval]")[0] + limits)
        run("campaign", "load", "spring.toml")
        done = run("campaign", "start", "spring")
        assert done.code == code, done.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('price = "ten"', 'such as "10 XOF"'),
        ("price = 10", 'such as "10 XOF"'),
        ('price = "10 XOF"\nrates = "meta-usd"', "give either rates or price"),
        ('authentication_international_from = "Nigeria"', "two letters"),
        ('rates = "Meta"', "rates"),
    ],
)
def test_a_wrong_price_in_the_settings_is_named(run: Run, folder: Path, line: str, said: str) -> None:
    settle(folder, line)
    done = run("campaign", "list")
    assert (done.code, said in done.err) == (5, True), done.err

"""Metrics and logs while messages are sent: every call is counted, and no log line shows a number or a secret."""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select
from starlette.applications import Starlette

from app.wiring.logs import Format, set_up_logs
from providers.ourvoice.adapter import OurVoice
from storage.database.engine import reading
from storage.tables.runs import attempts
from tests.acceptance.conftest import World
from tests.support.campaigns import later, phone, spec, store_people
from tests.support.databases import fresh_database
from tests.support.emulator import running_emulator
from tests.support.project import CAMPAIGN, drumbeat, started, write_project
from web.monitoring.metrics import Limits, Metrics
from web.monitoring.watching import watching_routes

KEY = "test-key"
REFUSED = 908
"""The emulator refuses the invented recipient of that number."""


def samples(body: str) -> dict[str, float]:
    """By name and label values."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


async def metrics_of(world: World, metrics: Metrics) -> str:
    app = Starlette(routes=watching_routes(world.engine, metrics, needs_runner=True))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://watch.test") as client:
        return (await client.get("/metrics")).text


async def test_every_call_is_counted_once(world: World) -> None:
    await world.tell("POST", "/_faults", {"kind": "429", "times": 1, "method": "POST", "path": "/messages"})
    people = [phone(number) for number in (*range(20), REFUSED)]
    await store_people(world.engine, spec(pace={"delay_between": 1}), people, rotate=0, start_at=later(0))
    metrics = Metrics(world.engine, Limits({}, {}))
    await world.run(observe=metrics.call_ended)
    body = await metrics_of(world, metrics)
    found = samples(body)
    took = found["drumbeat_messages_total ourvoice/shop accepted"]
    assert took == len(await world.ledger()) == 20
    assert found["drumbeat_messages_total ourvoice/shop throttled"] >= 1
    async with reading(world.engine) as connection:
        made = await connection.execute(select(func.count(), func.count(attempts.c.call.distinct())))
        messages, calls = made.one()
    assert sum(found[name] for name in found if name.startswith("drumbeat_messages_total")) == messages
    assert found["drumbeat_call_seconds_count ourvoice"] == calls
    assert found["drumbeat_lane_rate ourvoice/shop"] > 0
    assert "spring" not in body
    assert phone(1)[1:] not in body


@pytest.fixture
def loud(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """All that any library says is logged, as it would be."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.usefixtures("loud")
async def test_no_line_shows_a_number_or_a_secret(
    sqlite_world: World, form: Format, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries log their SQL here, and a failing adapter and a provider that echoes say whom it was about."""
    world, read = sqlite_world, OurVoice.read
    answers: list[Any] = []

    def breaking(self: OurVoice, reply: Any, call: Any) -> Any:
        answers.append(reply)
        if len(answers) == 5:
            raise ValueError(f"cannot read the answer about {call.to[0]}, or {call.to[0][1:]}")
        return read(self, reply, call)

    monkeypatch.setattr(OurVoice, "read", breaking)
    set_up_logs(verbose=True, format=form)
    logging.getLogger().setLevel(logging.DEBUG)
    await world.tell("POST", "/_faults", {"kind": "429", "times": 1, "method": "POST", "path": "/messages"})
    await world.campaign(spec(pace={"delay_between": 1}), 12)
    await world.run()
    lines = capsys.readouterr().err.splitlines()
    logging.getLogger().setLevel(logging.CRITICAL)  # the database's threads outlive what they would write to
    text = "\n".join(lines)
    assert Counter(row.state for row in await world.jobs()).keys() <= {"read", "delivered", "in_doubt"}
    assert "The adapter failed." in text
    assert "INSERT INTO" in text
    assert text.count("***") > 12
    for number in range(12):
        assert phone(number)[1:] not in text
    assert KEY not in text
    if form == "json":
        _assert_ids([json.loads(line) for line in lines], await world.jobs())


def _assert_ids(lines: list[dict[str, Any]], jobs: list[Any]) -> None:
    refused = [line for line in lines if line.get("action") == "message_refused"]
    assert {line["kind"] for line in refused} == {"throttled", "unknown"}
    for line in refused:
        assert line["lane"] == "ourvoice/shop"
        assert line["run"] == jobs[0].run_id
        assert line["job"] in {row.id for row in jobs}
        assert line["call"]
    assert any(line.get("action") == "lane_paused" and line["lane"] == "ourvoice/shop" for line in lines)


def scrape(address: str) -> dict[str, float]:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return samples(answer.read().decode())


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with running_emulator(sent_after=0.05) as running:
        yield running.base_url


def test_a_runner_is_watched_from_outside(tmp_path: Path, emulator: str) -> None:
    """Its log is JSON to the last line, and names the address where it is watched."""
    folder = write_project(
        tmp_path,
        port=int(emulator.rpartition(":")[2]),
        campaign=CAMPAIGN.replace("delay_between = 1", "delay_between = 60000"),
    )
    assert drumbeat(folder, "campaign", "load", "spring.toml", "--now").code == 3
    with started(folder, "--log-format", "json", "run", "--metrics-port", "0") as process:
        assert process.stderr is not None
        said = [json.loads(process.stderr.readline())]
        address = said[0]["message"].removeprefix("Metrics are at ").removesuffix("/metrics.")
        deadline = time.monotonic() + 30
        while not (found := scrape(f"{address}/metrics")).get(
            "drumbeat_messages_total ourvoice/shop accepted"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert found["drumbeat_call_seconds_count ourvoice"] == 1
        with urllib.request.urlopen(f"{address}/health/ready", timeout=10) as answer:
            assert json.load(answer) == {"status": "ok", "database": "ok", "runner": "ok"}
        process.terminate()
        _, rest = process.communicate(timeout=30)
    said += [json.loads(line) for line in rest.splitlines()]
    assert said[-1]["message"].startswith("Stopping")


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path, emulator: str) -> None:
    folder = write_project(tmp_path)
    drumbeat(folder, "campaign", "load", "spring.toml", "--now")
    done = drumbeat(folder, "run", "--until-idle", "--metrics-port", emulator.rpartition(":")[2])
    assert done.code == 2
    assert done.err.endswith("Try: --metrics-port 0\n")


def test_a_worker_without_a_clock_is_not_ready(tmp_path: Path, postgres: str) -> None:
    folder = write_project(tmp_path)
    with fresh_database(postgres) as url:
        assert drumbeat(folder, "--database", url, "db", "upgrade").code == 0
        with started(folder, "--database", url, "worker", "--metrics-port", "0") as process:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "Metrics are at" in line)
            address = said.split()[-1].removesuffix("/metrics.")
            with pytest.raises(HTTPError) as refused:
                urllib.request.urlopen(f"{address}/health/ready", timeout=10)
            assert json.load(refused.value)["runner"] == "none was seen recently"
            with urllib.request.urlopen(f"{address}/health/live", timeout=10) as answer:
                assert answer.status == 200
            assert scrape(f"{address}/metrics")["drumbeat_leaders"] == 0
            process.terminate()
            process.communicate(timeout=30)

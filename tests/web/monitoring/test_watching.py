"""What a monitor reads over HTTP: metrics with bounded labels, and whether the process is healthy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text
from starlette.applications import Starlette

from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.time.clock import utc_now
from scheduler.sending.instrumentation import CallEnded
from storage.database.engine import Engine, open_engine, writing
from storage.sending.workers import SILENT, WorkerRow, report_worker
from web.monitoring.cached import Cached
from web.monitoring.metrics import Limits, Metrics
from web.monitoring.watching import watching_routes

LIMITS = Limits({"ourvoice/shop": 80.0}, {"ourvoice": 100.0})


@asynccontextmanager
async def watching(
    engine: Engine, metrics: Metrics | None = None, *, needs_runner: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    routes = watching_routes(engine, metrics or Metrics(engine, LIMITS), needs_runner=needs_runner)
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://watch.test") as client:
        yield client


def samples(body: str) -> dict[str, float]:
    """By name and label values: `drumbeat_backlog ourvoice/shop due`."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


async def lead(engine: Engine, *, seconds_ago: float = 0, leads: bool = True) -> None:
    now = utc_now()
    seen_at = now - (SILENT * seconds_ago / SILENT.total_seconds())
    async with writing(engine) as connection:
        await report_worker(connection, WorkerRow("runner a", "runner", "host", 1, None, leads, now, seen_at))


async def test_calls_are_counted_by_lane_and_outcome(sqlite_engine: Engine) -> None:
    metrics = Metrics(sqlite_engine, LIMITS)
    refused = Refused(FailureKind.RECIPIENT, "131026", "no such number")
    metrics.call_ended(CallEnded("ourvoice", "ourvoice/shop", [Accepted("m1"), Accepted("m2")], 120))
    metrics.call_ended(CallEnded("ourvoice", "ourvoice/shop", [refused], 80))
    metrics.call_ended(CallEnded("ourvoice", "ourvoice/help", [refused], None))
    async with watching(sqlite_engine, metrics) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = samples(answer.text)
    assert found["drumbeat_messages_total ourvoice/shop accepted"] == 2
    assert found["drumbeat_messages_total ourvoice/shop recipient"] == 1
    assert found["drumbeat_messages_total ourvoice/help recipient"] == 1
    assert found["drumbeat_call_seconds_count ourvoice"] == 2
    assert found["drumbeat_call_seconds_sum ourvoice"] == pytest.approx(0.2)
    assert found["drumbeat_call_seconds_bucket ourvoice 0.1"] == 1
    assert found["drumbeat_lane_limit ourvoice/shop"] == 80
    assert found["drumbeat_account_limit ourvoice"] == 100
    assert found["drumbeat_database_up"] == 1
    assert found["process_resident_memory_bytes"] > 0
    assert "131026" not in answer.text


async def test_openmetrics_is_spoken_to_who_asks_for_it(sqlite_engine: Engine) -> None:
    async with watching(sqlite_engine) as client:
        answer = await client.get(
            "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_a_scrape_costs_the_database_nothing_while_the_last_is_fresh(sqlite_engine: Engine) -> None:
    asked: list[str] = []
    async with watching(sqlite_engine) as client:
        event.listen(
            sqlite_engine.sync_engine, "before_cursor_execute", lambda *values: asked.append(values[2])
        )
        await asyncio.gather(*(client.get("/metrics") for _ in range(5)))
        first = len(asked)
        await client.get("/metrics")
    assert 0 < first < 15
    assert len(asked) == first


async def test_an_unreachable_database_is_reported_and_other_metrics_stay(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'none' / 'drumbeat.db'}")
    metrics = Metrics(engine, LIMITS)
    metrics.call_ended(CallEnded("ourvoice", "ourvoice/shop", [Accepted("m1")], 120))
    async with watching(engine, metrics) as client:
        found = samples((await client.get("/metrics")).text)
        live, ready = await client.get("/health/live"), await client.get("/health/ready")
    await engine.dispose()
    assert found["drumbeat_database_up"] == 0
    assert found["drumbeat_messages_total ourvoice/shop accepted"] == 1
    assert "drumbeat_leaders" not in found
    assert live.status_code == 200
    assert (ready.status_code, ready.json()["database"]) == (503, "does not answer")


async def test_ready_when_the_database_is_right_and_somebody_leads(engine: Engine) -> None:
    await lead(engine)
    async with watching(engine) as client:
        ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "database": "ok", "runner": "ok"})


@pytest.mark.parametrize(("seconds_ago", "leads"), [(16, True), (0, False)])
async def test_not_ready_without_a_leader(engine: Engine, seconds_ago: float, leads: bool) -> None:
    await lead(engine, seconds_ago=seconds_ago, leads=leads)
    async with watching(engine) as client:
        ready = await client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json() == {
        "status": "not ready",
        "database": "ok",
        "runner": "none was seen recently",
    }


async def test_webhooks_are_accepted_without_a_leader(engine: Engine) -> None:
    async with watching(engine, needs_runner=False) as client:
        ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()["runner"]) == (200, "none was seen recently")


async def test_not_ready_with_a_database_of_another_version(engine: Engine) -> None:
    await lead(engine)
    async with writing(engine) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    async with watching(engine) as client:
        ready = await client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["database"].startswith("at revision 0001, 0")


async def test_an_error_is_not_kept_and_a_slow_reading_is_given_up_but_not_cut_off() -> None:
    begun, go_on = [], asyncio.Event()

    async def read() -> int:
        begun.append(1)
        if len(begun) == 1:
            raise OSError
        await go_on.wait()
        return len(begun)

    kept = Cached(read, seconds=60, patience=0.01)
    with pytest.raises(OSError):
        await kept.get()
    with pytest.raises(TimeoutError):
        await kept.get()
    go_on.set()
    assert await kept.get() == 2
    assert await kept.get() == 2
    assert len(begun) == 2


async def test_the_last_values_of_a_slow_database_are_repeated(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lead(sqlite_engine)
    monkeypatch.setattr("web.monitoring.metrics.KEPT", 0.0)
    monkeypatch.setattr("web.monitoring.cached.SHARE", 0)
    monkeypatch.setattr("web.monitoring.metrics.PATIENCE", 0.2)
    metrics = Metrics(sqlite_engine, LIMITS)
    async with watching(sqlite_engine, metrics) as client:
        first = samples((await client.get("/metrics")).text)
        slow = asyncio.Event()

        async def wait(*_: object) -> None:
            await slow.wait()
            raise OSError

        monkeypatch.setattr("web.monitoring.metrics.read_metrics", wait)
        second = samples((await client.get("/metrics")).text)
        slow.set()
        third = samples((await client.get("/metrics")).text)
    assert (first["drumbeat_leaders"], second["drumbeat_leaders"]) == (1, 1)
    assert first["drumbeat_standing_timestamp_seconds"] == second["drumbeat_standing_timestamp_seconds"]
    assert third["drumbeat_database_up"] == 0

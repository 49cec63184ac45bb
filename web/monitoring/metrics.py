"""Metrics for Prometheus. The only file that imports prometheus-client.

What this process does is counted as it happens (`Metrics.call_ended` is the scheduler's `Observe`); what the database
knows is read on request, and cached for a few seconds. Labels are bounded by the settings and by closed lists: lanes,
accounts, outcomes, rules, states. No campaign, no phone and no provider's own code is ever one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from campaigns.frozen import frozen
from campaigns.outcomes import Accepted
from campaigns.time.clock import utc_now
from scheduler.sending.instrumentation import CallEnded
from storage.database.engine import Engine, is_sqlite, reading
from storage.sending.workers import SILENT, server_time
from storage.views.metrics_snapshot import MetricsSnapshot, read_metrics
from web.monitoring.cached import Cached
from web.monitoring.lag import allowed_paces, lane_lag

logger = logging.getLogger(__name__)

KEPT: Final = 5.0
"""Seconds for which database metrics are cached."""
PATIENCE: Final = 10.0
"""Seconds for the database to answer in; a scraper gives up after about as many."""
BUCKETS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds of a call."""


@frozen
class Limits:
    """Messages per second that the settings allow; what has no limit is not in it."""

    lanes: Mapping[str, float]
    accounts: Mapping[str, float]
    default_gaps: Mapping[str, timedelta] = field(default_factory=dict)
    """By account, the least time between two messages where a campaign names none."""


class Metrics:
    """The measures of one process, and of the database that it works on."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._snapshot = Cached(self._read_snapshot, KEPT, PATIENCE)
        self._registry = CollectorRegistry()
        self._database = _DatabaseCollector(limits)
        self._messages = Counter(
            "drumbeat_messages",
            "Messages that this process called a provider for, by outcome.",
            ["lane", "outcome"],
            registry=self._registry,
        )
        self._calls = Histogram(
            "drumbeat_call_seconds",
            "How long this process's calls to a provider took.",
            ["account"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        for collector in (self._database, ProcessCollector(registry=None), PlatformCollector(registry=None)):
            self._registry.register(collector)

    def call_ended(self, call: CallEnded) -> None:
        """Count it."""
        for result in call.results:
            outcome = "accepted" if isinstance(result, Accepted) else result.kind.value
            self._messages.labels(call.lane, outcome).inc()
        if call.latency_ms is not None:
            self._calls.labels(call.account).observe(call.latency_ms / 1000)

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type, as the scraper's `Accept` asks. If the database is slow, its last
        values are repeated; if it fails, they are left out and `drumbeat_database_up` is 0."""
        try:
            self._database.metrics_snapshot = await self._snapshot.get()
        except TimeoutError:
            logger.warning(
                "The database is slow to answer the metrics query.", extra={"action": "metrics_late"}
            )
        except Exception as error:
            logger.warning("The database does not answer: %s", error, extra={"action": "metrics_failed"})
            self._database.metrics_snapshot = None
        encode, content_type = choose_encoder(accept)
        return await asyncio.to_thread(encode, self._registry), content_type

    async def _read_snapshot(self) -> MetricsSnapshot:
        async with reading(self._engine) as connection:
            now = utc_now() if is_sqlite(connection) else await server_time(connection)
            return await read_metrics(connection, now, now - SILENT)


class _DatabaseCollector(Collector):
    """Makes gauges of the last `metrics_snapshot`."""

    def __init__(self, limits: Limits) -> None:
        self.metrics_snapshot: MetricsSnapshot | None = None
        self._limits = limits

    def describe(self) -> Iterable[Metric]:
        """None beforehand: all names are in this file."""
        return ()

    def collect(self) -> Iterator[Metric]:
        metrics_snapshot, limits = self.metrics_snapshot, self._limits
        yield _one(
            "database_up",
            "Whether the database answered the query for these metrics.",
            metrics_snapshot is not None,
        )
        yield _by("lane_limit", "Messages per second that a lane may send.", "lane", limits.lanes)
        yield _by(
            "account_limit", "Requests per second that an account may make.", "account", limits.accounts
        )
        if metrics_snapshot is not None:
            yield _one(
                "standing_timestamp_seconds",
                "When the database metrics were read.",
                metrics_snapshot.at.timestamp(),
            )
            yield from _of_lanes(metrics_snapshot, _lags(metrics_snapshot, limits))
            yield from _of_webhooks(metrics_snapshot)
            yield from _of_the_whole(metrics_snapshot)


def _lags(metrics_snapshot: MetricsSnapshot, limits: Limits) -> dict[str, float]:
    due = metrics_snapshot.due
    paces = allowed_paces(due, limits.lanes, limits.accounts, limits.default_gaps)
    return {lane: lane_lag(metrics_snapshot.at, due[lane], paces[lane]) for lane in due}


def _of_lanes(metrics_snapshot: MetricsSnapshot, lags: Mapping[str, float]) -> Iterator[Metric]:
    yield _by("lane_rate", "Messages per second started on a lane recently.", "lane", metrics_snapshot.rates)
    yield _by("lane_paused", "Whether a lane is paused.", "lane", metrics_snapshot.paused)
    yield _by("lane_lag_seconds", "By how much a lane is behind its allowed pace.", "lane", lags)
    yield _by("in_doubt", "Messages that may or may not have been sent.", "lane", metrics_snapshot.in_doubt)
    backlog = GaugeMetricFamily(
        "drumbeat_backlog", "Messages that wait, by the rule that delays them.", labels=["lane", "rule"]
    )
    for labels, count in metrics_snapshot.backlog.items():
        backlog.add_metric(labels, count)
    yield backlog


def _of_webhooks(metrics_snapshot: MetricsSnapshot) -> Iterator[Metric]:
    yield _by("webhooks_waiting", "Webhooks not processed yet.", "account", metrics_snapshot.webhooks)
    yield _by(
        "webhook_lag_seconds", "How long the oldest has waited.", "account", metrics_snapshot.webhook_lag
    )
    refusals = CounterMetricFamily(
        "drumbeat_webhook_refusals", "Webhooks refused for their signature.", labels=["account"]
    )
    for account, count in metrics_snapshot.refusals.items():
        refusals.add_metric([account], count)
    yield refusals
    not_understood = CounterMetricFamily(
        "drumbeat_webhook_not_understood",
        "Parts of webhooks whose meaning is not known; drumbeat provider notices names them.",
        labels=["account"],
    )
    for account, count in metrics_snapshot.not_understood.items():
        not_understood.add_metric([account], count)
    yield not_understood


def _of_the_whole(metrics_snapshot: MetricsSnapshot) -> Iterator[Metric]:
    yield _by("runs", "Runs that have not ended.", "state", metrics_snapshot.runs)
    yield _by("processes", "Processes seen recently.", "kind", metrics_snapshot.processes)
    yield _one("leaders", "Processes that lead (keep the clock); should be 1.", metrics_snapshot.leaders)


def _one(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"drumbeat_{name}", documentation, value=float(value))


def _by(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"drumbeat_{name}", documentation, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family

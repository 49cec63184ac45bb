"""The lag of a lane is measured against the pace that it is allowed, not against the end of its backlog."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from campaigns.spec.campaign_spec import PaceSpec
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, reading
from storage.views.metrics_snapshot import LAG_OVER, LaneDue, read_metrics
from tests.storage.views.test_metrics_snapshot import call
from tests.support.campaigns import later, spec, store_campaign
from tests.support.cases import each
from web.monitoring.lag import allowed_paces, lane_lag
from web.monitoring.metrics import Limits, _lags

NOW = later(10_000)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def due(since: float, begun: int, last: float | None, **pace: Any) -> LaneDue:
    last_begun_at = None if last is None else ago(last)
    paces = (("ourvoice", PaceSpec.model_validate(pace)),)
    return LaneDue(ago(since), paces, begun, NOW - LAG_OVER, last_begun_at)


@each(
    ("waiting", "per_second", "lag"),
    [
        pytest.param(due(7_200, 600, 0.3), 2.0, 0, id="two hours of backlog, sent at its pace"),
        pytest.param(due(7_200, 300, 0.3), 2.0, 149.5, id="at half its pace: half of the five minutes"),
        pytest.param(due(7_200, 200, 90), 2.0, 199.5, id="it sent until a minute and a half ago"),
        pytest.param(due(7_200, 0, 1_800), 2.0, 1_799.5, id="nothing for half an hour"),
        pytest.param(due(7_200, 5, 40), 1 / 60, 0, id="one a minute, and its turn has not come"),
        pytest.param(due(7_200, 3, 130), 1 / 60, 70, id="one a minute, and its turn has passed"),
        pytest.param(due(30, 600, 200), 2.0, 29.5, id="due for half a minute, after an idle time"),
        pytest.param(due(1, 0, None), 2.0, 0, id="just launched"),
        pytest.param(due(7_200, 90_000, 0.2), float("inf"), 0, id="no limit, and it sends"),
        pytest.param(due(7_200, 0, 300), float("inf"), 300, id="no limit, and it does not"),
    ],
)
def test_the_lag_of_a_lane(waiting: LaneDue, per_second: float, lag: float) -> None:
    assert lane_lag(NOW, waiting, per_second) == pytest.approx(lag)


def test_the_tightest_limit_is_the_allowed_pace() -> None:
    waiting = {
        "ourvoice/free": due(1, 0, None, delay_between=0),
        "ourvoice/gap": due(1, 0, None, delay_between=500),
        "ourvoice/default": due(1, 0, None),
        "ourvoice/jitter": due(1, 0, None, delay_between=500, jitter="500ms"),
        "ourvoice/own": due(1, 0, None, delay_between=0, rate="30/min"),
    }
    paces = allowed_paces(
        waiting, {"ourvoice/gap": 1.5}, {"ourvoice": 50.0}, {"ourvoice": timedelta(seconds=4)}
    )
    assert paces == {
        "ourvoice/free": 10.0,
        "ourvoice/gap": 1.5,
        "ourvoice/default": 0.25,
        "ourvoice/jitter": 1.0,
        "ourvoice/own": 0.5,
    }


async def test_what_is_read_makes_the_lag(engine: Engine) -> None:
    await call(engine, [second * 2.0 for second in range(100)])
    await store_campaign(engine, spec("other", pace={"delay_between": 1000}), 5)
    await launch_due(engine, now=lambda: later(0))
    async with reading(engine) as connection:
        found = await read_metrics(connection, later(200), later(0))
    [waiting] = found.due.values()
    assert (waiting.begun, waiting.counted_since) == (100, later(200) - LAG_OVER)
    assert sorted(pace.delay_between or 0 for _, pace in waiting.paces) == [0, 1000]
    limits = Limits({"ourvoice/shop": 1.0}, {})
    assert _lags(found, limits) == {"ourvoice/shop": pytest.approx(199)}, "no send was noted"

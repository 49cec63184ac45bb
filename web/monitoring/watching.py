"""The monitoring endpoints: metrics, and the health of this process.

GET  /metrics         for Prometheus
GET  /health/live     200 as long as this process answers at all
GET  /health/ready    200 when it can do its work, else 503; the body shows what is missing
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from campaigns.frozen import frozen
from campaigns.time.clock import utc_now
from storage.database.engine import Engine, is_sqlite, reading
from storage.database.schema import current, newest
from storage.sending.workers import SILENT, server_time
from storage.views.metrics_snapshot import anyone_leads
from web.monitoring.cached import Cached
from web.monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

METRICS: Final = "/metrics"
LIVE: Final = "/health/live"
READY: Final = "/health/ready"
KEPT: Final = 1.0
PATIENCE: Final = 5.0
"""Seconds for the database to answer in."""
WELL: Final = "ok"


@frozen
class Health:
    """The state of each part: WELL, or what is wrong with it."""

    database: str
    runner: str


def watching_routes(engine: Engine, metrics: Metrics, *, needs_runner: bool) -> list[Route]:
    """`needs_runner`: whether this process needs a leading runner or clock to be ready. One that only receives webhooks
    does not: they wait in the database."""
    needed = newest()
    health = Cached(lambda: _look(engine, needed), KEPT, PATIENCE)

    async def measure(request: Request) -> Response:
        body, content_type = await metrics.text(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    async def live(_: Request) -> Response:
        return JSONResponse({"status": WELL})

    async def ready(_: Request) -> Response:
        try:
            found = await health.get()
        except Exception as error:
            logger.warning("The database does not answer: %s", error, extra={"action": "readiness_failed"})
            found = Health("does not answer", "not known")
        well = found.database == WELL and (found.runner == WELL or not needs_runner)
        body = {
            "status": WELL if well else "not ready",
            "database": found.database,
            "runner": found.runner,
        }
        return JSONResponse(body, 200 if well else 503)

    return [Route(METRICS, measure), Route(LIVE, live), Route(READY, ready)]


async def _look(engine: Engine, needed: str | None) -> Health:
    found = await current(engine)
    if found != needed:
        return Health(f"at revision {found or 'none'}, {needed} is needed", "not known")
    return Health(WELL, WELL if await _led(engine) else "none was seen recently")


async def _led(engine: Engine) -> bool:
    async with reading(engine) as connection:
        now = utc_now() if is_sqlite(connection) else await server_time(connection)
        return await anyone_leads(connection, now - SILENT)

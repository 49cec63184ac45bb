"""What an estimate costs: `python -m benchmarks estimating`.

Of a campaign with a cap and allowed hours, on both databases. The limit: `report delivery` of as many jobs, plus a
plain read of the audience, at which an estimate must look anyway.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

from sqlalchemy import select, text

from app.views.campaigns.estimates import estimate_campaign
from app.views.reports.reports import delivery_report
from app.wiring.settings import Settings
from benchmarks.figures import measured, show
from benchmarks.seeding import ACCOUNT, DATABASES, campaign, meta_account, store
from scheduler.clock.launch import launch_due
from storage.database.engine import Connection, open_engine, reading, writing
from storage.runs.editions import of_audience
from storage.tables.audience import recipients
from terminal.running import run_loop

SIZE: Final = 100_000
MILLION: Final = 1_000_000
BAR: Final = 10.0
"""How many times the limit an estimate may take."""
SECONDS_BAR: Final = 2.0
"""Of 100,000 people: as long as a person waits who looks at a page."""
RULES: Final[dict[str, Any]] = {"hours": {"allow": "08:00-20:00"}}
_DELIVERED: Final = text(
    "UPDATE jobs SET state = 'delivered', attempts = 1, accepted_at = due_at, delivered_at = due_at, "
    "provider_message_id = 'wamid.' || CAST(id AS TEXT) WHERE id % 10 < 8"
)


def report(size: int = SIZE) -> bool:
    """Print every figure; whether each bar is met."""
    print(f"estimate: {size:,} people; limit: report delivery of as many jobs and a read of the audience")
    well = True
    for kind in DATABASES:
        done = measured("estimating", size, kind)
        limit = done["report_s"] + done["read_s"]
        show(f"{kind}: report and read", [limit], "s")
        bar = SECONDS_BAR if size == SIZE else None
        well &= show(f"{kind}: estimate", [done["estimate_s"]], "s", below=bar)
        well &= show("", [done["estimate_s"] / limit], "x limit", below=BAR, digits=1)
    return well


async def _measure(size: int, kind: str) -> dict[str, float]:
    with DATABASES[kind]() as url, TemporaryDirectory() as folder:
        engine = open_engine(url)
        await store(engine, campaign(**RULES), size)
        settings = Settings(url, {ACCOUNT: meta_account(1, Path(folder))})
        figures = {}
        async with reading(engine) as connection:
            began = perf_counter()
            await estimate_campaign(connection, campaign().name, settings)
            figures["estimate_s"] = perf_counter() - began
            began = perf_counter()
            await _read(connection)
            figures["read_s"] = perf_counter() - began
        await launch_due(engine)
        async with writing(engine) as connection:
            await connection.execute(_DELIVERED)
        async with reading(engine) as connection:
            began = perf_counter()
            await delivery_report(connection, campaign().name)
            figures["report_s"] = perf_counter() - began
        await engine.dispose()
    return figures


async def _read(connection: Connection) -> None:
    """Every person, with what an estimate asks of them."""
    person = recipients.c
    columns = (person.phone, person.region, person.timezone, person.consent_at, person.bucket, person.send_at)
    async with connection.stream(select(*columns).where(of_audience(1)).order_by(person.phone)) as rows:
        async for _ in rows.partitions(1_000):
            pass


if __name__ == "__main__":
    print(json.dumps(run_loop(_measure(int(sys.argv[1]), sys.argv[2]))))

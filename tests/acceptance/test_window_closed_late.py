"""Meta accepts a free-form message and reports later that the person's window was closed: the template is sent in its
place, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from campaigns.money.costs import Money
from scheduler.receipts.inbox import process_inbox
from scheduler.sending.lanes import open_account
from storage.database.engine import Engine, reading, writing
from storage.receipts.inbox import Arrival, keep_webhooks
from storage.sending.windows import INBOUND, Opening, extend_windows
from storage.tables.contacts import touches
from storage.tables.money import budgets, reservations
from storage.tables.runs import events, jobs, runs
from tests.acceptance.test_refused import NOON, Bench, bench_at
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, phone

BOTH = {"text": "Hi {{ first_name }}", "template": TEMPLATE}
CLOSED = {
    "code": 131047,
    "title": "Re-engagement message",
    "message": "Re-engagement message",
    "error_data": {"details": "Message failed to send because more than 24 hours have passed."},
}


async def free_form_taken(engine: Engine, folder: Path, **tables: Any) -> Bench:
    """One message, sent as the free form in a window that we believe to be open."""
    bench = await bench_at(engine, "meta", folder, 1, **{"content": BOTH, **tables})
    bench.account = account_at("meta", folder / "key", price="0.01 USD")
    async with writing(engine) as connection:
        await extend_windows(
            connection, [Opening(phone(0), "meta/one", NOON + timedelta(hours=8), INBOUND)], NOON
        )
    await bench.transport.tell("POST", "/meta/_control/inbound", {"from": phone(0), "text": "Hello"})
    await bench.run()
    assert [row.form for row in await job_rows(engine)] == ["text"]
    return bench


async def report(bench: Bench, at: datetime, *statuses: dict[str, Any]) -> None:
    """A webhook of Meta with these statuses, taken at that time."""
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "106540352242922"}}
    change = {"field": "messages", "value": {**value, "statuses": list(statuses)}}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
    async with writing(bench.engine) as connection:
        arrival = Arrival("meta", at, "http://hooks.test/webhooks/meta", "{}", orjson.dumps(body))
        await connection.run_sync(lambda blocking: keep_webhooks(blocking, [arrival]))
    account = open_account("meta", bench.account, transport=bench.wall)
    try:
        await process_inbox(bench.engine, {"meta": account}, now=lambda: at)
    finally:
        await account.http.aclose()
    bench.at = at


async def status(bench: Bench, message_id: str, name: str, at: datetime, **more: Any) -> dict[str, Any]:
    async with reading(bench.engine) as connection:
        token = await connection.scalar(select(runs.c.token))
    return {
        "id": message_id,
        "status": name,
        "timestamp": str(int(at.timestamp())),
        "recipient_id": phone(0)[1:],
        "biz_opaque_callback_data": f"{token}.1",
        **more,
    }


async def closed(bench: Bench, message_id: str, seconds: float = 10) -> None:
    at = NOON + timedelta(seconds=seconds)
    await report(
        bench, at, await status(bench, message_id, "failed", NOON + timedelta(seconds=9), errors=[CLOSED])
    )


async def sent_types(bench: Bench) -> Sequence[str]:
    return [message["type"] for message in await bench.transport.ledger()]


async def test_the_template_goes_in_the_place_of_the_free_form_once(engine: Engine, tmp_path: Path) -> None:
    bench = await free_form_taken(engine, tmp_path)
    [job] = await job_rows(engine)
    old = job.provider_message_id
    await closed(bench, old)
    await closed(bench, old, 11)
    [job] = await job_rows(engine)
    assert (job.state, job.held_by, job.provider_message_id) == ("pending", "use_template", None)
    await bench.run()
    await closed(bench, old, 20)
    await bench.run()
    [job] = await job_rows(engine)
    assert (job.state, job.form) == ("accepted", "template")
    assert await sent_types(bench) == ["text", "template"]
    await closed(bench, job.provider_message_id, 30)
    await bench.run()
    [job] = await job_rows(engine)
    assert (job.state, job.code) == ("failed", "131047")
    assert await sent_types(bench) == ["text", "template"]


async def test_what_the_free_form_had_reserved_is_reserved_for_the_template_alone(
    engine: Engine, tmp_path: Path
) -> None:
    budget = {"currency": "USD", "max": "1.00"}
    caps = [{"max": 1, "per": "7d"}]
    bench = await free_form_taken(engine, tmp_path, budget=budget, caps=caps)
    [job] = await job_rows(engine)
    await closed(bench, job.provider_message_id)
    async with reading(engine) as connection:
        assert (await connection.execute(select(reservations))).all() == []
        assert (await connection.execute(select(touches))).all() == []
    await bench.run()
    assert await sent_types(bench) == ["text", "template"]
    async with reading(engine) as connection:
        [reserved] = await connection.scalars(select(budgets.c.reserved_micros))
        assert reserved == Money(Decimal("0.01"), "USD").micros


async def test_a_repeated_failure_of_the_free_form_is_not_the_templates(
    engine: Engine, tmp_path: Path
) -> None:
    """The template is in doubt when Meta repeats the old failure: it has the same reference."""
    bench = await free_form_taken(engine, tmp_path)
    [job] = await job_rows(engine)
    old = job.provider_message_id
    await closed(bench, old)
    async with writing(engine) as connection:
        in_doubt = {"state": "in_doubt", "held_by": None, "form": "template"}
        await connection.execute(jobs.update().values(**in_doubt))
    await closed(bench, old, 40)
    [job] = await job_rows(engine)
    assert (job.state, job.provider_message_id) == ("in_doubt", None)
    at = NOON + timedelta(seconds=50)
    await report(bench, at, await status(bench, "wamid.NEW", "delivered", at))
    [job] = await job_rows(engine)
    assert (job.state, job.provider_message_id) == ("delivered", "wamid.NEW")


@pytest.mark.parametrize("lacks", ["template", "time"])
async def test_without_a_template_or_time_it_has_failed(
    sqlite_engine: Engine, tmp_path: Path, lacks: str
) -> None:
    content = {"text": "Hi"} if lacks == "template" else BOTH
    bench = await free_form_taken(sqlite_engine, tmp_path, content=content)
    if lacks == "time":
        async with writing(sqlite_engine) as connection:
            await connection.execute(runs.update().values(expires_at=NOON + timedelta(seconds=10)))
    [job] = await job_rows(sqlite_engine)
    await closed(bench, job.provider_message_id)
    [job] = await job_rows(sqlite_engine)
    assert (job.state, job.code, job.free_refused_at) == ("failed", "131047", None)
    async with reading(sqlite_engine) as connection:
        [touch] = await connection.execute(select(touches))
        names = list(await connection.scalars(select(events.c.event).order_by(events.c.id)))
    assert touch.void
    assert names[-1] == "failed"

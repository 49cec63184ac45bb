"""The ingress answers 200 only for what is verified and committed, and nothing from outside makes it stumble."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import event, text

import storage.receipts.inbox
import web.webhooks.ingress
import web.webhooks.recorder
from campaigns.errors import UsageError
from providers.events import WebhookRequest
from scheduler.sending.lanes import Account
from storage.database.engine import BlockingEngine, Engine, is_sqlite, writing
from storage.tables.receipts import unmatched_reports, webhooks
from tests.support.campaigns import later
from tests.web.conftest import Hooks, hooks_on
from tests.web.signing import SIGNATURE, body_of, sign

SENT = body_of({"id": "m1", "status": "sent"})


async def test_a_signed_webhook_is_stored_as_it_came(hooks: Hooks) -> None:
    answer = await hooks.post(SENT)
    assert (answer.status_code, answer.content) == (200, b"")
    [row] = await hooks.stored()
    assert (row.account, row.body, row.received_at) == ("hooked", SENT, later(100))
    assert (row.url, row.processed_at, row.problem) == ("http://hooks.test/webhooks/hooked", None, None)


@pytest.mark.parametrize("signature", [None, "", "00", sign(b"another body"), "é", "x" * 5000])
async def test_what_is_not_signed_is_refused_counted_and_never_processed(
    engine: Engine, accounts: dict[str, Account], signature: str | None
) -> None:
    headers = {} if signature is None else {SIGNATURE: signature.encode("latin-1")}
    async with hooks_on(engine, accounts) as hooks:
        for _ in range(3):
            assert (await hooks.post(SENT, headers=headers)).status_code == 401
    assert await hooks.refused() == {"hooked": 3}
    assert await hooks.stored() == []
    assert await hooks.process() == 0
    assert await hooks.count(unmatched_reports) == 0


async def test_refusals_cost_no_commit_each_and_are_counted_at_the_latest_on_shutdown(
    engine: Engine, accounts: dict[str, Account], commits: Callable[[Engine], list[int]]
) -> None:
    async with hooks_on(engine, accounts) as hooks:
        seen = commits(engine)
        for _ in range(50):
            await hooks.post(SENT, headers={})
        assert len(seen) <= 3
    assert await hooks.refused() == {"hooked": 50}


async def test_an_unknown_account_and_one_without_webhooks_are_not_found(hooks: Hooks) -> None:
    assert (await hooks.post(SENT, "nobody")).status_code == 404
    assert (await hooks.client.get("/webhooks/nobody")).status_code == 404
    assert (await hooks.client.put("/webhooks/hooked")).status_code == 405
    assert await hooks.stored() == []


async def test_the_signature_is_over_the_raw_bytes(hooks: Hooks) -> None:
    body = b'\xff\xfe [ {"id" :"m1"} ]  '
    assert (await hooks.post(body)).status_code == 200
    assert (await hooks.stored())[0].body == body


async def test_a_body_at_the_bound_is_taken_and_one_beyond_it_is_not(
    sqlite_engine: Engine, accounts: dict[str, Account]
) -> None:
    async with hooks_on(sqlite_engine, accounts, largest_body=1000) as hooks:
        assert (await hooks.post(b"x" * 1000)).status_code == 200
        assert (await hooks.post(b"x" * 1001)).status_code == 413
        assert len(await hooks.stored()) == 1


async def test_a_body_that_never_ends_is_read_no_further_than_the_bound(
    sqlite_engine: Engine, accounts: dict[str, Account]
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100
            yield b"x" * 100

    async with hooks_on(sqlite_engine, accounts, largest_body=1000) as hooks:
        # The in-memory transport would read the whole body first, so the app is called as a server calls it.
        statuses = await _call(hooks, endless())
    assert statuses == [413]
    assert sent <= 1200


async def _call(hooks: Hooks, chunks: AsyncIterator[bytes]) -> list[int]:
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        chunk = await anext(chunks, None)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/hooked",
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "server": ("hooks.test", 80),
    }
    await hooks.app(scope, receive, send)
    return statuses


async def test_a_caller_that_leaves_midway_leaves_nothing(sqlite_hooks: Hooks) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"[{"

    assert await _call(sqlite_hooks, half()) == [400]
    assert await sqlite_hooks.stored() == []


async def test_concurrent_webhooks_share_commits(
    hooks: Hooks, commits: Callable[[Engine], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.webhooks.recorder, "GATHER", 0.05)
    seen = commits(hooks.engine)
    bodies = [body_of({"id": f"m{n}", "status": "sent"}) for n in range(200)]
    answers = await asyncio.gather(*(hooks.post(body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(row.body for row in await hooks.stored()) == sorted(bodies)
    assert len(seen) <= len(bodies) / 4


async def test_a_commit_is_one_statement_however_many_share_it(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stores row by row waits after each of them until the server's own thread lets it go on."""
    monkeypatch.setattr(web.webhooks.recorder, "GATHER", 0.05)
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(BlockingEngine, "before_cursor_execute", see)
    try:
        answers = await asyncio.gather(*(hooks.post(SENT) for _ in range(100)))
    finally:
        event.remove(BlockingEngine, "before_cursor_execute", see)
    assert {answer.status_code for answer in answers} == {200}
    written = [statement for statement in seen if statement.startswith("INSERT INTO webhooks")]
    assert sum(1 + statement.count("), (") for statement in written) == 100
    assert len(written) <= 25
    assert not [statement for statement in seen if statement.startswith(("BEGIN", "COMMIT"))]


@asynccontextmanager
async def nothing_stored(engine: Engine) -> AsyncIterator[None]:
    """While it lasts, whoever stores a webhook waits."""
    async with writing(engine) as connection:
        lock = "SELECT 1" if is_sqlite(connection) else "LOCK TABLE webhooks IN EXCLUSIVE MODE"
        await connection.execute(text(lock))
        yield


async def test_more_than_can_wait_is_asked_to_come_again_and_the_rest_is_stored(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.webhooks.recorder, "MOST_WAITING", 10)
    async with nothing_stored(hooks.engine):
        asked = [asyncio.create_task(hooks.post(SENT)) for _ in range(50)]
        turned_away = [await answer for answer in islice(asyncio.as_completed(asked), 30)]
    assert {answer.status_code for answer in turned_away} == {503}
    assert all(answer.headers["retry-after"] for answer in turned_away)
    codes = Counter(answer.status_code for answer in await asyncio.gather(*asked))
    assert codes[200] + codes[503] == 50
    assert 10 <= codes[200] == len(await hooks.stored())


async def test_too_many_bytes_in_hand_are_turned_away(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.webhooks.ingress, "MOST_IN_HAND", len(SENT) - 1)
    assert (await hooks.post(SENT)).status_code == 503
    monkeypatch.setattr(web.webhooks.ingress, "MOST_IN_HAND", len(SENT))
    assert (await hooks.post(SENT)).status_code == 200
    assert (await hooks.post(SENT)).status_code == 200


async def test_a_database_that_stores_nothing_is_a_503_until_it_recovers(hooks: Hooks) -> None:
    async with hooks.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE webhooks RENAME TO elsewhere"))
    answer = await hooks.post(SENT)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "elsewhere" not in answer.text
    assert "webhooks" not in answer.text
    async with hooks.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO webhooks"))
    assert (await hooks.post(SENT)).status_code == 200
    assert len(await hooks.stored()) == 1


async def test_a_commit_that_takes_too_long_is_a_503(
    sqlite_hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.webhooks.recorder, "ANSWER_WITHIN", 0.1)
    monkeypatch.setattr(web.webhooks.recorder, "LOOK", 0.05)
    async with sqlite_hooks.engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        assert (await sqlite_hooks.post(SENT)).status_code == 503
    monkeypatch.setattr(web.webhooks.recorder, "ANSWER_WITHIN", 10)
    assert (await sqlite_hooks.post(SENT)).status_code == 200
    # The first was not lost either: it is stored though its sender was told to come again.
    assert len(await sqlite_hooks.stored()) == 2


async def test_a_missing_secret_is_logged_and_not_shown_to_callers(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(_: WebhookRequest) -> bool:
        raise UsageError("The secret env:HOOK_SECRET is empty or missing.")

    monkeypatch.setattr(hooks.accounts["hooked"].adapter, "verify", missing)
    answer = await hooks.post(SENT)
    assert answer.status_code == 503
    assert "HOOK_SECRET" not in answer.text
    assert (await hooks.post(SENT)).status_code == 503
    assert caplog.text.count("HOOK_SECRET") == 1, "anybody can send a webhook: one line a minute"
    assert "Traceback" not in caplog.text
    assert await hooks.stored() == []


async def test_the_event_loop_neither_verifies_nor_packs(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both take longer with each byte, and other requests would wait for it."""
    threads: list[str] = []
    adapter = hooks.accounts["hooked"].adapter
    verify, pack = adapter.verify, storage.receipts.inbox.pack

    def verify_here(webhook: WebhookRequest) -> bool:
        threads.append(threading.current_thread().name)
        return verify(webhook)

    def pack_here(body: bytes) -> bytes | None:
        threads.append(threading.current_thread().name)
        return pack(body)

    monkeypatch.setattr(adapter, "verify", verify_here)
    monkeypatch.setattr(storage.receipts.inbox, "pack", pack_here)
    assert (await hooks.post(SENT)).status_code == 200
    assert (await hooks.post(SENT, headers={})).status_code == 401
    assert threads == ["webhook recorder"] * 3


async def test_genuine_webhooks_are_stored_however_many_others_share_their_batch(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.webhooks.recorder, "GATHER", 0.05)
    posts = [hooks.post(SENT, headers={} if n % 3 else None) for n in range(60)]
    codes = [answer.status_code for answer in await asyncio.gather(*posts)]
    assert codes == [401 if n % 3 else 200 for n in range(60)]
    assert len(await hooks.stored()) == 20


async def test_a_check_that_breaks_refuses(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(_: WebhookRequest) -> bool:
        raise TypeError("comparing strings with non-ASCII characters is not supported")

    monkeypatch.setattr(hooks.accounts["hooked"].adapter, "verify", breaks)
    assert (await hooks.post(SENT)).status_code == 401
    assert await hooks.stored() == []
    assert "could not be checked" in caplog.text


async def test_the_public_address_is_what_the_provider_signed(
    sqlite_engine: Engine, accounts: dict[str, Account]
) -> None:
    adapter: Any = accounts["hooked"].adapter
    async with hooks_on(sqlite_engine, accounts, public_url="https://hooks.example.com/in/") as hooks:
        await hooks.client.post("/webhooks/hooked?key=v%20w", content=SENT, headers={SIGNATURE: sign(SENT)})
    assert adapter.verified[0].url == "https://hooks.example.com/in/webhooks/hooked?key=v%20w"
    # What a query holds may be a secret.
    assert (await hooks.stored())[0].url == "https://hooks.example.com/in/webhooks/hooked"


async def test_headers_are_kept_without_secrets(hooks: Hooks) -> None:
    given = {
        SIGNATURE: sign(SENT),
        "X-Webhook-Event": "message.sent",
        "X-Request-Timestamp": "1767225600",
        "X-Idempotency-Key": "k1",
        "Authorization": "Bearer do-not-keep",
        "Cookie": "do-not-keep",
        "X-Webhook-Secret": "do-not-keep",
        "X-Forwarded-For": "192.0.2.1",
    }
    await hooks.post(SENT, headers=given)
    [row] = await hooks.stored()
    assert "do-not-keep" not in row.headers
    kept = ("x-signature", "x-webhook-event", "x-request-timestamp", "x-idempotency-key")
    assert all(f'"{name}"' in row.headers for name in kept)
    assert "192.0.2.1" not in row.headers


async def test_the_handshake_is_answered_in_the_providers_format(hooks: Hooks) -> None:
    right = await hooks.client.get("/webhooks/hooked", params={"challenge": "12 34", "token": "agreed"})
    assert (right.status_code, right.text) == (200, "12 34")
    assert right.headers["content-type"].startswith("text/plain")
    wrong = await hooks.client.get("/webhooks/hooked", params={"challenge": "12 34", "token": "guessed"})
    assert (wrong.status_code, "12 34" in wrong.text) == (403, False)


async def test_health_follows_the_database(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await hooks.client.get("/healthz")).status_code == 200

    @asynccontextmanager
    async def gone(_: Engine) -> AsyncIterator[Any]:
        raise OSError("connection refused")
        yield

    monkeypatch.setattr("storage.database.health.reading", gone)
    assert (await hooks.client.get("/healthz")).status_code == 503


async def test_shutdown_writes_what_waits(engine: Engine, accounts: dict[str, Account]) -> None:
    async with hooks_on(engine, accounts) as hooks:
        posts = [asyncio.create_task(hooks.post(SENT)) for _ in range(30)]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*posts)
    assert await hooks.count(webhooks) == sum(answer.status_code == 200 for answer in answers)
    assert {answer.status_code for answer in answers} <= {200, 503}


async def test_nothing_of_a_webhook_reaches_the_log(hooks: Hooks, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await hooks.post(SENT)
    await hooks.post(SENT, headers={SIGNATURE: "not-a-signature"})
    assert sign(SENT) not in caplog.text
    assert "not-a-signature" not in caplog.text

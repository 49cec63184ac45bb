"""The API: keys and scopes, bodies, calls that are repeated, problems, and its document."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.api_keys import Scope, create_key, list_keys, revoke_key
from app.actions.loading import Flags, load_campaign
from app.actions.repeatable_calls import (
    ABANDONED,
    AlreadyDone,
    NotKnown,
    RepeatableCall,
    UnderWay,
    begin_call,
)
from app.wiring.settings import Settings, load_settings
from storage.access.api_keys import StoredAnswer
from storage.database.engine import reading, writing
from storage.tables.access import users
from tests.support.paths import ROOT
from tests.support.project import CAMPAIGN, PEOPLE, SETTINGS
from tests.web.api.shapes import HOOKS
from web.api.app import OPERATIONS, PREFIX, api_app
from web.api.openapi import document
from web.api.operations import REPEAT

NOTHING = Settings("sqlite://")
START = datetime(2026, 11, 29, 12, tzinfo=UTC)
ONE_KEY = "pause-of-spring"


@asynccontextmanager
async def client(
    engine: AsyncEngine, scope: Scope | None, settings: Settings = NOTHING
) -> AsyncIterator[httpx.AsyncClient]:
    key = await create_key(engine, "tests", scope) if scope else "db_wrong"
    transport = httpx.ASGITransport(api_app(engine, settings), raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=headers, event_hooks=HOOKS
    ) as made:
        yield made


@pytest.fixture
async def settings(engine: AsyncEngine, tmp_path: Path) -> Settings:
    """A loaded draft, spring."""
    (tmp_path / "drumbeat.toml").write_text(SETTINGS.format(port=9))
    (tmp_path / "spring.toml").write_text(CAMPAIGN)
    (tmp_path / "spring.csv").write_text(PEOPLE)
    found = load_settings(tmp_path / "drumbeat.toml")
    await load_campaign(engine, found, tmp_path / "spring.toml", Flags(rejects=tmp_path / "rejects.csv"))
    return found


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == answer.status_code
    assert {"type", "title", "detail", "instance", "request_id"} <= found.keys()
    return answer.status_code, found["type"].rpartition(":")[2]


async def test_a_key_is_refused_when_it_is_revoked_or_expired(engine: AsyncEngine) -> None:
    async with client(engine, Scope.READ) as caller:
        assert (await caller.get("/campaigns")).status_code == 200
        [key] = await list_keys(engine)
        assert (key.scope, key.last_used_at is not None) == ("read", True)
        await revoke_key(engine, key.id)
        assert problem(await caller.get("/campaigns")) == (401, "no-key")
    expired = await create_key(engine, "old", Scope.READ, timedelta(0))
    async with client(engine, None) as caller:
        answer = await caller.get("/campaigns", headers={"authorization": f"Bearer {expired}"})
        assert problem(answer) == (401, "no-key")


async def test_a_campaign_is_shown_and_steered(engine: AsyncEngine, settings: Settings) -> None:
    async with client(engine, Scope.SEND, settings) as caller:
        shown = await caller.get("/campaigns/spring")
        assert (shown.json()["campaign"], shown.json()["state"]) == ("spring", "draft")
        unchanged = await caller.get(
            "/campaigns/spring", headers={"if-none-match": f'"x", {shown.headers["etag"]}'}
        )
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        page = (await caller.get("/campaigns", params={"limit": 1, "state": "draft"})).json()
        assert [each["name"] for each in page["campaigns"]] == ["spring"]
        assert [(each["cost"], each["unpriced"], each["budgets"]) for each in page["campaigns"]] == [
            ([], 0, [])
        ]
        assert page["next"] is None
        started = await caller.post("/campaigns/spring/start", json={"now": True})
        assert started.json()["done"] == "started"
        paused = await caller.post("/campaigns/spring/pause", json={"reason": "stock is out"})
        assert paused.json() == {"campaign": "spring", "done": "paused"}
        assert (await caller.get("/campaigns/spring")).json()["reason"] == "stock is out"
        assert problem(await caller.post("/campaigns/spring/start")) == (422, "invalid")
        assert problem(await caller.get("/campaigns/nothing")) == (404, "not-found")
        assert (await caller.get("/campaigns/spring/reports/delivery")).json()["file_rows"] == 5
        assert problem(await caller.get("/campaigns/spring/reports/gossip")) == (404, "not-found")
        assert (await caller.get("/campaigns/spring/people/+447700900010")).status_code == 200
        assert (await caller.get("/status")).json()["at_work"] == 0


async def test_a_person_is_opted_out(engine: AsyncEngine) -> None:
    async with client(engine, Scope.MANAGE) as caller:
        out = await caller.post("/contacts/+447700900010/optout", json={"evidence": "phone call"})
        assert out.json()["opted_out"] == ["marketing"]
        seen = (await caller.get("/contacts/+447700900010")).json()
        assert "phone call" in json.dumps(seen)
        assert problem(await caller.post("/contacts/nobody/optout")) == (422, "invalid")


@pytest.mark.parametrize(
    ("content", "kind", "expected", "pointer"),
    [
        (b'{"reason": 5}', "application/json", (422, "body"), "/reason"),
        (b'{"reeson": "x"}', "application/json", (422, "body"), "/reeson"),
        (b"[]", "application/json", (422, "body"), ""),
        (b"{", "application/json", (422, "body"), ""),
        (b"reason=x", "application/x-www-form-urlencoded", (415, "media-type"), None),
        (b'{"reason": "' + b"x" * 1_100_000 + b'"}', "application/json", (413, "too-large"), None),
    ],
    ids=["wrong type", "unknown key", "no object", "no JSON", "a form", "too large"],
)
async def test_a_body_that_cannot_be_used(
    sqlite_engine: AsyncEngine, content: bytes, kind: str, expected: tuple[int, str], pointer: str | None
) -> None:
    async with client(sqlite_engine, Scope.SEND) as caller:
        answer = await caller.post("/campaigns/x/pause", content=content, headers={"content-type": kind})
        assert problem(answer) == expected
        if pointer is not None:
            assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        f"limit={19:012}{9:020}",
        f"before={19:012}{9:020}",
        "limit=x",
        "limit=1&limit=2",
        "before=-1",
        "state=odd",
        "sttae=draft",
    ],
)
async def test_a_parameter_that_cannot_be_used(sqlite_engine: AsyncEngine, query: str) -> None:
    async with client(sqlite_engine, Scope.READ) as caller:
        answer = await caller.get(f"/campaigns?{query}")
        assert problem(answer) == (422, "parameter")
        assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


async def test_an_unknown_address_or_method_is_a_problem_too(sqlite_engine: AsyncEngine) -> None:
    async with client(sqlite_engine, Scope.READ) as caller:
        assert problem(await caller.get("/nothing")) == (404, "not-found")
        answer = await caller.delete("/campaigns/spring")
        assert problem(answer) == (405, "method")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_the_same_call_with_the_same_key_is_done_once(engine: AsyncEngine, settings: Settings) -> None:
    async with client(engine, Scope.SEND, settings) as caller:
        headers = {REPEAT: "clone-1"}
        made = [
            await caller.post("/campaigns/spring/clone", json={"name": "summer"}, headers=headers)
            for _ in range(3)
        ]
        assert {(each.status_code, each.text) for each in made} == {(201, made[0].text)}
        assert len((await caller.get("/campaigns")).json()["campaigns"]) == 2
        other = await caller.post("/campaigns/spring/clone", json={"name": "autumn"}, headers=headers)
        assert problem(other) == (422, "idempotency-key-reused")
        elsewhere = await caller.post("/campaigns/summer/clone", json={"name": "summer"}, headers=headers)
        assert problem(elsewhere) == (422, "idempotency-key-reused")
        again = await caller.post("/campaigns/spring/clone", json={"name": "summer"})
        assert problem(again) == (422, "invalid")
        odd = await caller.post("/campaigns/spring/pause", headers={REPEAT: "x" * 201})
        assert problem(odd) == (400, "idempotency-key")


async def test_a_name_that_no_database_takes_is_refused(engine: AsyncEngine, settings: Settings) -> None:
    async with client(engine, Scope.SEND, settings) as caller:
        answer = await caller.post("/campaigns/spring/clone", json={"name": "a\0b"})
        assert problem(answer) == (422, "invalid")


async def test_a_refusal_is_repeated_as_it_was(engine: AsyncEngine, settings: Settings) -> None:
    async with client(engine, Scope.SEND, settings) as caller:
        headers = {REPEAT: "pause-1"}
        first = await caller.post("/campaigns/spring/pause", headers=headers)
        assert problem(first) == (422, "invalid"), "a draft"
        await caller.post("/campaigns/spring/start", json={"now": True})
        second = await caller.post("/campaigns/spring/pause", headers=headers)
        assert (second.status_code, second.json()) == (422, first.json())
        assert second.headers["content-type"] == "application/problem+json"


async def test_of_many_calls_at_once_one_is_made(engine: AsyncEngine, settings: Settings) -> None:
    async with client(engine, Scope.SEND, settings) as caller:
        headers = {REPEAT: "clone-2"}
        made = await asyncio.gather(
            *(
                caller.post("/campaigns/spring/clone", json={"name": "summer"}, headers=headers)
                for _ in range(8)
            )
        )
        assert {each.status_code for each in made} <= {201, 409}
        assert 201 in {each.status_code for each in made}
        assert len((await caller.get("/campaigns")).json()["campaigns"]) == 2


async def test_a_call_that_was_cut_off_is_made_again_by_one(engine: AsyncEngine) -> None:
    await create_key(engine, "tests", Scope.SEND)
    [key] = await list_keys(engine)
    clock = [START]

    async def begin(*, again: bool = True) -> StoredAnswer | RepeatableCall:
        return await begin_call(engine, key.id, ONE_KEY, "digest", again=again, now=lambda: clock[0])

    assert isinstance(await begin(), RepeatableCall)
    clock[0] += ABANDONED - timedelta(seconds=1)
    with pytest.raises(UnderWay):
        await begin()
    clock[0] += timedelta(seconds=1)
    with pytest.raises(NotKnown):
        await begin(again=False)
    both = await asyncio.gather(begin(), begin(), return_exceptions=True)
    assert {type(each) for each in both} == {RepeatableCall, UnderWay}
    clock[0] += timedelta(hours=25)
    assert isinstance(await begin(), RepeatableCall), "forgotten"


async def test_a_change_and_its_note_are_one_transaction(engine: AsyncEngine) -> None:
    """Whoever was taken over can commit nothing; what was committed is not done again."""
    await create_key(engine, "tests", Scope.SEND)
    [key] = await list_keys(engine)
    clock = [START]

    async def begin() -> RepeatableCall:
        found = await begin_call(engine, key.id, ONE_KEY, "digest", again=True, now=lambda: clock[0])
        assert isinstance(found, RepeatableCall)
        return found

    async def change(call: RepeatableCall, name: str) -> None:
        with call.marked():
            async with writing(engine) as connection:
                await connection.execute(
                    insert(users).values(name=name, role="x", password="x", created_at=START)
                )

    slow = await begin()
    clock[0] += ABANDONED
    second = await begin()
    with pytest.raises(UnderWay):
        await change(slow, "slow")
    await change(second, "second")
    with pytest.raises(UnderWay):
        await begin()
    clock[0] += ABANDONED
    with pytest.raises(AlreadyDone):
        await begin()
    assert not await second.forget(), "it has changed something"
    async with reading(engine) as connection:
        assert list(await connection.scalars(select(users.c.name))) == ["second"]


def test_the_document_has_every_operation_and_every_path_parameter() -> None:
    made = document()
    listed = {(method.upper(), path) for path, methods in made["paths"].items() for method in methods}
    assert listed == {(each.method, each.path) for each in OPERATIONS}
    for path, methods in made["paths"].items():
        for operation in methods.values():
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
    identifiers = [each["operationId"] for methods in made["paths"].values() for each in methods.values()]
    assert len(set(identifiers)) == len(identifiers)
    assert made["servers"] == [{"url": PREFIX}]


def test_the_committed_document_is_the_codes() -> None:
    committed = json.loads((ROOT / "docs/reference/openapi.json").read_text("utf-8"))
    assert committed == json.loads(json.dumps(document()))

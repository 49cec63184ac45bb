"""Two who have seen the same campaign: one changes it, the other is refused, however close together they call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

import web.api.calls
from app.actions.api_keys import Scope, create_key
from app.actions.seen_versions import refuse_changed
from campaigns.spec.campaign_spec import CampaignSpec
from storage.database.engine import Engine, writing
from storage.tables.audience import campaigns
from tests.support.campaigns import spec, store_campaign
from tests.web.api.world import FILE, SOON, World, filled, name_of, settings_in
from web.api.app import OPERATIONS, api_app
from web.api.operations import Operation

MATCHED = [operation for operation in OPERATIONS if operation.matched]
UNMATCHED = [each for each in OPERATIONS if each.method != "GET" and not each.compares]


def after_looking(monkeypatch: pytest.MonkeyPatch, then: Callable[[Any, str], Any]) -> None:
    """`then` happens when a call has found its ETag to be right, and before it changes anything."""

    async def look(connection: Any, name: str, seen: Any) -> None:
        await refuse_changed(connection, name, seen)
        await then(connection, name)

    monkeypatch.setattr(web.api.calls, "refuse_changed", look)


@pytest.mark.parametrize("operation", MATCHED, ids=name_of)
async def test_what_is_changed_at_the_last_moment_is_not_acted_on(
    world: World, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[str] = []

    async def by_somebody_else(_connection: Any, name: str) -> None:
        async with writing(world.engine) as connection:
            mine = update(campaigns).where(campaigns.c.name == name)
            await connection.execute(mine.values(reason="by somebody else"))
        changed.append(name)

    async with world.caller(Scope.SEND) as caller:
        address, given = filled(operation)
        tag = (await caller.get(address.rpartition("/")[0])).headers["etag"]
        after_looking(monkeypatch, by_somebody_else)
        answer = await caller.request(operation.method, address, **given, headers={"if-match": tag})
    assert (answer.status_code, answer.json()["title"]) == (412, "changed"), answer.text
    assert len(changed) == 1


async def test_of_two_with_the_same_etag_one_changes_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_campaign(engine, spec(budget={"max": "5.00", "currency": "XOF"}), 1, start_at=SOON)
    headers = {"authorization": f"Bearer {await create_key(engine, 'tests', Scope.SEND)}"}
    settings = settings_in(tmp_path, engine.url.render_as_string(hide_password=False))
    both = asyncio.Barrier(2)

    async def meet(_connection: Any, _name: str) -> None:
        await both.wait()

    after_looking(monkeypatch, meet)
    transport = httpx.ASGITransport(api_app(engine, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as caller:
        tag = (await caller.get("/campaigns/spring")).headers["etag"]
        answers = await asyncio.gather(
            *(
                caller.post("/campaigns/spring/budget", json={"amount": amount}, headers={"if-match": tag})
                for amount in ("7.00", "8.00")
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    won = next(answer.json()["after"] for answer in answers if answer.status_code == 200)
    async with writing(engine) as connection:
        stored = await connection.scalar(select(campaigns.c.spec))
    budget = CampaignSpec.from_json(stored).budget
    assert budget is not None
    assert float(budget.max) == float(won)


async def test_an_etag_that_nobody_compares_is_refused(world: World) -> None:
    async with world.caller(Scope.ADMIN) as caller:
        for operation in UNMATCHED:
            address, given = filled(operation)
            given["headers"] = {**given.get("headers", {}), "if-match": '"x"'}
            answer = await caller.request(operation.method, address, **given)
            assert (answer.status_code, answer.json()["title"]) == (400, "if match"), address


async def test_a_draft_is_deleted_only_as_it_was_seen(world: World) -> None:
    async with world.caller(Scope.MANAGE) as caller:
        tag = (await caller.get("/campaigns/fresh/file")).headers["etag"]
        toml = {"content-type": "application/toml"}
        either = {**toml, "if-match": f'"other", {tag}'}
        stored = await caller.put("/campaigns/fresh/file", content=FILE + "tags = []\n", headers=either)
        assert stored.status_code == 200, stored.text
        stale = await caller.delete("/campaigns/fresh/file", headers={"if-match": tag})
        assert (stale.status_code, stale.json()["title"]) == (412, "changed")
        new = f'"{stored.json()["etag"]}"'
        assert (await caller.delete("/campaigns/fresh/file", headers={"if-match": new})).status_code == 200

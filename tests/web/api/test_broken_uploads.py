"""Callers that are slow, stop midway or leave, at every door that takes a body: they are cut off in a bounded time,
leave nothing behind and no fault in the log, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Message, Receive, Send

import web.protocol.connections
from app.actions.api_keys import Scope
from app.actions.drafts.drafts import is_draft
from app.wiring.rights import Role
from app.wiring.settings import Settings
from storage.database.engine import reading
from storage.tables.access import audit, audit_outcomes
from tests.support.pages import Browser, log_in_as
from tests.web.api.world import World
from tests.web.wire import Wire
from web.api.app import api_app
from web.pages.app import pages_app
from web.pages.guard import SESSION
from web.protocol.connections import BODY_WITHIN, Connections

LENGTH = "Content-Length: {}"
FORM = "multipart/form-data; boundary=B"
FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n\r\nphone\n+44'
DOORS: Mapping[str, tuple[str, str, bytes]] = {
    "a list": ("POST /campaigns/drafts/listed/list", FORM, FILE),
    "corrected rows": ("POST /campaigns/drafts/listed/list/corrections", FORM, FILE),
    "media": ("POST /campaigns/drafts/listed/message/media?for=content.video", FORM, FILE),
    "opt-outs": ("POST /contacts/import", FORM, FILE),
    "a campaign file": ("POST /campaigns/new/file", FORM, FILE),
    "a form": ("POST /campaigns/new", "application/x-www-form-urlencoded", b"name=spr"),
    "a list by the API": ("PUT /api/v1/campaigns/listed/list", "text/csv", b"phone\n+44"),
    "a campaign file by the API": ("PUT /api/v1/campaigns/other/file", "application/toml", b'name = "ot'),
    "an object by the API": ("POST /api/v1/campaigns/scheduled/pause", "application/json", b'{"rea'),
}


class Callers:
    """Requests with every right, on connections in memory."""

    def __init__(self, app: Starlette, cookie: str, key: str) -> None:
        self.connections = Connections([])
        self._app = app
        self._rights = (
            f"Cookie: {SESSION}={cookie}\r\nAuthorization: Bearer {key}\r\nSec-Fetch-Site: same-origin\r\n"
        )

    async def call(self, line: str, kind: str, begun: bytes, length: str = LENGTH.format(5000)) -> Wire:
        """A request whose body has begun, once the app is done with what there is of it and waits for more."""
        asked = 0

        async def app(scope: Any, receive: Receive, send: Send) -> None:
            async def counted() -> Message:
                nonlocal asked
                asked += 1
                return await receive()

            await self._app(scope, counted, send)

        wire = Wire(app, self.connections)
        head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{length}\r\n{self._rights}\r\n"
        await wire.feed([head.encode() + begun])
        await until(lambda: asked == 2)
        return wire


async def until(reached: object) -> None:
    async with asyncio.timeout(20):
        while not reached():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def unfinished(folder: Path, temporary: Path) -> list[Path]:
    """What an upload leaves until it is whole."""
    return [*folder.rglob(".in-*"), *folder.rglob(".new-*"), *temporary.iterdir()]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
async def callers(world: World) -> Callers:
    async with Browser(world.engine, world.settings) as browser:
        await log_in_as(browser, world.engine, Role.ADMIN)
        cookie = browser.client.cookies[SESSION]
    return Callers(both(world.engine, world.settings), cookie, await world.key(Scope.ADMIN))


def both(engine: AsyncEngine, settings: Settings) -> Starlette:
    return Starlette(
        routes=[Mount("/api/v1", api_app(engine, settings)), Mount("/", pages_app(engine, settings))]
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The connections' time."""
    made = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(web.protocol.connections, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


async def test_a_body_that_stops_is_cut_off_and_leaves_nothing(
    world: World, callers: Callers, temporary: Path, clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    assert world.settings.path is not None
    folder = world.settings.path.parent
    wires = {name: await callers.call(*door) for name, door in DOORS.items()}
    assert len(unfinished(folder, temporary)) == 6  # of the others nothing is stored before it is whole
    callers.connections.sweep()
    clock.now += BODY_WITHIN - 1
    callers.connections.sweep()
    assert [name for name, wire in wires.items() if wire.closing or wire.written] == []
    other = await callers.call(
        "POST /campaigns/new", "application/x-www-form-urlencoded", b"name", LENGTH.format(9)
    )
    await other.feed([b"=mine"])
    assert await other.answers() == ["303"]
    clock.now += 2
    callers.connections.sweep()
    assert [name for name, wire in wires.items() if not wire.closing] == []
    await until(lambda: not any(wire.tasks for wire in wires.values()))
    assert unfinished(folder, temporary) == []
    assert is_draft(world.settings, "mine")
    assert not is_draft(world.settings, "spr")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    refused = {f"draft.{act} refused" for act in ("upload", "correct", "media")}
    assert await outcomes(world) == {"draft.upload done", *refused}


async def test_a_body_that_breaks_is_refused_and_leaves_nothing(
    world: World, callers: Callers, temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert world.settings.path is not None
    for name, (line, kind, begun) in DOORS.items():
        wire = await callers.call(
            line, kind, b"%x\r\n%s\r\n" % (len(begun), begun), "Transfer-Encoding: chunked"
        )
        await wire.feed([b"nonsense\r\n"])
        assert (name, await wire.answers()) == (name, ["400"])
        await until(lambda wire=wire: not wire.tasks)
    assert unfinished(world.settings.path.parent, temporary) == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_large_list_may_come_over_a_slow_line_and_not_drop_by_drop(
    callers: Callers, clock: SimpleNamespace
) -> None:
    """Each second 100 kB to one, a byte to the other."""
    slow, drop = [await callers.call(*DOORS["a list by the API"], LENGTH.format(64 << 20)) for _ in range(2)]
    for _ in range(60):
        callers.connections.sweep()
        clock.now += 1
        await slow.feed([b"x" * 100_000])
        await drop.feed([b"x"])
        await until(lambda: not slow.connection.cycle.body)
        if drop.closing:
            break
    assert 1_000 + BODY_WITHIN < clock.now <= 1_000 + BODY_WITHIN + 2
    for _ in range(30):
        clock.now += 1
        await slow.feed([b"x" * 100_000])
        await until(lambda: not slow.connection.cycle.body)
        callers.connections.sweep()
    assert not slow.closing
    clock.now += 100
    callers.connections.sweep()
    assert slow.closing
    await until(lambda: not slow.tasks and not drop.tasks)


async def outcomes(world: World) -> set[str]:
    async with reading(world.engine) as connection:
        rows = await connection.execute(
            select(audit.c.act, audit_outcomes.c.outcome)
            .join(audit_outcomes, audit.c.id == audit_outcomes.c.audit_id, isouter=True)
            .where(audit.c.act.in_(("draft.upload", "draft.correct", "draft.media")))
        )
    return {f"{act} {outcome}" for act, outcome in rows}

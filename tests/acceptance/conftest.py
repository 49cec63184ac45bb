"""A whole engine in one process: the real adapter and storage, and the emulator behind an in-memory transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

import storage.sending.outcomes
from campaigns.spec.campaign_spec import CampaignSpec
from emulators.app import create_app
from emulators.settings import Settings
from providers.ourvoice.settings import OurVoiceAccount
from scheduler.clock.progress import RunSummary
from scheduler.clock.runner import run
from storage.database.engine import Engine
from tests.support.campaigns import account, job_rows, store_campaign
from tests.support.databases import migrate_quickly

HASTE = 5
AGAIN_AND_AGAIN = {
    "scheduler.clock.runner.SWEEP": 2.5,
    "scheduler.clock.runner.RECEIPTS": HASTE,
    "scheduler.clock.runner.DOUBTS": HASTE,
    "scheduler.clock.runner.WINDOWS": 2.5,
    "scheduler.clock.runner.INBOX": HASTE,
    "scheduler.clock.watch.LOOK": HASTE,
    "storage.receipts.receipts.FIRST_POLL": HASTE,
    "storage.receipts.statuses.FIRST_POLL": HASTE,
}
"""Seconds, or a timedelta, until the next time; and how many times as often: more than ten times a second, the looks
themselves take the time that the test needs."""
SESSION = "a3f1b2c4-1234-4abc-9def-000011112222"
Hook = Callable[[httpx.Request], Awaitable[None]]


class InMemory(httpx.AsyncBaseTransport):
    """Hands requests to the emulator without a socket; `before_send` sees each message first."""

    def __init__(self, settings: Settings) -> None:
        self._app = httpx.ASGITransport(create_app(settings))
        self.before_send: Hook | None = None

    async def tell(self, method: str, path: str, body: Any = None) -> None:
        """Ask something of the emulator's control plane."""
        async with httpx.AsyncClient(transport=self._app, base_url="http://emulator") as control:
            (await control.request(method, path, json=body)).raise_for_status()

    async def ledger(self) -> list[dict[str, Any]]:
        """Every message that the emulator accepted, in the order of accepting."""
        async with httpx.AsyncClient(transport=self._app, base_url="http://emulator") as control:
            messages: list[dict[str, Any]] = (await control.get("/_ledger")).json()["messages"]
        return messages

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and self.before_send is not None:
            await self.before_send(request)
        return await self._app.handle_async_request(request)


@dataclass
class World:
    """A database, an account at the emulator, and the means to run campaigns through it."""

    engine: Engine
    transport: InMemory
    account: OurVoiceAccount
    control: httpx.AsyncClient
    summaries: list[RunSummary] = field(default_factory=list)

    async def run(self, **options: Any) -> RunSummary:
        """Run until idle."""
        options = {"until_idle": True, "wait_receipts": timedelta(seconds=2.5), **options}
        return await run(self.engine, {"ourvoice": self.account}, transport=self.transport, **options)

    async def send(self, **options: Any) -> RunSummary:
        """Run until nothing is left to send; nobody waits for receipts."""
        return await self.run(wait_receipts=timedelta(0), **options)

    async def campaign(self, spec: CampaignSpec, size: int, **options: Any) -> None:
        await store_campaign(self.engine, spec, size, **options)

    async def jobs(self) -> list[Any]:
        return await job_rows(self.engine)

    async def ledger(self) -> list[dict[str, Any]]:
        """Every message that the emulator accepted, in the order of accepting."""
        messages: list[dict[str, Any]] = (await self.control.get("/_ledger")).json()["messages"]
        return messages

    async def tell(self, method: str, path: str, body: Any = None) -> None:
        (await self.control.request(method, path, json=body)).raise_for_status()


@pytest.fixture(autouse=True)
def fast_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all but those that measure time, which have the product's own clock."""
    if not request.node.get_closest_marker("alone"):
        hasten(monkeypatch)


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a runner of this process does again and again it does up to five times as often, so that a test waits less
    for the next time."""
    for place, haste in AGAIN_AND_AGAIN.items():
        module, _, name = place.rpartition(".")
        monkeypatch.setattr(place, getattr(import_module(module), name) / haste)
    first_poll = storage.sending.outcomes._FIRST_POLL_MS // HASTE
    monkeypatch.setattr("storage.sending.outcomes._FIRST_POLL_MS", first_poll)


@pytest.fixture(scope="session")
def quick_upgrade(sqlite_template: Path) -> Callable[[Any, str], None]:
    return migrate_quickly(sqlite_template)


@pytest.fixture(autouse=True)
def migrated_once(quick_upgrade: Callable[[Any, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A new database of a command in this process is not made by one migration after the other, which takes most of
    the command's time. Commands in processes of their own, and the tests of the migrations, migrate."""
    monkeypatch.setattr("alembic.command.upgrade", quick_upgrade)


@pytest.fixture
async def world(engine: Engine, tmp_path: Path) -> AsyncIterator[World]:
    """On SQLite and on PostgreSQL."""
    async for made in _worlds(engine, tmp_path):
        yield made


@pytest.fixture
async def sqlite_world(sqlite_engine: Engine, tmp_path: Path) -> AsyncIterator[World]:
    """On SQLite alone, for what does not depend on the database."""
    async for made in _worlds(sqlite_engine, tmp_path):
        yield made


async def _worlds(engine: Engine, tmp_path: Path) -> AsyncIterator[World]:
    transport = InMemory(Settings.parse({"sent_after": 0.05, "delivered_after": 0.1, "read_after": 0.2}))
    async with httpx.AsyncClient(transport=transport._app, base_url="http://emulator") as control:
        yield World(
            engine, transport, account("http://emulator/ourvoice", tmp_path / "key", SESSION), control
        )

"""A database in which every operation of the API has something to do, and the calls that do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

import app.actions.sessions
import app.actions.templates
import app.actions.testing
from app.actions.api_keys import Scope, create_key
from app.actions.drafts.drafts import create_draft
from app.actions.drafts.lists import receive_list
from app.wiring.settings import Settings
from campaigns.message.provider_templates import ButtonPart, HeaderPart, ProviderTemplate, TemplateParts
from campaigns.money.prices import RateCard
from providers.adapter import Session
from scheduler.actions.control import pause
from scheduler.clock.launch import launch_due
from storage.audience.rates import store_card
from storage.audience.templates import store_templates
from storage.database.engine import reading, writing
from storage.runs.side_runs import messages_of_run
from storage.tables.runs import jobs, missed_runs
from tests.support.accounts import account_at
from tests.support.campaigns import phone, spec, store_campaign
from tests.web.api.shapes import HOOKS
from web.api.app import api_app
from web.api.operations import CSV, Operation

START = datetime(2026, 11, 29, 12, tzinfo=UTC)
SOON = START + timedelta(days=30)
ADA = phone(3)
LIST = "phone,first_name\n+447700900010,Ada\n+447700900011,Grace\nnobody,Mallory\n"
FILE = """\
name = "fresh"
provider = "ourvoice"
senders = ["shop"]
[audience]
default_country = "GB"
max_reject_percent = 50
[content]
text = "Hi {{ first_name }}"
"""
CARD = RateCard(0, "sale", date(2026, 1, 1), "EUR", "a letter", {("France", "marketing", "any"): 100_000})
VARIANTS = [
    {"name": "a", "share": 50, "content": {"text": "a"}},
    {"name": "b", "share": 50, "content": {"text": "b"}},
]
SALE = ProviderTemplate(
    "sale",
    "en",
    "APPROVED",
    "marketing",
    TemplateParts(
        HeaderPart("image"), "Hi {{1}}", "Bye", (ButtonPart("url", "Shop", "https://x.example/{{1}}"),)
    ),
)
NOWHERE = httpx.AsyncBaseTransport()
"""Without one of its own a client loads all certificates."""
SESSION = Session("s1", "connected", "+2290197000000", "Shop")


@dataclass
class Ticking:
    """The time, which the test moves."""

    time: datetime = START

    def __call__(self) -> datetime:
        return self.time


@dataclass
class World:
    engine: AsyncEngine
    settings: Settings
    clock: Ticking = field(default_factory=Ticking)
    created: list[str] = field(default_factory=list)
    """Sessions that the gateway was asked to make."""
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(transport=NOWHERE))
    """Reaches nothing before `open`."""

    async def open(self) -> None:
        """A server on this database, and a client with every right."""
        key = self.client.headers.get("authorization") or f"Bearer {await self.key(Scope.ADMIN)}"
        transport = httpx.ASGITransport(api_app(self.engine, self.settings, now=self.clock))
        base = "http://127.0.0.1"
        headers = {"authorization": key}
        self.client = httpx.AsyncClient(
            transport=transport, base_url=base, headers=headers, event_hooks=HOOKS
        )

    async def key(self, scope: Scope) -> str:
        return await create_key(self.engine, f"tests-{scope}", scope)

    @asynccontextmanager
    async def caller(self, scope: Scope | None) -> AsyncIterator[httpx.AsyncClient]:
        key = await self.key(scope) if scope else "db_wrong"
        app = api_app(self.engine, self.settings, now=self.clock)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers, event_hooks=HOOKS
        ) as made:
            yield made


async def fill(engine: AsyncEngine, folder: Path) -> Settings:
    """A campaign in every state that something can be done about."""
    for name in ("draft", "abtest"):
        more = (
            {"variants": VARIANTS, "winner": {"by": "hand", "test_percent": 20}} if name == "abtest" else {}
        )
        await store_campaign(engine, spec(name, **more), 10, start_at=None if name == "draft" else START)
    await store_campaign(engine, spec("running"), 10, start_at=START)
    await launch_due(engine, now=lambda: START)
    await store_campaign(engine, spec("scheduled"), 3, start_at=SOON)
    await store_campaign(engine, spec("paused"), 3, start_at=SOON)
    await pause(engine, "paused", "a test", now=lambda: START)
    await store_campaign(engine, spec("budget", budget={"max": "5.00", "currency": "XOF"}), 3, start_at=SOON)
    daily = {"cron": "0 9 * * *", "timezone": "UTC"}
    missing = await store_campaign(engine, spec("missing", schedule=daily), 2, start_at=SOON)
    async with writing(engine) as connection:
        await connection.execute(
            insert(missed_runs).values(
                campaign_id=missing,
                nominal_at=START - timedelta(days=2, hours=3),
                reason="late",
                at=START,
            )
        )
        one, two = update(jobs).where(jobs.c.phone == phone(1)), update(jobs).where(jobs.c.phone == phone(2))
        await connection.execute(one.values(state="in_doubt", attempts=1))
        await store_card(connection, CARD, START)
        await store_templates(connection, "meta", [SALE], START)
        failed = {"state": "failed", "reason": "refused", "code": "131000", "attempts": 1}
        await connection.execute(two.values(**failed))
    settings = settings_in(folder, engine.url.render_as_string(hide_password=False))
    for name in ("fresh", "listed"):
        await create_draft(settings, name, FILE)
    await receive_list(settings, "listed", "people.csv", _pieces())
    return settings


async def _pieces() -> AsyncIterator[bytes]:
    yield LIST.encode()


def settings_in(folder: Path, url: str) -> Settings:
    """Nothing listens on port 9."""
    key = folder / "key"
    shop = {"name": "shop", "session_id": "a3f1b2c4-1234-4abc-9def-000011112222"}
    ourvoice = account_at("ourvoice", key, senders=[shop], base_url="http://127.0.0.1:9", currency="XOF")
    meta = account_at("meta", key, base_url="http://127.0.0.1:9")
    return Settings(url, {"ourvoice": ourvoice, "meta": meta}, path=folder / "drumbeat.toml")


CALLS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "POST /campaigns/{name}/start": ({"name": "draft"}, {"at": "2026-12-24T09:00Z"}),
    "POST /campaigns/{name}/pause": ({"name": "scheduled"}, {"reason": "stock is out"}),
    "POST /campaigns/{name}/resume": ({"name": "paused"}, {}),
    "POST /campaigns/{name}/cancel": ({"name": "running"}, {}),
    "POST /campaigns/{name}/approve": ({"name": "draft"}, {}),
    "POST /campaigns/{name}/budget": ({"name": "budget"}, {"amount": "7.00"}),
    "POST /campaigns/{name}/resolve": ({"name": "running"}, {"action": "resend"}),
    "POST /campaigns/{name}/retry-failed": ({"name": "running"}, {}),
    "GET /campaigns/{name}/winner": ({"name": "abtest"}, {}),
    "GET /campaigns/{name}/reports/variants": ({"name": "abtest"}, {}),
    "POST /campaigns/{name}/winner": ({"name": "abtest"}, {"variant": "a"}),
    "POST /campaigns/{name}/clone": ({"name": "draft"}, {"name": "copy", "at": "2026-12-24T09:00Z"}),
    "POST /campaigns/{name}/backfill": ({"name": "missing"}, {"since": "2026-11-20"}),
    "POST /campaigns/{name}/test": ({"name": "draft"}, {"to": [ADA]}),
    "GET /campaigns/{name}/file": ({"name": "fresh"}, {}),
    "DELETE /campaigns/{name}/file": ({"name": "fresh"}, {}),
    "POST /campaigns/{name}/check": ({"name": "listed"}, {}),
    "POST /contacts/{phone}/link": ({}, {"account": "meta", "user_id": "GB.3333333333333"}),
}
"""Operation -> the values of its path, and its body; else `running` and an empty body."""
FILES = {
    "PUT /campaigns/{name}/file": ({"name": "fresh"}, FILE, "application/toml"),
    "PUT /campaigns/{name}/list": ({"name": "fresh"}, LIST, CSV),
    "POST /contacts/import": ({}, "phone\n+447700900012\n", CSV),
    "POST /rates/import": ({}, "market,marketing\nFrance,0.10\n", CSV),
}
QUERIES = {
    "GET /reports/compare": {"names": "running,draft"},
    "POST /rates/import": {"name": "mine", "from": "2026-01-01", "currency": "EUR", "source": "a letter"},
}
LAST = ("POST /campaigns/{name}/cancel", "POST /contacts/{phone}/erase", "DELETE /campaigns/{name}/file")
"""What takes away what others need."""
PATH = {"name": "running", "phone": ADA, "id": "s1", "account": "meta", "file": "rejected-000000000000.csv"}


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def filled(operation: Operation) -> tuple[str, dict[str, Any]]:
    """The address, and what is sent to it."""
    key = name_of(operation)
    given: dict[str, Any] = {"params": QUERIES.get(key)}
    if operation.file is not None:
        values, content, media = FILES[key]
        given |= {"content": content.encode(), "headers": {"content-type": media}}
    else:
        values, body = CALLS.get(key, ({}, {}))
        given |= {"json": body} if operation.body else {}
    if operation.path.startswith(("/rates/{", "/templates/{account}/{name}")):
        values = {"name": "sale"}
    return operation.path.format(**{**PATH, **values}), given


def without_network(monkeypatch: pytest.MonkeyPatch, created: list[str]) -> None:
    """Providers that answer at once."""

    class Gateway:
        async def list_all(self, _http: object) -> list[Session]:
            return [SESSION]

        async def create(self, _http: object) -> Session:
            created.append("s1")
            return SESSION

        async def show(self, _http: object, _id: str) -> Session:
            return SESSION

        disconnect = reconnect = show

        async def qr_code(self, _http: object, _id: str) -> str:
            return "data:image/png;base64,AA=="

        async def delete(self, _http: object, _id: str) -> None:
            return None

    @asynccontextmanager
    async def gateway(_settings: object, _name: object) -> AsyncIterator[tuple[Gateway, None]]:
        yield Gateway(), None

    async def send_run(engine: AsyncEngine, _accounts: object, run_id: int, **_: object) -> list[Any]:
        async with reading(engine) as connection:
            return list(await messages_of_run(connection, run_id))

    async def listed(_account: object) -> list[ProviderTemplate]:
        return [SALE]

    monkeypatch.setattr(app.actions.sessions, "_gateway", gateway)
    monkeypatch.setattr(app.actions.testing, "send_run", send_run)
    monkeypatch.setattr("scheduler.actions.templates.fetch_templates", listed)

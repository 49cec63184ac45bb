"""What becomes of a run under way when its template or its account changes, through Meta and Kapso: the emulator's own
webhooks, signed, through the ingress, and then a runner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from campaigns.money.prices import RateCard
from campaigns.states import RANK, RunState
from emulators.kapso.events import sign as kapso_sign
from emulators.meta import events
from emulators.meta.templates import Template
from emulators.settings import Settings
from providers.settings import AccountSettings
from scheduler.actions.templates import keep_templates
from scheduler.clock.launch import launch_due
from scheduler.clock.runner import run
from scheduler.receipts.inbox import process_inbox
from scheduler.sending.lanes import Account, open_account
from storage.audience.rates import store_card
from storage.database.engine import Engine, reading, writing
from storage.runs.runs import open_runs
from storage.sending.lanes import read_lanes
from storage.sending.optouts import PreferenceChange, add_preferences
from storage.tables.contacts import touches
from storage.tables.runs import jobs
from storage.views.costs import read_costs
from tests.acceptance.conftest import InMemory
from tests.support.accounts import account_at
from tests.support.campaigns import job_rows, phone, spec, store_campaign
from tests.support.cases import each_once
from tests.web.conftest import Hooks, hooks_on

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WABA = {"meta": events.WABA_ID, "kapso": "215589313241560"}
ORDER = {"name": "order_confirmation", "language": "en", "parameters": ["{{ first_name }}"]}
RATES = {
    ("United Kingdom", "marketing", "any"): 50_000,
    ("United Kingdom", "utility", "any"): 20_000,
}


@dataclass
class Shop:
    """A campaign of four people on its way through an account at an emulator."""

    engine: Engine
    provider: str
    settings: AccountSettings
    account: Account
    hooks: Hooks
    transport: InMemory
    at: datetime = NOON
    asked: list[str] = field(default_factory=list)

    async def launch(self, **tables: Any) -> None:
        """The first two messages are due at noon, the others an hour later."""
        tables = {"content": {"template": ORDER}, "provider": "shop", "senders": ["one"], **tables}
        await store_campaign(self.engine, spec(**tables), 4, start_at=NOON)
        await self.sync()
        await launch_due(self.engine, now=lambda: self.at)
        late = select(jobs.c.id).order_by(jobs.c.id.desc()).limit(2)
        async with writing(self.engine) as connection:
            await connection.execute(
                update(jobs).where(jobs.c.id.in_(late)).values(due_at=NOON + timedelta(hours=1))
            )

    async def sync(self) -> None:
        """Read the account's templates, as a runner does from time to time."""
        found = await self.account.adapter.list_templates(self.account.http)
        await keep_templates(self.engine, "shop", found, self.at)

    async def run(self, **after: float) -> None:
        self.at = NOON + timedelta(**after)
        await run(
            self.engine,
            {"shop": self.settings},
            transport=self.transport,
            now=lambda: self.at,
            until_idle=True,
            wait_receipts=timedelta(0),
        )

    async def put(self, call: str, body: dict[str, Any]) -> None:
        """Change something at the emulator."""
        await self.transport.tell("POST", f"/{self.provider}/_control/{call}", body)

    async def hear(self, body: bytes) -> None:
        """A webhook of the emulator arrives and is processed."""
        body = events.of_account(body, WABA[self.provider])
        signed = kapso_sign(body, "test-key") if self.provider == "kapso" else events.sign(body, "test-key")
        answer = await self.hooks.post(body, "shop", {name.lower(): value for name, value in signed.items()})
        assert answer.status_code == 200, answer.text
        await process_inbox(self.engine, {"shop": self.account}, now=lambda: self.at)

    async def state(self) -> tuple[RunState, str]:
        async with reading(self.engine) as connection:
            [found] = await open_runs(connection)
        return found.state, found.reason or ""

    async def paused(self) -> str | None:
        async with reading(self.engine) as connection:
            return (await read_lanes(connection))["shop/one"].paused_reason

    async def ends(self) -> list[str]:
        """Why each message was not sent, or else its state, "sent" for any that the provider has."""
        rows = await job_rows(self.engine)
        return [row.reason or ("sent" if row.state in RANK else row.state) for row in rows]


PROVIDERS = ("meta", "kapso")


@pytest.fixture(params=["meta", pytest.param("kapso", marks=pytest.mark.large)])
async def shop(sqlite_engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    key = f"file:{tmp_path / 'key'}"
    secrets = {"webhook_secret": key} if request.param == "kapso" else {"app_secret": key}
    settings = account_at(
        request.param, tmp_path / "key", business_account_id=WABA[request.param], rates="card", **secrets
    )
    transport = InMemory(Settings())
    account = open_account("shop", settings, transport=transport)
    card = RateCard(0, "card", date(2026, 10, 1), "USD", "test", RATES)
    async with writing(sqlite_engine) as connection:
        await store_card(connection, card, NOON)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(account.http.aclose)
        hooks = await stack.enter_async_context(hooks_on(sqlite_engine, {"shop": account}))
        yield Shop(sqlite_engine, request.param, settings, account, hooks, transport)


CHANGED = Template(ORDER["name"], "en", "MARKETING")


@pytest.mark.parametrize("shop", PROVIDERS, indirect=True)
async def test_a_run_of_the_former_category_pauses_and_one_that_takes_it_from_the_template_goes_on(
    shop: Shop,
) -> None:
    async with writing(shop.engine) as connection:
        left = PreferenceChange(phone(3), "out", "marketing", NOON, "STOP")
        await add_preferences(connection, "test", [left])
    await shop.launch(category="auto")
    await shop.run()
    await shop.put("templates", {"name": ORDER["name"], "language": "en", "category": "MARKETING"})
    change = {"previous_category": "UTILITY", "new_category": "MARKETING"}
    await shop.hear(events.category_update(CHANGED, NOON.timestamp(), **change))
    assert await shop.state() == (RunState.RUNNING, "")
    await shop.run(hours=2)
    assert await shop.ends() == ["sent", "sent", "sent", "opted_out"]
    async with reading(shop.engine) as connection:
        found = select(touches.c.category).order_by(touches.c.job_id)
        assert list(await connection.scalars(found)) == ["utility", "utility", "marketing"]
        lines = (await read_costs(connection, 1)).by("category")
    assert [row.price_micros for row in await job_rows(shop.engine)] == [20_000, 20_000, 50_000, None]
    assert {line.group: line.messages for line in lines} == {"utility": 2, "marketing": 1}


async def test_a_run_whose_file_names_the_category_pauses_until_it_is_that_again(shop: Shop) -> None:
    await shop.launch(category="utility")
    await shop.run()
    now = NOON.timestamp()
    await shop.hear(events.category_warning(CHANGED, "MARKETING", now))
    assert await shop.state() == (RunState.RUNNING, "")
    change = {"previous_category": "UTILITY", "new_category": "MARKETING"}
    await shop.hear(events.category_update(CHANGED, now + 1, **change))
    state, reason = await shop.state()
    assert state is RunState.PAUSED
    assert "order_confirmation en (it is marketing now and charged as that" in reason
    back = {"previous_category": "MARKETING", "new_category": "UTILITY"}
    await shop.hear(events.category_update(CHANGED, now + 2, **back))
    assert await shop.state() == (RunState.RUNNING, "")
    await shop.run(hours=2)
    assert await shop.ends() == ["sent"] * 4


@pytest.mark.parametrize(
    ("shop", "status"), each_once(PROVIDERS, ["PAUSED", "ARCHIVED", "LOCKED"]), indirect=["shop"]
)
async def test_the_list_stops_and_resumes_as_the_events_do(shop: Shop, status: str) -> None:
    """Where no webhook comes, or one is lost."""
    await shop.launch(category="utility")
    await shop.run()
    await shop.put("templates", {"name": ORDER["name"], "language": "en", "status": status})
    await shop.sync()
    state, reason = await shop.state()
    assert (state, reason) == (
        RunState.PAUSED,
        f"template_stopped: order_confirmation en (its status is {status}; it goes on once it is approved again)",
    )
    await shop.put("templates", {"name": ORDER["name"], "language": "en", "status": "APPROVED"})
    await shop.sync()
    assert (await shop.state())[0] is RunState.RUNNING
    await shop.put("templates", {"name": ORDER["name"], "language": "en", "category": "MARKETING"})
    await shop.sync()
    assert (await shop.state())[1].startswith("category_changed: order_confirmation en ")


async def test_a_list_that_is_older_than_an_event_changes_nothing(shop: Shop) -> None:
    await shop.launch(category="utility")
    before = await shop.account.adapter.list_templates(shop.account.http)
    change = {"previous_category": "UTILITY", "new_category": "MARKETING"}
    await shop.hear(events.category_update(CHANGED, NOON.timestamp(), **change))
    await keep_templates(shop.engine, "shop", before, NOON - timedelta(seconds=1))
    assert (await shop.state())[0] is RunState.PAUSED


STOP_AND_BACK = (
    ("ACCOUNT_OFFBOARDED", "ACCOUNT_RECONNECTED"),
    ("PARTNER_REMOVED", "PARTNER_ADDED"),
    ("PARTNER_APP_UNINSTALLED", "PARTNER_APP_INSTALLED"),
    ("DISABLE", "REINSTATE"),
)


@pytest.mark.parametrize(("shop", "events_of"), each_once(PROVIDERS, STOP_AND_BACK), indirect=["shop"])
async def test_an_account_that_is_back_goes_on(shop: Shop, events_of: tuple[str, str]) -> None:
    stop, back = events_of

    def event(name: str) -> dict[str, Any]:
        ban = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": name}}
        return ban if name in ("DISABLE", "REINSTATE") else {"event": name}

    def update_of(name: str, at: float) -> bytes:
        return events.account_update(event(name), at, WABA[shop.provider])

    await shop.launch(category="utility")
    await shop.run()
    await shop.put("account", event(stop))
    await shop.hear(update_of(stop, NOON.timestamp()))
    assert (await shop.paused() or "").startswith("account_stopped: ")
    await shop.run(hours=2)
    assert (await shop.ends())[2:] == ["pending", "pending"]
    await shop.put("account", event(back))
    await shop.hear(update_of(back, NOON.timestamp() + 7_200))
    assert await shop.paused() is None
    await shop.run(hours=3)
    assert await shop.ends() == ["sent"] * 4


STOPS = "RESTRICTED_BIZ_INITIATED_MESSAGING"
RESTRICTIONS = (
    STOPS,
    "RESTRICTED_CUSTOMER_INITIATED_MESSAGING",
    "RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN",
    "RESTRICTED_ADD_PHONE_NUMBER_ACTION",
)


@pytest.mark.parametrize(("shop", "restriction"), each_once(PROVIDERS, RESTRICTIONS), indirect=["shop"])
async def test_a_restriction_stops_what_it_is_about(shop: Shop, restriction: str) -> None:
    stops = restriction == STOPS
    await shop.launch(category="utility")
    await shop.run()
    until = int((NOON + timedelta(hours=9)).timestamp())
    value = {
        "event": "ACCOUNT_RESTRICTION",
        "restriction_info": [{"restriction_type": restriction, "expiration": until}],
    }
    await shop.put("account", value)
    await shop.hear(events.account_update(value, NOON.timestamp()))
    state, reason = await shop.state()
    assert state is (RunState.PAUSED if stops else RunState.RUNNING)
    assert (f"{restriction} until 2026-11-20 21:00 UTC" in reason) is stops
    await shop.run(hours=2)
    wanted = ["pending" if stops else "sent"] * 2
    assert (await shop.ends())[2:] == wanted

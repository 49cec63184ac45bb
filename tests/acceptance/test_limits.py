"""The messaging limit that Meta shows is kept without being typed, by all accounts of its portfolio together; through
Meta and Kapso, from the emulator's own answers and webhooks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, text

from campaigns.errors import Unavailable
from emulators.app import create_app
from emulators.kapso.events import sign as kapso_sign
from emulators.meta import events
from emulators.settings import Settings
from providers.adapter import UNLIMITED, NumberLimits
from providers.meta.limits import people_in
from providers.settings import AccountSettings
from scheduler.clock.runner import run
from scheduler.receipts.inbox import process_inbox
from scheduler.sending import lanes, sender_limits
from scheduler.sending.facts import lock_shared
from scheduler.sending.lanes import Account, close_lanes, open_account, open_lanes
from scheduler.sending.limits import (
    Tier,
    change_limit,
    fetch_limits,
    keep_limits,
    keep_limits_problem,
    tier_of,
)
from storage.database.engine import Engine, lock_names, open_engine, reading, writing
from storage.database.schema import upgrade
from storage.sending.limits import find_limits, store_limits, tier_lock
from storage.tables.lanes import unique_recipients
from tests.acceptance.conftest import InMemory
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, spec, store_people
from tests.support.cases import each
from tests.support.project import invoke
from tests.web.conftest import hooks_on

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WABA = {"meta": events.WABA_ID, "kapso": "215589313241560"}
PROVIDERS = pytest.mark.parametrize("provider", ["meta", "kapso"])


@each(
    ("shown", "people"),
    [
        ("TIER_50", 50),
        ("TIER_250", 250),
        ("TIER_2K", 2_000),
        ("TIER_10K", 10_000),
        ("TIER_100K", 100_000),
        ("TIER_UNLIMITED", UNLIMITED),
        (2000, 2_000),
        (-1, UNLIMITED),
        ("TIER_NOT_SET", None),
        ("TIER_9", None),
        (True, None),
        (0, None),
        (None, None),
        ([250], None),
    ],
)
def test_what_a_limit_allows(shown: Any, people: int | None) -> None:
    assert people_in(shown) == people


class Shops:
    """One account or two at one emulator's portfolio, and a runner for them."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.at = engine, folder, NOON
        self.transport = InMemory(Settings())
        self.settings: dict[str, AccountSettings] = {}
        self.accounts: dict[str, Account] = {}

    def add(self, name: str, provider: str, **keys: Any) -> Account:
        key = f"file:{self.folder / 'key'}"
        secret = {"webhook_secret" if provider == "kapso" else "app_secret": key}
        settings = account_at(
            provider, self.folder / "key", **{"business_account_id": WABA[provider], **secret, **keys}
        )
        self.settings[name] = settings
        self.accounts[name] = open_account(name, settings, transport=self.transport)
        return self.accounts[name]

    async def keep(self, people: int | None, portfolio: str | None = events.PORTFOLIO_ID) -> None:
        """The limits as a runner would have read them just now."""
        for account in self.accounts.values():
            shown = NumberLimits(people, portfolio)
            names = [sender.name for sender in account.settings.senders]
            await keep_limits(self.engine, account, dict.fromkeys(names, shown), self.at)

    async def tier(self, account: Account) -> Tier:
        async with reading(self.engine) as connection:
            return await tier_of(connection, account)

    async def campaign(self, name: str, phones: list[str], **values: Any) -> None:
        tables = {"provider": name, "senders": ["one"], "content": {"template": TEMPLATE}, **values}
        await store_people(self.engine, spec(name, **tables), phones, rotate=0, start_at=NOON)

    async def run(self, **after: float) -> list[str]:
        """Run until idle; of each message what holds it, or "sent"."""
        self.at = NOON + timedelta(**after)
        await run(
            self.engine,
            self.settings,
            transport=self.transport,
            now=lambda: self.at,
            until_idle=True,
            wait_receipts=timedelta(0),
        )
        return [row.held_by or "sent" for row in await job_rows(self.engine)]


@pytest.fixture
async def shops(engine: Engine, tmp_path: Path) -> AsyncIterator[Shops]:
    made = Shops(engine, tmp_path)
    yield made
    for account in made.accounts.values():
        await account.http.aclose()


def people(first: int, count: int) -> list[str]:
    return [f"+4477009{number:05}" for number in range(first, first + count)]


@PROVIDERS
async def test_what_is_shown_of_a_number(shops: Shops, provider: str) -> None:
    change = {"limit": "TIER_2K", "quality_rating": "YELLOW", "name_status": "DECLINED"}
    await shops.transport.tell("POST", f"/{provider}/_control/number", change)
    account = shops.add("shop", provider)
    shown = (await fetch_limits(account))["one"]
    assert shown == NumberLimits(2_000, events.PORTFOLIO_ID, "YELLOW", "STANDARD", "Shop", "DECLINED")
    alone = shops.add("alone", provider, business_account_id=None)
    assert (await fetch_limits(alone))["one"].portfolio is None


async def test_a_number_that_cannot_be_read_hides_no_other(shops: Shops) -> None:
    senders = [
        {"name": "one", "phone_number_id": "106540352242922"},
        {"name": "gone", "phone_number_id": "1"},
    ]
    shown = await fetch_limits(shops.add("shop", "meta", senders=senders))
    assert (shown["one"].people, shown["one"].problem) == (UNLIMITED, None)
    assert "does not exist" in (shown["gone"].problem or "")
    with pytest.raises(Unavailable):
        await fetch_limits(shops.add("other", "meta", senders=senders[1:]))


@PROVIDERS
async def test_a_runner_reads_the_limit_and_keeps_to_it(shops: Shops, provider: str) -> None:
    shops.add("shop", provider)
    await shops.campaign("shop", people(10, 4))
    await shops.keep(3)
    assert sorted(await shops.run()) == ["sent", "sent", "sent", "tier"]
    assert sorted(await shops.run(hours=3)) == ["sent"] * 3 + ["tier"]
    assert (await shops.run(hours=25)).count("tier") == 0


@pytest.mark.parametrize(
    ("provider", "known"),
    [
        ("meta", "nothing"),
        ("kapso", "nothing"),
        ("meta", "an old limit"),
        ("meta", "that it could not be read"),
    ],
)
async def test_a_limit_is_read_before_anything_is_sent(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, known: str
) -> None:
    async def fetch_slowly(account: Account) -> Any:
        await asyncio.sleep(0.5)
        return await fetch_limits(account)

    monkeypatch.setattr(sender_limits, "fetch_limits", fetch_slowly)
    shops = Shops(sqlite_engine, tmp_path)
    account = shops.add("shop", provider)
    if known == "an old limit":
        await shops.keep(UNLIMITED)
    if known == "that it could not be read":
        await keep_limits_problem(sqlite_engine, account, Unavailable("No answer."))
    reached = [{"phone": phone, "at": NOON} for phone in people(1000, 247)]
    async with writing(sqlite_engine) as connection:
        pool = f"portfolio {events.PORTFOLIO_ID}"
        await connection.execute(insert(unique_recipients).values(account=pool), reached)
    await shops.transport.tell("POST", f"/{provider}/_control/number", {"limit": "TIER_250"})
    await shops.campaign("shop", people(10, 5))
    assert Counter(await shops.run(hours=5)) == {"sent": 3, "tier": 2}
    await account.http.aclose()


async def test_whom_it_reached_before_its_limit_was_known_counts(shops: Shops) -> None:
    shops.add("shop", "meta")
    await shops.campaign("shop", people(10, 2))
    await shops.keep(None, portfolio=None)
    assert await shops.run() == ["sent"] * 2
    await shops.keep(3)
    await shops.campaign("more", people(20, 2), provider="shop")
    assert sorted(await shops.run(minutes=1)) == ["sent", "sent", "sent", "tier"]


async def test_a_limit_that_is_lowered_while_it_sends_holds_from_the_next_slice(shops: Shops) -> None:
    shops.add("shop", "meta")
    await shops.keep(40, portfolio=None)
    await shops.campaign("shop", people(10, 40), pace={"delay_between": 20})
    begun = 0

    async def lower(request: httpx.Request) -> None:
        nonlocal begun
        if request.url.path.endswith("/messages"):
            begun += 1
            if begun == 5:
                async with writing(shops.engine) as connection:
                    await change_limit(connection, "shop", "20", NOON)

    shops.transport.before_send = lower
    assert Counter(await shops.run()) == {"sent": 20, "tier": 20}


async def test_a_portfolio_that_becomes_known_while_a_slice_waits_for_the_tier(
    postgres_url: str, tmp_path: Path
) -> None:
    """The slice counts whom it reaches under the portfolio, and holds its lock."""
    engine = open_engine(postgres_url)
    lanes = open_lanes({"shop": account_at("meta", tmp_path / "key", tier=5)})
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
    )
    held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")

    async def begin_slice() -> tuple[str, int]:
        async with writing(engine) as connection:
            tier = await lock_shared(connection, lanes["shop/one"], (), ())
            return tier.pool, int(await connection.scalar(held) or 0)

    async with writing(engine) as connection:
        await lock_names(connection, [tier_lock("shop")])
        beginning = asyncio.create_task(begin_slice())
        async with asyncio.timeout(20):
            while not await connection.scalar(waiting):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        shown = asdict(NumberLimits(5, "12"))
        await store_limits(connection, "shop", {"shop/one": shown}, NOON)
    assert await beginning == ("portfolio 12", 2)
    await close_lanes(lanes)
    await engine.dispose()


async def test_two_processes_store_the_limits_of_a_new_account_at_once(postgres_url: str) -> None:
    engine, shown = open_engine(postgres_url), asdict(NumberLimits(5, None))
    await upgrade(engine)

    async def store() -> None:
        async with writing(engine) as connection:
            await store_limits(connection, "shop", {"shop/one": shown}, NOON)

    async with writing(engine) as first, reading(engine) as looking:
        await store_limits(first, "shop", {"shop/one": shown}, NOON)
        second = asyncio.create_task(store())
        async with asyncio.timeout(20):
            while not await looking.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    await second
    async with reading(engine) as connection:
        assert [each.lane for each in await find_limits(connection, ["shop"])] == ["shop/one"]
    await engine.dispose()


@PROVIDERS
async def test_a_lower_tier_of_the_settings_holds_and_a_higher_one_does_not(
    shops: Shops, provider: str
) -> None:
    for name, tier, kept in (("low", 2, 2), ("high", 9, 3), ("none", None, 3)):
        account = shops.add(name, provider, tier=tier)
        await shops.keep(3)
        assert (await shops.tier(account)).most == kept
    await shops.keep(UNLIMITED)
    assert await shops.tier(account) == Tier(None, f"portfolio {events.PORTFOLIO_ID}", is_counted=False)


async def test_two_accounts_of_one_portfolio_share_its_limit(shops: Shops) -> None:
    shops.add("a", "meta")
    await shops.campaign("a", people(10, 2))
    await shops.keep(3, portfolio=None)
    assert await shops.run() == ["sent", "sent"]
    shops.add("b", "kapso")
    await shops.keep(3)  # whom `a` reached before its portfolio was known counts too
    await shops.campaign("b", people(20, 2))
    assert sorted(await shops.run(minutes=1)) == ["sent", "sent", "sent", "tier"]


async def test_a_portfolio_that_is_not_shown_for_once_is_still_shared(shops: Shops) -> None:
    account = shops.add("a", "meta")
    await shops.keep(3)
    await keep_limits(shops.engine, account, {"one": NumberLimits(3, None)}, NOON)
    assert (await shops.tier(account)).pool == f"portfolio {events.PORTFOLIO_ID}"


async def test_accounts_of_different_portfolios_share_nothing(shops: Shops) -> None:
    for name, first in (("a", 10), ("b", 20)):
        shops.add(name, "meta")
        await shops.campaign(name, people(first, 2))
    for name, account in shops.accounts.items():
        await keep_limits(shops.engine, account, {"one": NumberLimits(2, name)}, NOON)
    assert await shops.run() == ["sent"] * 4


@PROVIDERS
async def test_a_raised_limit_lets_those_go_who_wait_for_it(
    sqlite_engine: Engine, tmp_path: Path, provider: str
) -> None:
    shops = Shops(sqlite_engine, tmp_path)
    account = shops.add("shop", provider)
    await shops.campaign("shop", people(10, 4))
    await shops.keep(2)
    assert sorted(await shops.run()) == ["sent", "sent", "tier", "tier"]
    change = {"max_daily_conversations_per_business": 2000, "max_phone_numbers_per_waba": 25}
    body = events.update("business_capability_update", change, NOON.timestamp())
    signed = kapso_sign(body, "test-key") if provider == "kapso" else events.sign(body, "test-key")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(account.http.aclose)
        hooks = await stack.enter_async_context(hooks_on(sqlite_engine, {"shop": account}))
        await hooks.post(body, "shop", {name.lower(): value for name, value in signed.items()})
        await process_inbox(sqlite_engine, {"shop": account}, now=lambda: NOON)
    async with reading(sqlite_engine) as connection:
        [stored, *_] = await find_limits(connection, ["shop"])
    assert (stored.people, stored.expired_at) == (2_000, NOON)
    assert await shops.run(minutes=1) == ["sent"] * 4


# The command

TOML = '[database]\nurl = "sqlite:///drumbeat.db"\n[providers.shop]\nadapter = "{}"\napi_key = "env:KEY"\n'
SENDERS = {
    "meta": '[[providers.shop.senders]]\nname = "one"\nphone_number_id = "106540352242922"\n',
    "kapso": '[[providers.shop.senders]]\nname = "one"\nphone_number_id = "123456789012345"\n',
}
URLS = {
    "meta": "http://emulator/meta/v24.0",
    "kapso": "http://emulator/kapso/meta/whatsapp/v24.0",
}


@PROVIDERS
def test_the_command_shows_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    emulator = httpx.ASGITransport(create_app(Settings()))
    online = [True]

    async def handle(request: httpx.Request) -> httpx.Response:
        if not online[0]:
            raise httpx.ConnectError("no network")
        return await emulator.handle_async_request(request)

    async def tell(body: Any) -> None:
        async with httpx.AsyncClient(transport=emulator, base_url="http://emulator") as client:
            (await client.post(f"/{provider}/_control/number", json=body)).raise_for_status()

    asyncio.run(tell({"limit": "TIER_2K"}))
    opener = partial(lanes.open_account, transport=httpx.MockTransport(handle))
    monkeypatch.setattr(lanes, "open_account", opener)
    more = f'base_url = "{URLS[provider]}"\ntier = 500\nbusiness_account_id = "{WABA[provider]}"\n'
    (tmp_path / "drumbeat.toml").write_text(TOML.format(provider) + more + SENDERS[provider])

    def limits(*arguments: str) -> Any:
        return invoke(tmp_path, "provider", "limits", *arguments, KEY="test-key")

    [row] = limits("--json").json
    assert not (tmp_path / "drumbeat.db").exists()
    shown = [row[key] for key in ("people", "tier", "unlimited", "quality", "throughput", "name_status")]
    assert shown == [2_000, 500, False, "GREEN", "STANDARD", "APPROVED"]
    assert (row["portfolio"], row["reached"], row["problem"]) == (events.PORTFOLIO_ID, None, "")
    assert invoke(tmp_path, "db", "upgrade").code == 0
    assert "2,000   500        0  GREEN" in limits().out
    online[0] = False
    done = limits("shop", "--json")
    [row] = done.json
    assert (done.code, row["people"], "cannot be reached" in row["problem"]) == (4, 2_000, True)


def test_an_account_without_limits_says_so(tmp_path: Path) -> None:
    sender = '[[providers.shop.senders]]\nname = "one"\nsession_id = "a3f1b2c4-1234-4abc-9def-000011112222"\n'
    (tmp_path / "drumbeat.toml").write_text(TOML.format("ourvoice") + sender)
    done = invoke(tmp_path, "provider", "limits", "--json", KEY="test-key")
    [row] = done.json
    assert (done.code, row["problem"]) == (0, "This provider does not show the limits of its numbers.")

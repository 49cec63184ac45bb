"""Frequency caps through the whole engine: campaigns and lanes that compete for the same people at the same time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.rules.caps import Cap
from campaigns.spec.campaign_spec import CampaignSpec
from emulators.settings import Settings
from providers.registry import adapter_class
from scheduler.clock.runner import run
from storage.database.engine import Engine, reading
from storage.views.overview import budget_use
from tests.acceptance.conftest import InMemory
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, phone, spec, store_campaign

CAP = {"max": 2, "per": "7d"}
CROSSED = (("meta", ["one", "two"]), ("kapso", ["one"]), ("meta", ["two", "one"]))
"""Provider and senders of each campaign: a contact has another lane in each."""
SUNDAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
ODD = ("0901", "0902", "0903", "0908", "0970", "0971")
"""The emulators fail or refuse numbers that end so (the last two are the senders' own): their room is given back."""


def capped(number: int, provider: str, senders: list[str], **tables: Any) -> CampaignSpec:
    asked = {"content": {"template": TEMPLATE}, "caps": [CAP], **tables}
    return spec(f"campaign-{number}", provider=provider, senders=senders, **asked)


@pytest.mark.parametrize("size", [60, pytest.param(5_000, marks=pytest.mark.soak)])
async def test_nobody_is_above_the_cap_and_everyone_gets_what_it_allows(
    engine: Engine, tmp_path: Path, size: int
) -> None:
    for number, (provider, senders) in enumerate(CROSSED):
        await store_campaign(engine, capped(number, provider, senders), size)
    transport = InMemory(Settings())
    accounts = {name: account_at(name, tmp_path / name) for name in ("meta", "kapso")}
    await run(engine, accounts, until_idle=True, wait_receipts=timedelta(0), transport=transport)
    received = Counter(entry["to"].lstrip("+") for entry in await transport.ledger())
    people = [phone(number) for number in range(size) if not phone(number).endswith(ODD)]
    assert {person: received[person[1:]] for person in people} == dict.fromkeys(people, 2)
    rows = await job_rows(engine)
    assert len(rows) == 3 * size
    skipped = Counter(row.phone for row in rows if row.state == "skipped" and row.reason == "frequency_cap")
    assert {person: skipped[person] for person in people} == dict.fromkeys(people, 1)


async def test_a_definite_failure_gives_its_room_back(engine: Engine, tmp_path: Path) -> None:
    for number in range(2):
        await store_campaign(engine, capped(number, "meta", ["one"], caps=[{"max": 1, "per": "7d"}]), 1)
    transport = InMemory(Settings())
    await transport.tell("POST", "/meta/_control/refuse", {"code": 131026, "times": 1})
    accounts = {"meta": account_at("meta", tmp_path / "key")}
    await run(engine, accounts, until_idle=True, wait_receipts=timedelta(0), transport=transport)
    assert [(row.state, row.code) for row in await job_rows(engine)] == [
        ("failed", "131026"),
        ("accepted", None),
    ]


async def test_who_need_not_obey_goes_and_who_does_not_count_leaves_room(
    engine: Engine, tmp_path: Path
) -> None:
    one = [{"max": 1, "per": "7d"}]
    await store_campaign(
        engine, capped(0, "meta", ["one"], caps=one, counts_toward_caps=False, priority=3), 1
    )
    await store_campaign(engine, capped(1, "meta", ["one"], caps=one, priority=2), 1)
    await store_campaign(engine, capped(2, "meta", ["one"], caps=one, obeys_caps=False, priority=1), 1)
    await store_campaign(engine, capped(3, "meta", ["one"], caps=one), 1)
    accounts = {"meta": account_at("meta", tmp_path / "key", pair_gap="0s")}
    transport = InMemory(Settings())
    await run(engine, accounts, until_idle=True, wait_receipts=timedelta(0), transport=transport)
    assert [row.state for row in await job_rows(engine)] == ["accepted", "accepted", "accepted", "skipped"]


async def test_a_message_that_waits_takes_no_room_no_money_and_no_attempt(
    engine: Engine, tmp_path: Path
) -> None:
    """Both may go to the same person once: the dearer claim waits for its hours, the other goes meanwhile."""
    one = [{"max": 1, "per": "7d"}]
    closed = {"allow": "09:00-10:00", "days": ["mon"]}
    money = {"max": "1", "currency": "USD"}
    await store_campaign(
        engine,
        capped(0, "meta", ["one"], caps=[], hours=closed, budget=money, priority=9),
        5,
        start_at=SUNDAY,
    )
    await store_campaign(engine, capped(1, "meta", ["one"], caps=one), 5, start_at=SUNDAY)
    accounts = {"meta": account_at("meta", tmp_path / "key", price="0.05 USD")}
    transport = InMemory(Settings())
    options: Any = {"until_idle": True, "wait_receipts": timedelta(0), "transport": transport}
    await run(engine, accounts, now=lambda: SUNDAY, **options)
    rows = await job_rows(engine)
    assert Counter((row.state, row.held_by, row.attempts) for row in rows) == {
        ("pending", "hours", 0): 5,
        ("accepted", None, 1): 5,
    }
    async with reading(engine) as connection:
        assert not [use for use in await budget_use(connection, 1) if use.reserved or use.spent]


async def test_a_house_cap_holds_for_every_campaign(engine: Engine, tmp_path: Path) -> None:
    for number in range(2):
        wanted = spec(f"c-{number}", provider="kapso", senders=["one"], content={"template": TEMPLATE})
        await store_campaign(engine, wanted, 3)
    transport = InMemory(Settings())
    await run(
        engine,
        {"kapso": account_at("kapso", tmp_path / "key")},
        until_idle=True,
        wait_receipts=timedelta(0),
        transport=transport,
        default_caps=(Cap(1, timedelta(days=1)),),
    )
    assert len(await transport.ledger()) == 3


async def test_a_paced_campaign_never_exceeds_its_pair_gap(engine: Engine, tmp_path: Path) -> None:
    assert adapter_class("kapso").capabilities.pair_gap == timedelta(seconds=6)
    for number in range(2):
        await store_campaign(engine, capped(number, "kapso", ["one"], caps=[]), 2)
    transport = InMemory(Settings())
    await run(
        engine,
        {"kapso": account_at("kapso", tmp_path / "key", rate="50/s", pair_gap="2s")},
        until_idle=True,
        wait_receipts=timedelta(0),
        transport=transport,
    )
    times: dict[str, list[float]] = {}
    for entry in await transport.ledger():
        times.setdefault(entry["to"], []).append(entry["accepted_at"])
    assert all(len(at) == 2 and at[1] - at[0] >= 2 for at in times.values())

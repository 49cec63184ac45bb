"""Estimates against numbers reckoned by hand, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from campaigns.errors import InvalidInput, NotFound
from campaigns.money.costs import NO_CURRENCY, Money
from campaigns.money.prices import RateCard
from campaigns.rules.names import Form
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, JobState
from providers.settings import AccountSettings
from scheduler.actions.control import cancel
from scheduler.clock.launch import launch_due
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from scheduler.forecast.planning import planning_lanes
from scheduler.forecast.worst_case import worst_case
from storage.audience.campaigns import require
from storage.audience.rates import store_card
from storage.database.engine import Engine, reading, writing
from storage.sending.windows import Opening, extend_windows
from storage.tables.audience import recipients
from storage.tables.contacts import optouts, touches, windows
from storage.tables.lanes import unique_recipients
from storage.tables.money import budgets
from storage.tables.runs import jobs, runs
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import account, phone, spec, store_campaign, store_people

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
RATES = {
    ("United Kingdom", "marketing", "any"): 52_900,
    ("United Kingdom", "utility", "closed"): 22_000,
    ("France", "marketing", "any"): 85_900,
}
CARD = RateCard(0, "meta-usd", date(2026, 1, 1), "USD", "a test", RATES)
BOTH = {"text": "Hi {{ first_name }}", "template": TEMPLATE}


@pytest.fixture
def meta(tmp_path: Path) -> AccountSettings:
    return account_at("meta", tmp_path / "key", rates="meta-usd", price=None)


def given_spec(**tables: Any) -> CampaignSpec:
    return spec(**{"provider": "meta", "senders": ["one"], "content": BOTH, **tables})


async def given(engine: Engine, wanted: CampaignSpec, size: int, **options: Any) -> None:
    await store_campaign(engine, wanted, size, **{"start_at": None, **options})
    async with writing(engine) as connection:
        await store_card(connection, CARD, NOW)


async def found(
    engine: Engine,
    settings: AccountSettings,
    name: str = "spring",
    at: datetime = NOW,
    progress: Callable[[int], None] | None = None,
) -> Estimate:
    async with reading(engine) as connection:
        campaign = await require(connection, name)
        return await estimate(connection, campaign, settings, now=lambda: at, progress=progress)


async def open_until(engine: Engine, number: int, until: datetime) -> None:
    row = {"phone": phone(number), "lane": "meta/one", "open_until": until, "known_by": "inbound"}
    async with writing(engine) as connection:
        await connection.execute(insert(windows).values(**row, updated_at=NOW))


def costs(result: Estimate) -> dict[tuple[str | None, str], tuple[int, str, str, int]]:
    return {
        (line.country, line.category): (line.messages, str(line.low), str(line.high), line.unpriced)
        for line in result.costs.values()
    }


def takes(result: Estimate) -> dict[str, float]:
    return {limit.name: limit.takes.total_seconds() for limit in result.limits}


async def test_without_windows_a_flat_price_is_certain(engine: Engine, tmp_path: Path) -> None:
    settings = account("http://localhost", tmp_path / "key", "s", price="10 XOF")
    await store_campaign(engine, spec(pace={"delay_between": 500}), 10, start_at=None)
    result = await found(engine, settings)
    assert (result.recipients, result.sends, dict(result.forms)) == (10, 10, {Form.FREE: 10})
    assert costs(result) == {("GB", "marketing"): (10, "100", "100", 0)}
    assert not result.windows
    assert (result.binding and result.binding.name, result.takes) == ("delay_between", timedelta(seconds=4.5))
    assert result.ends_at == NOW + timedelta(seconds=4.5)


async def test_the_cost_is_a_range_where_the_window_is_not_sure(
    engine: Engine, meta: AccountSettings
) -> None:
    await given(engine, given_spec(), 4)
    await open_until(engine, 0, NOW + timedelta(hours=20))
    await open_until(engine, 1, NOW - timedelta(hours=1))
    await open_until(engine, 2, NOW + timedelta(minutes=3))  # may close before the message's turn
    result = await found(engine, meta)
    assert dict(result.windows) == {"open": 2, "closed": 1, "unknown": 1}
    assert dict(result.forms) == {Form.FREE: 2, Form.TEMPLATE: 2}
    assert costs(result) == {
        ("GB", "service"): (2, "0", "0.0529", 0),  # within the free allowance, or 0.0529
        ("GB", "marketing"): (2, "0.0529", "0.1058", 0),  # 0.0529 for sure, and 0.022 or 0.0529
    }
    (total,) = result.totals()
    assert (str(total.low), str(total.high)) == ("0.0529", "0.1587")


async def test_a_free_form_message_that_may_not_go_may_cost_nothing(
    engine: Engine, meta: AccountSettings
) -> None:
    await given(engine, given_spec(content={"text": "Hi"}), 2)
    await open_until(engine, 0, NOW - timedelta(hours=1))
    result = await found(engine, meta)
    assert (result.sends, dict(result.skips)) == (0, {"window_closed": 2})
    assert costs(result) == {("GB", "service"): (0, "0", "0.022", 0)}


async def test_what_has_no_price_is_counted_and_never_nothing(engine: Engine, meta: AccountSettings) -> None:
    await given(engine, given_spec(content={"template": TEMPLATE}, category="authentication"), 3)
    result = await found(engine, meta)
    assert (result.sends, result.unpriced, result.totals()) == (3, 3, [])
    assert costs(result) == {("GB", "authentication"): (3, "0", "0", 3)}


async def test_countries_and_currencies_are_separate(engine: Engine, meta: AccountSettings) -> None:
    await given(engine, given_spec(content={"template": TEMPLATE}), 1002)
    result = await found(engine, meta)
    assert costs(result) == {
        ("GB", "marketing"): (1000, "52.9", "52.9", 0),
        ("FR", "marketing"): (2, "0.1718", "0.1718", 0),
    }


async def test_skips_are_counted_by_reason(engine: Engine, meta: AccountSettings) -> None:
    caps = [{"max": 1, "per": "7d"}]
    await given(engine, given_spec(caps=caps, consent={"required": True}), 6)
    async with writing(engine) as connection:
        agreed = recipients.c.phone != phone(0)
        await connection.execute(update(recipients).where(agreed).values(consent_at=NOW - timedelta(days=1)))
        said = {"scope": "marketing", "source": "test", "at": NOW}
        await connection.execute(insert(optouts).values(phone=phone(1), action="out", **said))
        for number, age in ((2, 1), (3, 8)):
            await connection.execute(insert(touches).values(_history_row(number, NOW - timedelta(days=age))))
    result = await found(engine, meta)
    assert dict(result.skips) == {"no_consent": 1, "opted_out": 1, "frequency_cap": 1}
    assert result.sends == 3


def _history_row(number: int, at: datetime) -> dict[str, Any]:
    return {
        "job_id": 1_000 + number,
        "phone": phone(number),
        "at": at,
        "campaign_id": 99,
        "lane": "meta/one",
        "category": "marketing",
        "tags": "[]",
        "counts": True,
    }


async def test_what_is_held_back_until_a_time_goes_then(engine: Engine, meta: AccountSettings) -> None:
    caps = [{"max": 1, "per": "7d", "on_cap": "wait"}]
    await given(engine, given_spec(caps=caps), 4)
    async with writing(engine) as connection:
        await connection.execute(insert(touches).values(_history_row(0, NOW - timedelta(days=2))))
    result = await found(engine, meta)
    assert (result.sends, dict(result.held), result.held_share) == (4, {"frequency_cap": 1}, 0.25)
    assert result.takes == timedelta(days=5)
    assert result.binding
    assert result.binding.name == "held_by_frequency_cap"


async def test_a_hold_that_outlasts_the_campaign_is_an_expiry(engine: Engine, meta: AccountSettings) -> None:
    schedule = {"expires_after": "1d"}
    await given(engine, given_spec(caps=[{"max": 1, "per": "7d", "on_cap": "wait"}], schedule=schedule), 2)
    async with writing(engine) as connection:
        await connection.execute(insert(touches).values(_history_row(0, NOW - timedelta(days=2))))
    result = await found(engine, meta)
    assert (result.sends, dict(result.skips)) == (1, {"expired": 1})


@pytest.mark.parametrize(
    ("pace", "expires_after", "goes", "lasts"),
    [
        ({"delay_between": 60_000}, "10m", 10, timedelta(minutes=9)),
        ({"delay_between": 60_000}, "25m", 25, timedelta(minutes=24)),
        ({"rate": "30/h"}, "10m", 5, timedelta(minutes=8)),
        ({"ramp": [5, 3]}, "12h", 5, timedelta(seconds=2)),
        ({"ramp": [5, 3]}, "20h", 8, timedelta(hours=15)),
    ],
)
async def test_whom_a_slow_pace_leaves_until_the_run_expires_is_an_expiry(
    engine: Engine, tmp_path: Path, pace: dict[str, Any], expires_after: str, goes: int, lasts: timedelta
) -> None:
    settings = account("http://localhost", tmp_path / "key", "s", price="10 XOF")
    await store_campaign(
        engine, spec(pace=pace, schedule={"expires_after": expires_after}), 25, start_at=None
    )
    result = await found(engine, settings)
    assert (result.recipients, result.sends, dict(result.forms)) == (25, goes, {Form.FREE: goes})
    assert dict(result.skips) == ({"expired": 25 - goes} if goes < 25 else {})
    assert costs(result) == {("GB", "marketing"): (goes, str(10 * goes), str(10 * goes), 0)}
    assert result.takes == lasts


async def test_the_last_in_line_expire_first(engine: Engine, tmp_path: Path) -> None:
    """Five whose own time comes late, at a pace that leaves room for eight: the five are among those who expire."""
    settings = account("http://localhost", tmp_path / "key", "s", price="10 XOF")
    wanted = spec(pace={"delay_between": 60_000}, schedule={"expires_after": "8m"})
    await store_campaign(engine, wanted, 12, start_at=None)
    async with writing(engine) as connection:
        own = update(recipients).where(recipients.c.phone >= phone(7))
        await connection.execute(own.values(send_at=NOW + timedelta(minutes=7, seconds=30)))
    result = await found(engine, settings)
    assert (result.sends, dict(result.skips)) == (8, {"expired": 4})
    assert result.ends_at == NOW + timedelta(minutes=7, seconds=30)


async def test_outside_the_hours_messages_wait_for_them(engine: Engine, meta: AccountSettings) -> None:
    await given(engine, given_spec(hours={"allow": "10:00-19:00"}), 3)  # London is at 09:00 UTC in winter
    result = await found(engine, meta)
    assert (result.sends, dict(result.held)) == (3, {"hours": 3})
    assert takes(result)["held_by_hours"] == 3600


async def test_a_message_that_waits_for_a_reply_is_no_send(engine: Engine, meta: AccountSettings) -> None:
    await given(engine, given_spec(content={"text": "Hi", "closed_window": "wait"}), 2)
    result = await found(engine, meta)
    assert (result.sends, dict(result.waits)) == (0, {"window": 2})
    assert costs(result) == {("GB", "service"): (0, "0", "0.044", 0)}


async def test_the_slowest_limit_binds(engine: Engine, tmp_path: Path) -> None:
    senders = [
        {"name": "one", "phone_number_id": "1", "rate": "2/s"},
        {"name": "two", "phone_number_id": "2"},
    ]
    settings = account_at("meta", tmp_path / "key", senders=senders, rate="5/s", tier=10, price="1 USD")
    pace = {"delay_between": 400, "jitter": "200ms", "rate": "60/min", "ramp": [4, 10]}
    await given(engine, given_spec(senders=["one", "two"], pace=pace, content={"template": TEMPLATE}), 30)
    async with writing(engine) as connection:
        reached = {"account": "meta", "phone": "+447700900999", "at": NOW - timedelta(hours=1)}
        await connection.execute(insert(unique_recipients).values(reached))
    result = await found(engine, settings)  # 15 messages on each lane
    assert takes(result) == {
        "delay_between": pytest.approx(14 * 0.5),
        "campaign_rate": pytest.approx(14.0),
        "sender_rate": pytest.approx(14 / 2),
        "account_rate": pytest.approx(29 / 5),
        "tier": 3 * 86_400,  # 9 now, and 10, 10 and 1 on the days after
        "ramp": 15 * 3600 + 86_400,  # 4 today, 10 tomorrow and the last one on the day after
    }
    assert result.binding
    assert result.binding.name == "tier"


async def test_long_sending_is_cut_by_the_hours(engine: Engine, meta: AccountSettings) -> None:
    pace = {"delay_between": 3_600_000}
    await given(engine, given_spec(pace=pace, hours={"allow": "09:00-12:00"}), 8)
    result = await found(engine, meta)
    assert takes(result)["delay_between"] == 7 * 3600
    assert takes(result)["hours"] == 2 * 86_400 + 3600  # three hours a day


async def test_days_on_which_nothing_may_arrive_make_it_longer(engine: Engine, meta: AccountSettings) -> None:
    """Eight hours of sending from Monday, 2 November on: three on Monday, none on Tuesday and Wednesday."""
    hours = {"allow": "09:00-12:00", "days": ["mon", "thu", "fri"], "holidays": "GB"}
    await given(engine, given_spec(pace={"delay_between": 3_600_000}, hours=hours), 9)
    result = await found(engine, meta)
    assert takes(result)["hours"] == 4 * 86_400 + 2 * 3600
    [limit] = [limit for limit in result.limits if limit.name == "hours"]
    assert limit.value == "09:00-12:00 on mon, thu, fri; not on public holidays of GB"


async def test_messages_wait_for_the_end_of_a_public_holiday(engine: Engine, meta: AccountSettings) -> None:
    """Christmas 2026 is a Friday, and the next day is a holiday in Britain."""
    await given(engine, given_spec(hours={"allow": "10:00-19:00", "holidays": "GB"}), 3)
    result = await found(engine, meta, at=datetime(2026, 12, 25, 9, tzinfo=UTC))
    assert (result.sends, dict(result.held)) == (3, {"hours": 3})
    assert takes(result)["held_by_hours"] == 2 * 86_400 + 3600


async def test_budgets_say_what_is_left_and_how_long_they_make_it(
    engine: Engine, meta: AccountSettings
) -> None:
    budget = {"currency": "USD", "max": "1.00", "per_day": "0.11"}
    await given(engine, given_spec(budget=budget, content={"template": TEMPLATE}), 10)  # 0.529 in all
    async with writing(engine) as connection:
        campaign = await require(connection, "spring")
        used = {"currency": "USD", "reserved_micros": 10_000, "spent_micros": 20_000}
        await connection.execute(insert(budgets).values(key=f"{campaign.id}:day:2026-11-02", **used))
    result = await found(engine, meta)
    assert [(b.kind, str(b.left.amount), b.enough) for b in result.budgets] == [
        ("run", "1", True),
        ("day", "0.08", False),
    ]
    # 0.08 today leaves 0.449: five more days of 0.11, the last of which begins after 15 hours and four days.
    assert takes(result)["budget_per_day"] == 15 * 3600 + 4 * 86_400
    async with reading(engine) as connection:
        assert await connection.scalar(select(func.count()).select_from(budgets)) == 1


async def test_a_card_that_may_be_out_of_date_is_named_once(engine: Engine, tmp_path: Path) -> None:
    senders = [{"name": name, "phone_number_id": number} for name, number in (("one", "1"), ("two", "2"))]
    settings = account_at("meta", tmp_path / "key", senders=senders, rates="meta-usd", price=None)
    await given(engine, given_spec(senders=["one", "two"]), 2)
    [warning] = (await found(engine, settings)).warnings
    assert warning.startswith(
        "The rate card meta-usd is of 2026-01-01, and a new quarter began on 2026-10-01"
    )
    assert (await found(engine, settings, at=datetime(2026, 3, 31, tzinfo=UTC))).warnings == []


async def test_without_a_price_a_budget_holds_everything(engine: Engine, meta: AccountSettings) -> None:
    budget = {"currency": "EUR", "max": "1.00"}
    await given(engine, given_spec(budget=budget), 2)
    result = await found(engine, meta)
    assert (result.sends, dict(result.waits)) == (0, {"budget": 2})


async def test_a_scheduled_campaign_is_seen_as_of_its_start(engine: Engine, meta: AccountSettings) -> None:
    start = NOW + timedelta(days=2)
    await given(engine, given_spec(), 1, start_at=start)
    await open_until(engine, 0, NOW + timedelta(hours=3))
    result = await found(engine, meta)
    assert (result.at, dict(result.windows)) == (start, {"closed": 1})


async def test_of_a_running_campaign_only_what_is_pending_counts(
    engine: Engine, meta: AccountSettings
) -> None:
    await given(engine, given_spec(content={"template": TEMPLATE}), 5, start_at=NOW - timedelta(hours=1))
    assert await launch_due(engine, now=lambda: NOW - timedelta(minutes=30)) == ["spring"]
    async with writing(engine) as connection:
        done = jobs.c.phone.in_([phone(0), phone(1)])
        await connection.execute(update(jobs).where(done).values(state=JobState.READ))
    result = await found(engine, meta)
    assert (result.at, result.recipients, result.sends) == (NOW, 3, 3)


async def test_a_campaign_that_is_over_has_no_estimate(engine: Engine, meta: AccountSettings) -> None:
    await given(engine, given_spec(), 1)
    await cancel(engine, "spring")
    with pytest.raises(InvalidInput, match=CampaignState.CANCELLED):
        await found(engine, meta)


async def test_a_sender_that_is_not_in_the_settings_is_named(engine: Engine, meta: AccountSettings) -> None:
    await given(engine, given_spec(senders=["three"]), 1)
    with pytest.raises(NotFound, match="meta/three"):
        await found(engine, meta)


FRENCH: dict[tuple[str, str, str], int] = {("France", "utility", "closed"): 30_000}


@pytest.mark.parametrize(
    ("content", "size", "more", "expected"),
    [
        (BOTH, 1001, FRENCH, Money(Decimal("52.9859"), "USD")),  # 1000 times 0.0529, and 0.0859
        (BOTH, 1001, {}, None),  # no utility rate for France, and it may go free-form
        ({"text": "Hi"}, 1001, {}, None),
        ({"text": "Hi"}, 10, {}, Money(Decimal("0.22"), "USD")),
        (BOTH, 0, {}, Money(Decimal(0), NO_CURRENCY)),
    ],
)
async def test_the_worst_case_is_everybody_in_the_dearest_form(
    engine: Engine,
    meta: AccountSettings,
    content: dict[str, Any],
    size: int,
    more: dict[tuple[str, str, str], int],
    expected: Money | None,
) -> None:
    wanted = given_spec(content=content)
    await given(engine, wanted, size)
    lane = planning_lanes(wanted, meta, ())["meta/one"]
    async with writing(engine) as connection:
        await store_card(connection, replace(CARD, rates={**RATES, **more}), NOW)
        campaign = await require(connection, "spring")
        assert await worst_case(connection, campaign, lane, NOW) == expected


async def test_pages_join_without_a_seam(
    engine: Engine, meta: AccountSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await given(engine, given_spec(senders=["one", "two"]), 25)
    whole = await found(engine, meta)
    monkeypatch.setattr("storage.views.estimates.PAGE", 7)
    seen: list[int] = []
    paged = await found(engine, meta, progress=seen.append)
    assert (whole.recipients, paged.recipients) == (25, 25)
    assert seen == [7, 14, 21, 25]
    assert costs(whole) == costs(paged)


PEOPLE = ("+6421555001", "+819012345678", "+33639980000", "+447700900001", "+12025550123")
"""In New Zealand, Japan, France, Britain, and one of the zones of the United States."""
LOCAL = {"at": "2026-11-03T09:00", "timezone": "Europe/Paris", "recipient_local_time": True}
NOMINAL = datetime(2026, 11, 3, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("late", [-30, -20, -12, -3, 0, 2, 9])
@pytest.mark.parametrize("more", [{}, {"expires_after": "6h"}, {"catch_up": "always"}, {"catch_up": "9h"}])
async def test_in_recipients_own_time_it_sees_whom_the_launch_reaches(
    sqlite_engine: Engine, meta: AccountSettings, late: int, more: dict[str, str]
) -> None:
    wanted = given_spec(schedule={**LOCAL, **more}, content={"template": TEMPLATE})
    at = NOMINAL + late * HOUR
    await store_people(sqlite_engine, wanted, PEOPLE, rotate=0, start_at=NOMINAL)
    result = await found(sqlite_engine, meta, at=at)
    assert result.at == max(at, NOMINAL - 13 * HOUR)  # 9:00 comes first 14 hours before it comes in UTC
    assert await launch_due(sqlite_engine, now=lambda: result.at) == ["spring"]
    async with reading(sqlite_engine) as connection:
        made = (await connection.execute(select(jobs.c.due_at, jobs.c.reason))).all()
        ends_at = await connection.scalar(select(runs.c.expires_at))
    due = [row.due_at for row in made if row.reason is None and (ends_at is None or row.due_at < ends_at)]
    assert (result.recipients, result.sends) == (5, len(due))
    assert result.skips["too_late"] == sum(row.reason == "too_late" for row in made)
    if due and max(due) > result.at:
        assert takes(result)["recipient_local_time"] == (max(due) - result.at).total_seconds()
        assert result.last_hold == max(due)


async def test_rows_with_a_time_of_their_own_make_it_longer(engine: Engine, meta: AccountSettings) -> None:
    await given(engine, given_spec(pace={"delay_between": 60_000}), 4)
    own = {phone(0): NOW + 10 * HOUR, phone(1): NOW + 10 * HOUR, phone(2): NOW - HOUR}
    async with writing(engine) as connection:
        for number, send_at in own.items():
            await connection.execute(
                update(recipients).where(recipients.c.phone == number).values(send_at=send_at)
            )
    result = await found(engine, meta)
    assert takes(result)["send_at"] == 10 * 3600 + 60, "the two that come last are a gap apart"
    assert (result.takes, result.binding and result.binding.name) == (
        10 * HOUR + timedelta(minutes=1),
        "send_at",
    )
    assert result.held_share == 0


VARIANTS = [
    {"name": "a", "share": 50, "content": {"template": TEMPLATE}},
    {"name": "b", "share": 50, "content": {"template": {**TEMPLATE, "name": "other"}}},
]


async def test_who_waits_for_the_winner_goes_once_it_is_named(engine: Engine, meta: AccountSettings) -> None:
    winner = {"by": "read", "after": "4h", "test_percent": 25}
    wanted = given_spec(
        content={"template": TEMPLATE}, variants=VARIANTS, winner=winner, pace={"delay_between": 1000}
    )
    await given(engine, wanted, 200, start_at=NOW + HOUR)
    split = wanted.split
    assert split is not None
    rest = sum(not split.in_test(phone(number)) for number in range(200))
    result = await found(engine, meta)
    assert (result.sends, dict(result.held), dict(result.waits)) == (200, {"variant": rest}, {})
    assert takes(result)["held_by_variant"] == 4 * 3600 + rest - 1
    assert result.binding is not None
    assert result.binding.name == "held_by_variant"
    launched_at = NOW + 2 * HOUR
    assert await launch_due(engine, now=lambda: launched_at) == ["spring"]
    later = await found(engine, meta, at=NOW + 5 * HOUR)
    assert takes(later)["held_by_variant"] == 3600 + rest - 1
    async with writing(engine) as connection:
        await connection.execute(update(runs).values(winner_reason="a and b are equal; a person decides"))
    stuck = await found(engine, meta, at=NOW + 5 * HOUR)
    assert (stuck.sends, dict(stuck.waits)) == (200 - rest, {"variant": rest})


async def test_a_winner_that_a_person_names_is_waited_for(engine: Engine, meta: AccountSettings) -> None:
    wanted = given_spec(
        content={"template": TEMPLATE}, variants=VARIANTS, winner={"by": "hand", "test_percent": 25}
    )
    await given(engine, wanted, 50)
    result = await found(engine, meta)
    assert result.waits["variant"] + result.sends == 50
    assert result.waits["variant"] > 0


async def test_service_messages_within_the_numbers_free_allowance_cost_nothing(
    engine: Engine, meta: AccountSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.forecast.allowance.FREE_SERVICE_MESSAGES", 4)
    await given(engine, given_spec(name="past"), 6, start_at=NOW - timedelta(days=40))
    await launch_due(engine, now=lambda: NOW - timedelta(days=40))
    october, month = NOW - timedelta(days=3), NOW.replace(day=1)
    arrived = [
        {"form": "text", "delivered_at": NOW - timedelta(hours=1), "state": "delivered"},
        {"form": "image", "delivered_at": None, "read_at": month, "state": "read"},
        {"form": "text", "delivered_at": october, "state": "delivered"},
        {"form": "template", "delivered_at": NOW, "state": "delivered"},
        {"form": "text", "delivered_at": None, "state": "sent"},
        {"form": "text", "delivered_at": NOW, "state": "delivered", "lane": "meta/two"},
    ]
    async with writing(engine) as connection:
        for number, values in enumerate(arrived, start=1):
            await connection.execute(update(jobs).where(jobs.c.id == number).values(**values))
    await store_campaign(engine, given_spec(name="spring"), 3, start_at=None)
    for number in range(3):
        await open_until(engine, number, NOW + timedelta(hours=20))
    result = await found(engine, meta)
    assert costs(result) == {("GB", "service"): (3, "0.022", "0.022", 0)}
    assert result.within_allowance == 2
    before = await found(engine, meta, at=datetime(2026, 9, 30, 9, tzinfo=UTC))
    assert before.within_allowance == 0


async def test_messages_in_a_free_entry_point_cost_nothing(engine: Engine, meta: AccountSettings) -> None:
    await given(engine, given_spec(content={"template": TEMPLATE}), 3)
    for number, days in ((0, 5), (1, -1)):
        opening = Opening(phone(number), "meta/one", NOW + timedelta(days=days), "provider", free=True)
        async with writing(engine) as connection:
            await extend_windows(connection, [opening], NOW - timedelta(days=2))
    result = await found(engine, meta)
    assert costs(result) == {("GB", "marketing"): (3, "0.1058", "0.1058", 0)}
    assert (result.free_entries, dict(result.forms)) == (1, {Form.TEMPLATE: 3})

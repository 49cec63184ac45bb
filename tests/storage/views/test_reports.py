"""The reports' numbers on both databases: they add up at every moment of a campaign's life."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, update

from app.views.people.recipient_timeline import recipient_timeline
from app.views.reports.cost_report import cost_report
from app.views.reports.reports import delivery_report, failures_report
from app.wiring.settings import Settings
from campaigns.errors import NotFound
from campaigns.money.costs import NO_CURRENCY
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, JobState
from providers.registry import adapter_class
from storage.audience import campaigns as store
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection, Engine, reading, writing
from storage.runs.control import move_campaign
from storage.tables.audience import campaigns, imports, recipients, rejects
from storage.tables.runs import jobs, runs
from storage.views.recipient_rows import RECIPIENT_KEYS, stream_recipients
from storage.views.reports import delivery

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SPEC = CampaignSpec.model_validate(
    {"name": "spring", "provider": "ourvoice", "senders": ["shop"], "content": {"text": "Hi {{ name }}"}}
)

REFUSED = "The provider refused this recipient; see its code and text."


async def given_campaign(connection: Connection, people: int, bad: int = 0) -> Campaign:
    """A loaded campaign, its import and its rows: the good ones on lines 2.., the bad ones after them."""
    campaign = replace(await store.create(connection, SPEC, NOW), recipients=people)
    await connection.execute(update(campaigns).values(recipients=people))
    made = await connection.execute(
        insert(imports)
        .values(
            campaign_id=campaign.id,
            source="spring.csv",
            digest="d",
            rows=people + bad,
            accepted=people,
            rejected=bad,
            duplicates=0,
            settled=0,
            detected="{}",
            created_at=NOW,
        )
        .returning(imports.c.id)
    )
    import_id = made.scalar_one()
    common = {"campaign_id": campaign.id, "import_id": import_id}
    await connection.execute(
        insert(recipients),
        [
            {
                **common,
                "line": 2 + number,
                "phone": f"+4477009{number:05}",
                "region": "GB" if number % 2 else "FR",
                "bucket": number,
                "vars": '{"name": "Ada"}',
            }
            for number in range(people)
        ],
    )
    if bad:
        row = {**common, "column": "phone", "code": "phone_invalid", "reason": "No such number.", "raw": "x"}
        await connection.execute(insert(rejects), [{**row, "line": 1000 + number} for number in range(bad)])
    return campaign


async def given_jobs(
    connection: Connection, campaign: Campaign, *rows: dict[str, Any], nominal_at: datetime = NOW
) -> int:
    """A launched run with one job per row, for the campaign's recipients in their order."""
    made = await connection.execute(
        insert(runs)
        .values(
            campaign_id=campaign.id,
            nominal_at=nominal_at,
            state="running",
            priority=0,
            spec=campaign.spec.to_json(),
            jobs=len(rows),
            launched_at=nominal_at,
        )
        .returning(runs.c.id)
    )
    run_id: int = made.scalar_one()
    people = await connection.execute(
        recipients.select().where(recipients.c.campaign_id == campaign.id).order_by(recipients.c.id)
    )
    for person, row in zip(people.mappings(), rows, strict=True):
        values = {"lane": "ourvoice/shop", "due_at": NOW, "updated_at": NOW, **row}
        await connection.execute(
            insert(jobs).values(run_id=run_id, recipient_id=person["id"], phone=person["phone"], **values)
        )
    return run_id


def taken(
    state: JobState, cost: int | None = 10_000_000, currency: str | None = "XOF", **more: Any
) -> dict[str, Any]:
    return {
        "state": state,
        "attempts": 1,
        "form": "text",
        "provider_message_id": "m",
        "cost_micros": cost,
        "currency": currency if cost is not None else None,
        **more,
    }


ROWS = (
    {"state": JobState.PENDING},
    {"state": JobState.SKIPPED, "reason": "opted_out"},
    {"state": JobState.FAILED, "reason": "refused", "code": "422", "attempts": 1},
    {"state": JobState.IN_DOUBT, "reason": "no_trusted_answer", "code": "late", "attempts": 1},
    taken(JobState.SENT),
    taken(JobState.DELIVERED),
    taken(JobState.READ, sent_at=NOW, delivered_at=NOW, read_at=NOW),
    taken(JobState.READ, cost=None),
)


async def test_before_launch_recipients_are_pending_jobs(engine: Engine) -> None:
    async with writing(engine) as connection:
        await given_campaign(connection, people=3, bad=2)
    async with reading(engine) as connection:
        report = (await delivery_report(connection, "spring")).json
    assert (report["rows"], report["rejected"], report["jobs"]) == (5, 2, 3)
    assert report["states"] == {"pending": 3}
    assert (report["delivery_rate"], report["read_rate"]) == (None, None)


async def test_cancelled_before_launch_they_are_cancelled_jobs(engine: Engine) -> None:
    async with writing(engine) as connection:
        await given_campaign(connection, people=3)
        await move_campaign(connection, "spring", [CampaignState.DRAFT], CampaignState.CANCELLED, NOW)
    async with reading(engine) as connection:
        assert (await delivery_report(connection, "spring")).json["states"] == {"cancelled": 3}


async def test_the_delivery_report_adds_up(engine: Engine) -> None:
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=len(ROWS), bad=2)
        await given_jobs(connection, campaign, *ROWS)
    async with reading(engine) as connection:
        report = (await delivery_report(connection, "spring")).json
        found = await delivery(connection, campaign)
    assert report["rows"] == report["rejected"] + report["jobs"] == 10
    assert sum(report["states"].values()) == report["jobs"]
    assert report["states"]["read"] == 2
    assert (report["skipped"], report["failed"]) == ({"opted_out": 1}, {"422": 1})
    assert (report["delivery_rate"], report["read_rate"]) == (0.5, 0.6667)
    assert found.awaiting == 1


def priced(
    state: JobState, estimate: int | None, cost: int | None, *, price_currency: str = "USD", **more: Any
) -> dict[str, Any]:
    """A message with an estimate and a charge in micro-units; None: not known."""
    currency = None if estimate is None else price_currency
    return taken(state, cost, "USD", price_micros=estimate, price_currency=currency) | more


COSTS = (
    priced(JobState.READ, 20_000, 30_000),
    priced(JobState.DELIVERED, 20_000, 0),
    priced(JobState.SENT, 20_000, None),
    priced(JobState.FAILED, 20_000, None),
    priced(JobState.SENT, None, 5_000),
    priced(JobState.SENT, None, None),
    priced(JobState.FAILED, None, None),
    {"state": JobState.SKIPPED, "reason": "opted_out"},
)


async def given_costs(engine: Engine, *rows: dict[str, Any]) -> dict[str, Any]:
    """The cost report of a campaign with these jobs."""
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=len(rows))
        await given_jobs(connection, campaign, *rows)
    async with reading(engine) as connection:
        return (await cost_report(connection, "spring")).json


def amounts(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("estimated", "actual", "unsettled", "unpriced"))


async def test_estimated_actual_unsettled_and_unpriced_are_separate(engine: Engine) -> None:
    report = await given_costs(engine, *COSTS)
    assert report["currency"] == "USD"
    assert amounts(report) == (Decimal("0.08"), Decimal("0.035"), Decimal("0.02"), 1)
    countries = {(line["country"], line["currency"]): line for line in report["by_country"]}
    assert amounts(countries["FR", "USD"]) == (Decimal("0.04"), Decimal("0.035"), Decimal("0.02"), 0)
    assert amounts(countries["GB", "USD"]) == (Decimal("0.04"), Decimal(0), Decimal(0), 0)
    assert amounts(countries["GB", None]) == (None, Decimal(0), Decimal(0), 1)
    assert sum(line["messages"] for line in report["by_country"]) == 7
    (usd, unknown) = report["by_category"]
    assert (usd["category"], unknown["category"]) == ("marketing", "marketing")
    assert amounts(usd)[:3] == amounts(report)[:3]


async def test_an_estimate_is_not_invented_where_no_price_was_known(engine: Engine) -> None:
    report = await given_costs(engine, *ROWS)
    assert amounts(report) == (None, Decimal(30), Decimal(0), 1)
    assert report["currency"] == "XOF"
    assert sum(line["messages"] for line in report["by_country"]) == 4


async def test_a_charge_without_a_currency_is_in_the_prices(engine: Engine) -> None:
    unnamed = priced(JobState.READ, 20_000, 0) | {"currency": NO_CURRENCY}
    report = await given_costs(engine, unnamed, priced(JobState.READ, 20_000, 20_000))
    assert (report["currency"], *amounts(report)) == ("USD", Decimal("0.04"), Decimal("0.02"), Decimal(0), 0)


async def test_a_charge_in_another_currency_leaves_its_estimate_where_it_was(engine: Engine) -> None:
    report = await given_costs(engine, priced(JobState.READ, 20_000, 18_000, price_currency="EUR"))
    totals = {total["currency"]: amounts(total)[:3] for total in report["totals"]}
    assert totals == {
        "EUR": (Decimal("0.02"), Decimal(0), Decimal(0)),
        "USD": (None, Decimal("0.018"), Decimal(0)),
    }
    assert sum(line["messages"] for line in report["by_country"]) == 1


async def test_several_currencies_have_a_total_each(engine: Engine) -> None:
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=2)
        await given_jobs(connection, campaign, taken(JobState.READ), taken(JobState.READ, currency="EUR"))
    async with reading(engine) as connection:
        report = (await cost_report(connection, "spring")).json
    assert {total["currency"]: total["actual"] for total in report["totals"]} == {
        "EUR": Decimal(10),
        "XOF": Decimal(10),
    }
    assert "actual" not in report


async def test_a_campaign_that_sent_nothing_cost_nothing_and_no_currency_is_invented(engine: Engine) -> None:
    async with writing(engine) as connection:
        await given_campaign(connection, people=1)
    async with reading(engine) as connection:
        report = (await cost_report(connection, "spring")).json
    assert (report["currency"], report["actual"], report["unpriced"]) == (None, Decimal(0), 0)


async def test_failures_are_grouped_with_an_example(engine: Engine) -> None:
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=len(ROWS), bad=2)
        await given_jobs(connection, campaign, *ROWS)
    async with reading(engine) as connection:
        report = (await failures_report(connection, "spring")).json
    assert report["failed"] == [{"code": "422", "text": REFUSED, "count": 1, "example": "+447700900002"}]
    assert report["in_doubt"][0]["code"] == "late"
    assert report["rejected"] == [
        {"code": "phone_invalid", "text": "No such number.", "count": 2, "first_line": 1000}
    ]


async def test_recipients_are_streamed_in_the_order_of_the_file(engine: Engine) -> None:
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=len(ROWS))
    async with reading(engine) as connection:
        before = [row async for row in stream_recipients(connection, campaign)]
    async with writing(engine) as connection:
        await given_jobs(connection, campaign, *ROWS)
    async with reading(engine) as connection:
        after = [row async for row in stream_recipients(connection, campaign)]
    assert [row["line"] for row in before] == [row["line"] for row in after] == list(range(2, 10))
    assert {tuple(row) for row in before + after} == {RECIPIENT_KEYS}
    assert {row["state"] for row in before} == {"pending"}
    assert (after[6]["cost"], after[6]["currency"], after[6]["read_at"]) == (Decimal(10), "XOF", NOW)
    assert (after[7]["cost"], after[7]["currency"]) == (None, None)


@pytest.mark.parametrize(
    ("pace", "rate", "seconds"),
    [
        ({}, None, 1.5),
        ({"delay_between": 2000}, None, 6),
        ({"delay_between": 0}, "2/s", 1.5),
        ({"rate": "1/min"}, "2/s", 180),
    ],
)
async def test_why_estimates_by_the_tightest_limit(
    sqlite_engine: Engine, pace: dict[str, Any], rate: str | None, seconds: float
) -> None:
    account = adapter_class("ourvoice").account_settings.model_validate(
        {
            "adapter": "ourvoice",
            "api_key": "env:KEY",
            "rate": rate,
            "senders": [{"name": "shop", "session_id": "s"}],
        }
    )
    settings = Settings("sqlite://", {"ourvoice": account})
    async with writing(sqlite_engine) as connection:
        campaign = await given_campaign(connection, people=4)
        await store.replace_spec(connection, campaign.id, SPEC.changed(pace=pace), NOW)
        due = {"state": JobState.PENDING, "due_at": datetime.now(UTC) + timedelta(hours=1)}
        await given_jobs(connection, campaign, due, due, due, due)
        await connection.execute(update(runs).values(spec=SPEC.changed(pace=pace).to_json()))
    async with reading(sqlite_engine) as connection:
        story = (await recipient_timeline(connection, settings, "spring", "+447700900003")).json
    assert story["held_by"] == "own_time"
    waits = story["estimated_send_at"] - due["due_at"]
    assert waits.total_seconds() == pytest.approx(seconds, abs=1.01), "to the second"


async def test_an_unknown_campaign_names_the_nearest(engine: Engine) -> None:
    async with writing(engine) as connection:
        await given_campaign(connection, people=1)
    async with reading(engine) as connection:
        with pytest.raises(NotFound) as caught:
            await delivery_report(connection, "sprng")
    assert caught.value.hint == "Did you mean spring?"


async def test_the_first_of_who_was_not_reached_are_those_of_the_whole_list(engine: Engine) -> None:
    states = (
        JobState.SKIPPED,
        JobState.FAILED,
        JobState.READ,
        JobState.EXPIRED,
        JobState.FAILED,
        JobState.SENT,
    )
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, len(states))
        await given_jobs(connection, campaign, *({"state": state} for state in states))
        await connection.execute(update(runs).values(nominal_at=NOW - timedelta(days=1)))
        await given_jobs(connection, campaign, *({"state": state} for state in reversed(states)))
        everybody = [row async for row in stream_recipients(connection, campaign, not_reached=True)]
        assert [row["line"] for row in everybody] == [3, 6]
        for limit in (1, 2, 9):
            first = stream_recipients(connection, campaign, not_reached=True, limit=limit)
            assert [row async for row in first] == everybody[:limit]

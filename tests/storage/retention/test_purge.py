"""A purge takes out the details of what is over, in small steps, and changes no number and no promise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select, update

from app.views.people.recipient_timeline import recipient_timeline
from app.views.reports.cost_report import cost_report
from app.views.reports.reports import delivery_report, failures_report
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, NotFound, UsageError
from campaigns.states import JobState
from providers.events import Report
from scheduler.actions import purge
from scheduler.actions.cloning import clone
from scheduler.actions.control import cancel
from scheduler.actions.purge import carry_out, plan_by_kind, plan_purge, purge_daily
from scheduler.actions.retrying import retry_failed
from scheduler.clock.launch import launch_due
from storage.audience.audience import lock_campaign
from storage.audience.campaigns import list_campaigns
from storage.database.engine import Connection, Engine, is_sqlite, reading, writing
from storage.receipts.inbound import InboundMessage, keep_inbound
from storage.receipts.statuses import apply_webhook_reports
from storage.retention.purge import OldRun, purge_jobs, purge_recipients
from storage.runs.runs import complete_runs
from storage.runs.side_runs import add_test_jobs
from storage.sending.contact_history import recent_history
from storage.sending.optouts import optout_scopes
from storage.sending.windows import open_window
from storage.tables.audience import campaigns, recipients, rejects
from storage.tables.contacts import inbound, optouts, touches, windows
from storage.tables.money import budgets, reservations
from storage.tables.receipts import unmatched_reports, webhooks
from storage.tables.retention import purged_jobs
from storage.tables.runs import attempts, events, jobs, runs
from tests.support.campaigns import later, phone, spec, store_campaign
from tests.support.databases import until_it_waits

AGE = timedelta(days=90)
DAY = 86_400.0
CALL = {"number": 1, "call": "c", "lane": "ourvoice/shop", "epoch": 1, "intent_at": later(2)}
PRICED = {"price_micros": 30_000, "price_currency": "EUR", "provider_message_id": "m"}
ENDS: tuple[dict[str, Any], ...] = (
    {"state": "read", "cost_micros": 50_000, "currency": "EUR", **PRICED},
    {"state": "delivered", **PRICED},
    {"state": "delivered", "provider_message_id": "m"},
    {"state": "failed", "reason": "provider_failed", "code": "131026", **PRICED},
    {"state": "failed", "reason": "retries_exhausted"},
    {"state": "skipped", "reason": "frequency_cap"},
    {"state": "skipped", "reason": "opted_out"},
    {"state": "read", "cost_micros": 10_000, "currency": "USD", **PRICED},
    {"state": "expired", "reason": "expired"},
)


class Interrupted(Exception):
    pass


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 2)
    monkeypatch.setattr(purge, "LIGHT_BATCH", 3)


async def past(engine: Engine, *ends: dict[str, Any], **tables: Any) -> int:
    """The campaign `spring`, whose jobs ended so on the second day, with their histories and two rejects; and after it
    `other`, which is under way, so that spring's jobs are not the newest. The id of the first."""
    campaign_id = await store_campaign(engine, spec(**tables), len(ends))
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await put(connection, ends)
        bad = {
            "campaign_id": campaign_id,
            "import_id": 1,
            "column": "phone",
            "reason": "No number.",
            "raw": "x",
        }
        codes = ("phone_invalid", "duplicate", "phone_invalid", "duplicate")
        rows = [{**bad, "line": 100 + at, "code": code} for at, code in enumerate(codes)]
        await connection.execute(insert(rejects), rows)
        await complete_runs(connection, later(DAY))
    await store_campaign(engine, spec("other"), 1)
    await launch_due(engine, now=lambda: later(2))
    async with writing(engine) as connection:
        await connection.execute(insert(attempts).values(job_id=len(ends) + 1, run_id=2, **CALL))
    return campaign_id


async def put(connection: Any, ends: tuple[dict[str, Any], ...], first: int = 1) -> None:
    """The jobs from `first` on end so, each with a call, an event, a touch and money set aside."""
    ended = dict(enumerate(ends, first))
    blank = {"held_by": None, "updated_at": later(DAY), "attempts": 1}
    for number, end in ended.items():
        await connection.execute(update(jobs).where(jobs.c.id == number).values(**blank, **end))
    report = {"at": later(3), "stored_at": later(3), "source": "shift"}
    money = {"paid_from": '["1:run:1"]', "micros": 1, "currency": "EUR"}
    to = {"lane": "ourvoice/shop", "category": "marketing", "tags": "[]", "counts": True, "at": later(2)}
    people = await connection.execute(select(jobs.c.id, jobs.c.phone).where(jobs.c.id.in_(ended)))
    rows = {
        attempts: [{"job_id": job, "run_id": 1, **CALL} for job in ended],
        events: [{"job_id": job, "event": end["state"], **report} for job, end in ended.items()],
        touches: [{"job_id": job, "phone": number, "campaign_id": 1, **to} for job, number in people],
        reservations: [{"job_id": job, **money} for job in ended],
    }
    for table, theirs in rows.items():
        await connection.execute(insert(table), theirs)


def after(days: float) -> datetime:
    return later(days * DAY)


async def purged(engine: Engine, days: float = 100) -> dict[str, int]:
    now = after(days)
    return await carry_out(engine, await plan_purge(engine, now, AGE), now)


async def numbers(engine: Engine, name: str = "spring") -> Any:
    """All that the reports count, without examples and texts, which are the purged people's."""
    async with reading(engine) as connection:
        delivery = (await delivery_report(connection, name)).json
        cost = (await cost_report(connection, name)).json
        failed = (await failures_report(connection, name)).json
        line = next(each for each in await list_campaigns(connection) if each.name == name)
    for told in (delivery, cost, failed):
        told.pop("purged_at")
    groups = {
        kind: sorted((group["code"], group["count"]) for group in failed[kind])
        for kind in ("failed", "in_doubt", "rejected")
    }
    return delivery, cost, groups, failed["skipped"], (line.recipients, line.rejected)


async def count(engine: Engine, table: Table, *where: Any) -> int:
    async with reading(engine) as connection:
        counted = select(func.count()).select_from(table).where(*where)
        return int((await connection.execute(counted)).scalar_one())


@pytest.mark.usefixtures("small_steps")
async def test_the_details_go_and_the_numbers_stay(engine: Engine) -> None:
    campaign_id = await past(engine, *ENDS)
    before = await numbers(engine)
    done = await purged(engine)
    assert (done["jobs"], done["recipients"], done["rejects"]) == (len(ENDS), len(ENDS), 4)
    assert await numbers(engine) == before
    left = {
        table.name: await count(engine, table)
        for table in (jobs, attempts, recipients, rejects, reservations)
    }
    assert left == {"jobs": 1, "attempts": 1, "recipients": 1, "rejects": 0, "reservations": 0}
    assert await count(engine, events, events.c.job_id <= len(ENDS)) == 0
    assert (
        await count(engine, campaigns, campaigns.c.id == campaign_id, campaigns.c.purged_at.is_not(None)) == 1
    )
    again = await purged(engine)
    assert set(again.values()) == {0}


@pytest.mark.usefixtures("small_steps")
async def test_stopped_after_every_step_it_goes_on_and_is_right_all_along(engine: Engine) -> None:
    """The second of a kind is added to the totals of the first."""
    await past(engine, *ENDS[:4], *ENDS[:4])
    before, now, steps = await numbers(engine), after(100), 0

    def stop(_done: int) -> None:
        raise Interrupted

    while any((plan := await plan_purge(engine, now, AGE)).rows.values()):
        with pytest.raises(Interrupted):
            await carry_out(engine, plan, now, stop)
        assert await numbers(engine) == before
        steps += 1
    assert steps == 4 + 3 + 2
    assert await count(engine, jobs) == 1


async def test_what_is_younger_stays(engine: Engine) -> None:
    await past(engine, *ENDS)
    assert set((await purged(engine, days=90.9)).values()) == {0}


async def test_sooner_than_receipts_come_is_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="30 days"):
        await plan_purge(engine, after(100), timedelta(days=29))


async def test_what_is_not_final_stays_with_its_person(engine: Engine) -> None:
    """Receipts may be awaited for ever: such a run never ends, and its other messages go all the same."""
    await past(engine, *ENDS, {"state": "sent", **PRICED}, {"state": "accepted", **PRICED})
    before = await numbers(engine)
    done = await purged(engine)
    assert (done["jobs"], done["recipients"]) == (len(ENDS), len(ENDS))
    assert await numbers(engine) == before
    async with reading(engine) as connection:
        kept = (await connection.scalars(select(jobs.c.state).where(jobs.c.run_id == 1))).all()
    assert sorted(kept) == ["accepted", "sent"]


@pytest.mark.parametrize("state", ["in_doubt", "pending", "sending"])
async def test_a_run_that_may_still_send_is_left_alone(engine: Engine, state: str) -> None:
    await past(engine, *ENDS, {"state": state})
    assert set((await purged(engine)).values()) == {0}


async def test_in_doubt_stays_where_the_run_was_cancelled(engine: Engine) -> None:
    await past(engine, *ENDS, {"state": "in_doubt"})
    await cancel(engine, "spring", now=lambda: later(DAY))
    assert (await purged(engine))["jobs"] == len(ENDS)
    assert await count(engine, jobs, jobs.c.state == "in_doubt") == 1


async def test_nobody_gets_it_twice_after_a_purge(engine: Engine) -> None:
    await past(engine, *ENDS)
    await purged(engine)
    with pytest.raises(InvalidInput, match="purged on 2026-04-11"):
        await retry_failed(engine, "spring", now=lambda: after(101))
    with pytest.raises(InvalidInput, match="purged on 2026-04-11"):
        async with writing(engine) as connection:
            await clone(connection, "spring", "again", after(101))
    await launch_due(engine, now=lambda: after(101))
    assert await count(engine, runs, runs.c.campaign_id == 1) == 1


async def test_caps_still_see_whom_they_may_look_at(engine: Engine) -> None:
    """A cap may reach a year back, whatever is purged."""
    await past(engine, *ENDS)
    await purged(engine)
    async with reading(engine) as connection:
        seen = await recent_history(connection, [phone(0)], after(-1))
    assert [touch.job_id for touch in seen[phone(0)]] == [1]
    assert (await purged(engine, days=373))["touches"] == 0
    assert (await purged(engine, days=376))["touches"] == len(ENDS)


async def test_a_number_of_a_job_is_not_given_away_again(engine: Engine) -> None:
    await store_campaign(engine, spec(), len(ENDS))
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await put(connection, ENDS)
        await complete_runs(connection, later(DAY))
    assert (await purged(engine))["jobs"] == len(ENDS) - 1
    await store_campaign(engine, spec("next"), 2)
    await launch_due(engine, now=lambda: after(101))
    async with reading(engine) as connection:
        newer = (await connection.scalars(select(jobs.c.id).where(jobs.c.run_id == 2))).all()
    assert min(newer) > len(ENDS)
    async with writing(engine) as connection:
        await connection.execute(insert(attempts).values(job_id=min(newer), run_id=2, **CALL))
    assert (await purged(engine))["jobs"] == 1


async def test_opt_outs_and_budgets_stay_whole(engine: Engine) -> None:
    await past(engine, *ENDS)
    async with writing(engine) as connection:
        word = {"phone": phone(0), "scope": "all", "action": "out", "source": "STOP", "at": later(5)}
        await connection.execute(insert(optouts).values(**word))
        used = {"key": "1:run:1", "currency": "EUR", "reserved_micros": 9, "spent_micros": 4}
        await connection.execute(insert(budgets).values(**used))
    await purged(engine)
    assert await count(engine, optouts) == 1
    assert await count(engine, budgets, budgets.c.reserved_micros == 9, budgets.c.spent_micros == 4) == 1


def receipt(message_id: str, reference: str | None = None) -> Report:
    return Report(message_id, "read", JobState.READ, at=after(101), reference=reference)


async def test_a_late_receipt_is_no_error_and_is_not_kept_for_ever(engine: Engine) -> None:
    await past(engine, *ENDS)
    async with reading(engine) as connection:
        token = await connection.scalar(select(runs.c.token).where(runs.c.id == 1))
    await purged(engine)
    before = await numbers(engine)
    async with writing(engine) as connection:
        known, unknown = receipt("m1", f"{token}.1"), receipt("m2")
        assert await apply_webhook_reports(connection, "ourvoice", [known, unknown], after(101)) == 0
    async with reading(engine) as connection:
        kept = (await connection.scalars(select(unmatched_reports.c.message_id))).all()
    assert kept == ["m2"]
    assert await numbers(engine) == before
    assert (await purged(engine, days=192))["unmatched"] == 1


async def test_webhooks_go_once_they_are_dealt_with(engine: Engine) -> None:
    raw = {"account": "meta", "received_at": later(1), "url": "/", "headers": "{}", "body": b"{}"}
    async with writing(engine) as connection:
        done = [{**raw, "processed_at": later(2)} for _ in range(4)]
        await connection.execute(insert(webhooks), [*done, {**raw, "processed_at": None}])
    assert (await purged(engine))["webhooks"] == 4
    assert await count(engine, webhooks) == 1


async def contacts_of_two_days(engine: Engine) -> None:
    """Ada wrote on the first day and on the 95th, was opted out on both, and her window with another lane is over."""
    async with writing(engine) as connection:
        for days in (1, 95):
            await keep_inbound(
                connection, "a", [InboundMessage("a/b", phone(1), after(days), f"m{days}", "Hi")]
            )
            await open_window(connection, phone(1), f"a/{days}", after(days + 1), "inbound", after(days))
            said = {"phone": phone(1), "scope": "all", "action": "out", "source": "hand", "evidence": "STOP"}
            await connection.execute(insert(optouts).values(at=after(days), **said))


async def left(engine: Engine) -> tuple[int, int, list[str | None]]:
    async with reading(engine) as connection:
        evidence = await connection.scalars(select(optouts.c.evidence).order_by(optouts.c.at))
    return await count(engine, inbound), await count(engine, windows), list(evidence.all())


async def test_what_people_wrote_windows_and_evidence_go_and_the_opt_outs_stay(engine: Engine) -> None:
    await past(engine, *ENDS)
    await contacts_of_two_days(engine)
    gone = await purged(engine)
    assert (gone["inbound"], gone["windows"], gone["evidence"]) == (1, 1, 1)
    assert await left(engine) == (1, 1, [None, "STOP"])
    async with reading(engine) as connection:
        assert await optout_scopes(connection, [phone(1)]) == {phone(1): {"all"}}


async def test_each_kind_has_its_own_age(engine: Engine) -> None:
    await past(engine, *ENDS)
    await contacts_of_two_days(engine)
    plan = await plan_by_kind(engine, after(100), {"inbound": timedelta(days=2)})
    gone = await carry_out(engine, plan, after(100))
    assert gone == {"inbound": 2, "windows": 2}
    assert await left(engine) == (0, 0, ["STOP", "STOP"])
    assert await count(engine, jobs) == len(ENDS) + 1


async def test_the_clock_keeps_to_it_once_a_day_and_goes_on_where_it_was_stopped(engine: Engine) -> None:
    await contacts_of_two_days(engine)
    ages, stop, stopped = {"evidence": timedelta(days=2)}, asyncio.Event(), asyncio.Event()
    stopped.set()
    assert await purge_daily(engine, after(50), {}, stop) is None
    assert await purge_daily(engine, after(50), ages, stopped) == {"evidence": 0}
    assert await purge_daily(engine, after(50), ages, stop) == {"evidence": 1}
    assert await purge_daily(engine, after(50.9), ages, stop) is None
    assert await purge_daily(engine, after(98), ages, stop) == {"evidence": 1}


async def test_the_clock_deletes_files_as_old_as_messages_may_be(engine: Engine) -> None:
    asked = []

    def delete_files(before: datetime) -> int:
        asked.append(before)
        return 3

    ages, stop = {"messages": timedelta(days=30)}, asyncio.Event()
    deleted = await purge_daily(engine, after(50), ages, stop, delete_files)
    assert deleted is not None
    assert (deleted["draft_media"], asked) == (3, [after(20)])
    assert await purge_daily(engine, after(100), {"evidence": timedelta(days=2)}, stop, delete_files)
    assert len(asked) == 1


async def retried(engine: Engine, *ends: dict[str, Any]) -> None:
    """Three people whom the provider never took, and who were tried again; the retry's jobs ended so."""
    await past(engine, *(({"state": "failed", "reason": "retries_exhausted"},) * 3), ENDS[0])
    await retry_failed(engine, "spring", now=lambda: later(DAY))
    async with writing(engine) as connection:
        await put(connection, ends, first=6)
        await complete_runs(connection, later(2 * DAY))
    await store_campaign(engine, spec("later"), 1)
    await launch_due(engine, now=lambda: later(2 * DAY))
    async with writing(engine) as connection:
        await connection.execute(insert(attempts).values(job_id=9, run_id=4, **CALL))


@pytest.mark.usefixtures("small_steps")
async def test_of_a_persons_tries_the_newest_counts_at_every_step(engine: Engine) -> None:
    await retried(engine, ENDS[0], {"state": "failed", "reason": "retries_exhausted"}, ENDS[1])
    before, now = await numbers(engine), after(100)
    assert before[0]["states"] == {"delivered": 1, "read": 2, "failed": 1}
    steps = 0

    def stop(_done: int) -> None:
        raise Interrupted

    while any((plan := await plan_purge(engine, now, AGE)).rows.values()):
        with pytest.raises(Interrupted):
            await carry_out(engine, plan, now, stop)
        assert await numbers(engine) == before
        steps += 1
    assert steps > 6


async def test_a_second_try_does_not_go_before_the_first(engine: Engine) -> None:
    await retried(engine, ENDS[0], ENDS[1], ENDS[1])
    async with writing(engine) as connection:
        await connection.execute(insert(attempts).values(job_id=1, run_id=1, **{**CALL, "number": 2}))
    before = await numbers(engine)
    assert (await purged(engine))["jobs"] == 7 - 2
    assert await numbers(engine) == before


async def test_a_first_try_that_ended_in_time_waits_for_the_second(engine: Engine) -> None:
    await retried(engine, ENDS[0], ENDS[1], {"state": "in_doubt"})
    before = await numbers(engine)
    assert set((await purged(engine)).values()) == {0}
    assert await numbers(engine) == before


async def test_a_test_is_not_counted_but_costs(engine: Engine) -> None:
    await past(engine, *ENDS)
    async with writing(engine) as connection:
        await connection.execute(update(runs).where(runs.c.id == 1).values(kind="test"))
        await connection.execute(update(campaigns).where(campaigns.c.id == 1).values(state="cancelled"))
    before = await numbers(engine)
    await purged(engine)
    assert await numbers(engine) == before
    assert await count(engine, purged_jobs, purged_jobs.c.counts) == 0


async def test_cancelled_before_its_launch_its_people_are_counted_on(engine: Engine) -> None:
    await store_campaign(engine, spec(), 7)
    await cancel(engine, "spring", now=lambda: later(1))
    before = await numbers(engine)
    assert (await purged(engine))["recipients"] == 7
    assert await numbers(engine) == before
    assert before[0]["states"] == {"cancelled": 7}


async def test_a_list_that_is_sent_to_again_stays(engine: Engine) -> None:
    await past(engine, *ENDS, schedule={"cron": "0 9 * * *", "timezone": "UTC"})
    before = await numbers(engine)
    done = await purged(engine)
    assert (done["jobs"], done["recipients"], done["rejects"]) == (len(ENDS), 0, 0)
    assert await numbers(engine) == before
    for moment in (101, 101.3751):  # the second is nine o'clock
        await launch_due(engine, now=lambda moment=moment: after(moment))
    assert await count(engine, jobs, jobs.c.run_id > 2) == len(ENDS)


async def test_views_of_one_message_mention_the_purge(engine: Engine) -> None:
    await past(engine, *ENDS)
    await purged(engine)
    async with reading(engine) as connection:
        with pytest.raises(NotFound, match="purged on 2026-04-11"):
            await recipient_timeline(connection, Settings("sqlite://", {}), "spring", phone(0))
        remarks = [
            (await build(connection, "spring")).remarks
            for build in (delivery_report, cost_report, failures_report)
        ]
    assert all("Details were purged on 2026-04-11. The totals are kept." in each for each in remarks)


async def test_a_test_message_made_during_a_purge_keeps_its_person(engine: Engine) -> None:
    """PostgreSQL checks no foreign key of messages: the campaign's lock keeps them."""
    campaign_id = await past(engine, *ENDS[:2])
    while await write(engine, lambda connection: purge_jobs(connection, FIRST_RUN, after(100), 9)):
        pass
    async with writing(engine) as connection:
        await lock_campaign(connection, campaign_id)
        person = await connection.scalar(select(func.min(recipients.c.id)))
        purging = asyncio.create_task(
            write(engine, lambda other: purge_recipients(other, campaign_id, after(100), 9))
        )
        if not is_sqlite(connection):
            await until_it_waits(engine)
        await add_test_jobs(connection, 1, person, [(phone(7), "ourvoice/shop")], after(100))
    assert await purging == 1
    assert await orphans(engine) == 0


async def test_a_receipt_that_comes_during_a_purge_leaves_nothing_behind(engine: Engine) -> None:
    await past(engine, *ENDS[:2])
    async with writing(engine) as connection:
        assert await apply_webhook_reports(connection, "ourvoice", [receipt("m")], after(101)) == 1
        purging = asyncio.create_task(
            write(engine, lambda other: purge_jobs(other, FIRST_RUN, after(100), 9))
        )
        if not is_sqlite(connection):
            await until_it_waits(engine)
    assert await purging == 2
    assert await orphans(engine) == 0


FIRST_RUN = OldRun(1, "scheduled", (1,))


async def write(engine: Engine, work: Callable[[Connection], Awaitable[int]]) -> int:
    async with writing(engine) as connection:
        return await work(connection)


async def orphans(engine: Engine) -> int:
    """Messages, calls and events of what is not there."""
    found = 0
    async with reading(engine) as connection:
        for column in (jobs.c.recipient_id, jobs.c.run_id, attempts.c.job_id, events.c.job_id):
            (key,) = column.foreign_keys
            gone = select(func.count()).where(~column.in_(select(key.column)))
            found += await connection.scalar(gone) or 0
    return found

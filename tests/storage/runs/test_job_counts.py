"""The kept numbers of messages by state and by time, and sums of what they cost, are those of a recount, whatever
changes the messages, and however many do."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, update

from app.actions.personal_data import erase_person
from campaigns.errors import DrumbeatError
from campaigns.money.costs import NO_CURRENCY, Money
from campaigns.money.prices import Price
from campaigns.outcomes import Accepted, FailureKind, Refused, acknowledge
from campaigns.states import LEFT, JobState
from campaigns.variants import Tally
from providers.events import Report
from scheduler.actions.control import cancel, pause, resolve, resume
from scheduler.actions.purge import carry_out, plan_purge
from scheduler.actions.retrying import preview_retry, retry_failed
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import Connection, Engine, is_sqlite, open_engine, reading, writing
from storage.receipts.inbound import InboundMessage, keep_inbound
from storage.receipts.receipts import mark_orphans
from storage.receipts.statuses import apply_webhook_reports
from storage.runs.cost_sums import SUMS, TAKEN, cost_differences, recount_costs, summed_costs
from storage.runs.job_counts import (
    ACCEPTED_VARIANT,
    KEY,
    count_states,
    counted_by,
    differences,
    recount,
    waiting_groups,
)
from storage.runs.replies import ANSWERED, mark_answered
from storage.runs.retries import MAY_BE_LISTED, ended_groups, newest_occurrence, skip_arrived
from storage.runs.runs import complete_runs, expire_jobs
from storage.runs.time_counts import time_differences
from storage.runs.variants import Tallies, tallies
from storage.sending.intents import (
    Deferral,
    DueJob,
    Intent,
    claim_due,
    commit_intents,
    defer_or_skip,
    withdraw_intents,
)
from storage.sending.optouts import PreferenceChange, add_preferences
from storage.sending.outcomes import Outcome, store_outcomes
from storage.tables.all_tables import metadata
from storage.tables.audience import campaigns, recipients
from storage.tables.counts import cost_sums, job_counts
from storage.tables.runs import attempts, events, jobs, runs
from storage.views.counted_jobs import count_by
from storage.views.report_scope import scope_of
from tests.storage.database.test_plans import statements, whole_reads
from tests.storage.runs.test_replies import assert_answers_right
from tests.storage.runs.test_time_counts import assert_time_line_right
from tests.support.campaigns import later, phone, spec, store_campaign
from tests.support.examples import share

LANE = "ourvoice/shop"
PEOPLE = 5
DAY = 86_400.0
RESULTS = (
    *[Accepted("m")] * 3,
    Refused(FailureKind.RECIPIENT, "131026", "Not on WhatsApp"),
    Refused(FailureKind.UNKNOWN, "timeout", "No answer"),
    Refused(FailureKind.THROTTLED, "130429", "Slow down"),
)
COSTS = (None, None, *(Money(Decimal(amount), code) for amount, code in [
    ("0", "EUR"), ("0.1", "EUR"), ("0.000001", NO_CURRENCY), ("9000000000", "USD"),
]))  # fmt: skip
PRICES = (None, Price(Money(Decimal("0.2"), "EUR"), 7), Price(Money(Decimal("0.3"), "USD"), None))
KEPT = ("job_counts", "cost_sums", "time_counts")
FACTS = (
    *("run_id", "region", "category", "form", "currency", "price_currency", "card_id"),
    *("failed", "settled", "priced"),
)
REPORTED = (JobState.SENT, JobState.DELIVERED, JobState.READ, JobState.FAILED)


class World:
    """A campaign whose messages take every way that there is."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.random = random.Random(seed)
        self.at = 10.0
        self.under_way: list[Intent] = []
        self.ordinary = True
        """Whether nothing was changed by hand, and no message or answer purged."""

    async def change(self, step: str) -> None:
        self.at += 60
        with suppress(DrumbeatError):  # it is refused, and changes nothing
            await getattr(self, step)()

    async def send(self) -> None:
        async with writing(self.engine) as connection:
            run = await self._any(connection, select(runs.c.id).where(runs.c.state == "running"))
            due = await claim_due(connection, run or 0, LANE, later(self.at), 3)
            made = [self._intent(job) for job in due]
            await commit_intents(connection, LANE, 1, made, later(self.at))
        self.under_way += made

    def _intent(self, job: DueJob) -> Intent:
        form, price = self.random.choice(["text", "template"]), self.random.choice(PRICES)
        category = self.random.choice(["marketing", "utility", None])
        variant, outside = self.random.choice([("a", False), ("b", False), ("b", True), (None, False)])
        return Intent(job, "call", form, "{}", 1, price, later(self.at), variant, category, outside)

    async def answer(self) -> None:
        ended = [self._ended(intent) for intent in self.under_way]
        async with writing(self.engine) as connection:
            await store_outcomes(connection, ended, later(self.at))
        self.under_way = []

    def _ended(self, intent: Intent) -> Outcome:
        result = self.random.choice(RESULTS)
        if isinstance(result, Accepted):
            result = Accepted(f"m{intent.job.id}", cost=self.random.choice(COSTS))
        moment = later(self.at)
        moved = acknowledge(result, intent.job.attempts + 1, moment, self.random)
        return Outcome(intent, result, moved, moment, 200, None, 5)

    async def withdraw(self) -> None:
        async with writing(self.engine) as connection:
            await withdraw_intents(connection, self.under_way, later(self.at))
        self.under_way = []

    async def die(self) -> None:
        self.under_way = []
        async with writing(self.engine) as connection:
            await mark_orphans(connection, LANE, later(self.at))

    async def hold(self) -> None:
        async with writing(self.engine) as connection:
            pending = select(jobs.c.id).where(jobs.c.state == "pending").order_by(jobs.c.id)
            ids = (await connection.scalars(pending)).all()
            held = [
                Deferral(job, JobState.SKIPPED, reason="opted_out")
                if self.random.random() < 0.2
                else Deferral(job, JobState.PENDING, due_at=later(self.at + 30), held_by="hours")
                for job in ids[::2]
            ]
            await defer_or_skip(connection, held, later(self.at))

    async def report(self) -> None:
        async with writing(self.engine) as connection:
            named = select(jobs.c.provider_message_id).where(jobs.c.provider_message_id.is_not(None))
            told = [
                Report(
                    *(name, "status", self.random.choice(REPORTED), self._near()),
                    code="131000",
                    cost=self.random.choice(COSTS),
                )
                for name in await connection.scalars(named.order_by(jobs.c.id))
            ]
            await apply_webhook_reports(connection, "ourvoice", told, later(self.at))

    async def write_back(self) -> None:
        """A person writes to one of two accounts, or opts out, and what they wrote is stored now or later."""
        who, at = phone(self.random.randrange(PEOPLE)), later(self.at - self.random.choice([0, 30]))
        account = self.random.choice(["ourvoice", "ourvoice", "other"])
        async with writing(self.engine) as connection:
            message = InboundMessage(None, who, at, f"{who} {at} {account}", "Thanks")
            await keep_inbound(connection, account, [message])
            if self.random.random() < 0.2:
                stop = PreferenceChange(who, "out", "marketing", at, "Stop")
                await add_preferences(connection, "webhook", [stop])

    async def resolve(self) -> None:
        await resolve(self.engine, "spring", self.random.choice(["resend", "give-up"]), now=self.now)

    async def retry(self) -> None:
        await retry_failed(self.engine, "spring", expired=True, given_up=True, now=self.now)

    async def arrive(self) -> None:
        async with writing(self.engine) as connection:
            failed = update(jobs).where(jobs.c.state == "failed", jobs.c.run_id == 1)
            await connection.execute(failed.values(state="delivered", reason=None, code=None))
            await skip_arrived(connection, later(self.at))

    async def expire(self) -> None:
        async with writing(self.engine) as connection:
            await connection.execute(update(runs).values(expires_at=later(self.at)))
            await expire_jobs(connection, later(self.at))
            await connection.execute(update(runs).values(expires_at=None))

    async def stop(self) -> None:
        await pause(self.engine, "spring", now=self.now)
        await (cancel if self.random.random() < 0.2 else resume)(self.engine, "spring", now=self.now)

    async def launch(self) -> None:
        async with writing(self.engine) as connection:
            again = update(campaigns).where(campaigns.c.state != "cancelled")
            await connection.execute(again.values(start_at=later(self.at)))
        await launch_due(self.engine, now=self.now)

    async def erase(self) -> None:
        await erase_person(self.engine, phone(self.random.randrange(PEOPLE)), later(self.at))

    async def purge(self) -> None:
        self.ordinary = False
        async with writing(self.engine) as connection:
            await complete_runs(connection, later(self.at))
        moment = later(self.at + 100 * DAY)
        await carry_out(self.engine, await plan_purge(self.engine, moment, timedelta(days=90)), moment)

    async def by_hand(self) -> None:
        """Any statement of anybody's; half of them are rolled back."""
        self.ordinary = False
        async with self.engine.connect() as connection:
            which = jobs.c.id % 3 == self.random.randrange(3)
            moved = {
                "state": "pending",
                "provider_message_id": None,
                "held_by": None,
                "run_id": jobs.c.run_id,
            }
            await connection.execute(update(jobs).where(which).values(moved))
            await connection.execute(update(jobs).where(which).values(lane="ourvoice/other", code="7"))
            await connection.execute(update(jobs).where(which).values(lane=LANE, code=None))
            priced = {"price_micros": jobs.c.id, "price_currency": "EUR", "card_id": 3, "cost_micros": None}
            taken = {"state": "sent", "provider_message_id": "by hand", "form": None, "category": "utility"}
            await connection.execute(update(jobs).where(which).values(**priced, **taken))
            await connection.execute(delete(events).where(events.c.job_id == 2))
            await connection.execute(delete(attempts).where(attempts.c.job_id == 2))
            moments = {"accepted_at": later(self.at), "delivered_at": self._near()}
            moments = {name: self.random.choice([None, at]) for name, at in moments.items()}
            await connection.execute(update(jobs).where(which).values(moments))
            tried = {"variant": self.random.choice(["a", None]), "outside_test": ~jobs.c.outside_test}
            await connection.execute(update(jobs).where(which).values(tried))
            await connection.execute(delete(jobs).where(jobs.c.id == 2))
            await (connection.commit if self.random.random() < 0.5 else connection.rollback)()
        self.under_way = []

    def _near(self) -> Any:
        """By the provider's clock, which may be wrong."""
        return later(self.at + self.random.choice([-90, 0, 0, 0.7, 9.5, 700, 5_000]))

    def now(self) -> Any:
        return later(self.at)

    async def _any(self, connection: Connection, ids: Any) -> int | None:
        found = sorted(await connection.scalars(ids))
        return self.random.choice(found) if found else None


STEPS = [name for name in vars(World) if not name.startswith("_") and name not in ("change", "now")]


@share(0.1, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=4, max_size=14), seed=st.integers(0, 2**16))
async def test_they_are_equal_to_a_recount_after_every_step(
    engine: Engine, steps: list[str], seed: int
) -> None:
    await _clear(engine)
    await store_campaign(engine, spec(), PEOPLE)
    async with writing(engine) as connection:
        for number, region in enumerate(["DE", "NG", None], 1):
            theirs = recipients.c.id % 3 == number % 3
            await connection.execute(update(recipients).where(theirs).values(region=region))
    world = World(engine, seed)
    await launch_due(engine, now=lambda: later(1))
    size = world.random.choice([PEOPLE, 100_001, 1_000_001])
    async with writing(engine) as connection:
        await connection.execute(update(runs).values(jobs=size))  # how finely time is counted depends on it
    for step in ("send", "answer", "report", *steps):
        await world.change(step)
        async with writing(engine) as connection:
            await mark_answered(connection)
        async with reading(engine) as connection:
            assert await differences(connection) == [], step
            assert await cost_differences(connection) == [], step
            assert await time_differences(connection) == [], step
            await _assert_sums_right(connection)
            await _assert_reports_count_right(connection)
            await _assert_tallies_right(connection)
            await assert_time_line_right(connection)
            if world.ordinary:
                await assert_answers_right(connection)
                await _assert_marked_where_tried_again(connection)
                await _assert_who_may_be_retried_right(connection)


async def _assert_marked_where_tried_again(connection: Connection) -> None:
    """Of a person's jobs in an occurrence, all but the newest that was not needless."""
    family = func.coalesce(runs.c.parent_id, runs.c.id)
    columns = (jobs.c.id, jobs.c.phone, jobs.c.reason, jobs.c.tried_again, family.label("family"))
    found = (await connection.execute(select(*columns).join(runs, runs.c.id == jobs.c.run_id))).all()
    for job in found:
        again = any(
            (other.family, other.phone) == (job.family, job.phone)
            and other.id > job.id
            and other.reason != "already_arrived"
            for other in found
        )
        assert job.tried_again == again, job


async def _assert_who_may_be_retried_right(connection: Connection) -> None:
    """As `retry-failed` means it, message by message: none of the person's others is newer, or may have arrived."""
    occurrence = await newest_occurrence(connection, 1)
    if occurrence is None:
        return
    mine = select(jobs).where(jobs.c.run_id.in_(occurrence.run_ids))
    found = (await connection.execute(mine)).all()
    for given_up in (False, True):
        wanted: Counter[Any] = Counter()
        for job in found:
            others = [other for other in found if other.phone == job.phone and other.id != job.id]
            blocked = any(
                other.id > job.id
                or other.state in (*LEFT, "pending")
                or (other.state == "cancelled" and other.reason == "given_up" and not given_up)
                for other in others
            )
            if job.state in MAY_BE_LISTED and not blocked:
                wanted[job.state, job.reason or "", job.code or ""] += 1
        groups = await ended_groups(connection, occurrence, given_up=given_up)
        assert {group.key: group.count for group in groups} == wanted


async def _assert_reports_count_right(connection: Connection) -> None:
    """Both ways: by the kept numbers, and job by job as the words have it."""
    derived = {"variant": ACCEPTED_VARIANT, "answered": ANSWERED}
    alike = [
        func.coalesce(column, "") if name in KEY[3:7] else column
        for name in KEY
        for column in [derived.get(name, jobs.c.get(name))]
    ]
    counted = Counter(tuple(key) for key in await connection.execute(select(*alike)))
    kept = await connection.execute(counted_by(*KEY))
    assert {(*key[:3], *(part or "" for part in key[3:7]), *key[7:]): n for *key, n in kept} == counted
    scope = await scope_of(connection, await require(connection, "spring"))
    columns = [jobs.c.run_id, jobs.c.state, jobs.c.reason, jobs.c.code]
    one_by_one = Counter(tuple(key) for key in await connection.execute(select(*columns).where(scope.jobs)))
    assert await count_by(connection, scope, "run_id", "state", "reason", "code") == one_by_one


async def _assert_tallies_right(connection: Connection) -> None:
    """As the report of variants means them, message by message."""
    for run_id in await connection.scalars(select(runs.c.id).where(runs.c.kind != "retry")):
        tested: dict[str, Tally] = {}
        rest = Tally()
        theirs = select(jobs, ANSWERED.label("answered")).join(runs, runs.c.id == jobs.c.run_id)
        for job in await connection.execute(
            theirs.where((runs.c.id == run_id) | (runs.c.parent_id == run_id))
        ):
            if job.variant is None or job.accepted_at is None or job.tried_again:
                continue
            one = Tally(1, job.state in ("delivered", "read"), job.state == "read", job.answered)
            if job.outside_test:
                rest += one
            else:
                tested[job.variant] = tested.get(job.variant, Tally()) + one
        assert await tallies(connection, run_id) == Tallies(tested, rest)


async def _assert_sums_right(connection: Connection) -> None:
    """As the cost report means them, message by message."""
    wanted: dict[tuple[Any, ...], list[int]] = {}
    people = {row.id: row.region for row in await connection.execute(select(recipients))}
    for job in await connection.execute(select(jobs)):
        if job.provider_message_id is None or job.state not in TAKEN:
            continue
        facts = (job.category, job.form, job.currency, job.price_currency, job.card_id)
        known = (job.state == "failed", job.cost_micros is not None, job.price_micros is not None)
        sums = wanted.setdefault((job.run_id, people[job.recipient_id], *facts, *known), [0, 0, 0])
        for place, amount in enumerate((1, job.cost_micros or 0, job.price_micros or 0)):
            sums[place] += amount
    found = (await connection.execute(summed_costs(select(runs.c.id)))).mappings()
    assert {tuple(row[name] for name in FACTS): [row[name] for name in SUMS] for row in found} == wanted


async def test_many_who_write_at_once_neither_wait_for_each_other_nor_miscount(
    engine: Engine, database_url: str
) -> None:
    """On PostgreSQL their rows are added up meanwhile."""
    writers, rounds = 4, 60
    await store_campaign(engine, spec(), writers * 5)
    await launch_due(engine, now=lambda: later(1))
    others = [open_engine(database_url) for _ in range(writers)]

    async def write(other: Engine, number: int) -> None:
        draw = random.Random(number)
        mine = jobs.c.id % writers == number
        for state in ("sending", "in_doubt", "failed") * (rounds // 3):
            async with other.connect() as connection:
                await connection.execute(update(jobs).where(mine).values(state=state, code=str(number)))
                await connection.execute(update(jobs).where(mine).values(reason=draw.choice(["a", None])))
                charged = {"provider_message_id": "m", "cost_micros": draw.choice([1, 2]), "currency": "EUR"}
                charged |= {"accepted_at": later(draw.randrange(9)), "delivered_at": later(draw.randrange(9))}
                await connection.execute(update(jobs).where(mine).values(**charged))
                await (connection.commit if draw.random() < 0.8 else connection.rollback)()

    await asyncio.wait_for(asyncio.gather(*(write(o, n) for n, o in enumerate(others))), 120)
    for other in others:
        await other.dispose()
    async with reading(engine) as connection:
        assert await differences(connection) == []
        assert await cost_differences(connection) == []
        assert await time_differences(connection) == []
        for kept in (job_counts, cost_sums):
            rows = await connection.scalar(select(func.count()).select_from(kept))
            assert rows < 2 * writers * rounds, "they are added up"


async def test_a_difference_is_found_and_a_recount_mends_it(engine: Engine) -> None:
    await store_campaign(engine, spec(), 3)
    await launch_due(engine, now=lambda: later(1))
    wrong = {"run_id": 1, "lane": LANE, "held_by": "", "reason": "", "code": "", "jobs": 2}
    async with writing(engine) as connection:
        await connection.execute(insert(job_counts).values(state="read", **wrong))
        await connection.execute(update(job_counts).where(job_counts.c.state == "pending").values(jobs=5))
    async with writing(engine) as connection:
        found = {(one.run_id, one.state, one.kept, one.counted) for one in await differences(connection)}
        assert found == {(1, "pending", 5, 3), (1, "read", 2, 0)}
        await recount(connection)
        assert await differences(connection) == []
        assert await count_states(connection, [1]) == {JobState.PENDING: 3}


async def test_who_may_be_retried_again_is_read_from_the_kept_numbers(engine: Engine) -> None:
    """Unless a message that was tried again has arrived after all: its person is left out."""
    await store_campaign(engine, spec(), 3)
    await launch_due(engine, now=lambda: later(1))
    failed = {"state": "failed", "reason": "retries_exhausted"}
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(**failed))
    assert (await retry_failed(engine, "spring", now=lambda: later(2))).retried == 3
    retries = select(func.min(jobs.c.id)).where(jobs.c.run_id == 2).scalar_subquery()
    for arrived, counted, reads_jobs in ((0, 3, False), (1, 2, True)):
        async with writing(engine) as connection:
            await connection.execute(update(jobs).where(jobs.c.id >= retries).values(**failed))
            await connection.execute(update(jobs).where(jobs.c.id <= arrived).values(state="delivered"))
        with statements(engine) as asked:
            async with reading(engine) as connection:
                [group] = await preview_retry(connection, "spring")
        assert group.count == counted
        assert any("FROM jobs" in one for one, _ in asked) == reads_jobs
        async with reading(engine) as connection:
            await _assert_who_may_be_retried_right(connection)


CHANGES: tuple[dict[str, Any], ...] = (
    {"state": "sending", "form": "text", "price_micros": 30_000, "price_currency": "EUR", "card_id": 1},
    {"state": "accepted", "provider_message_id": "m"},
    {"state": "sent", "cost_micros": 20_000, "currency": "EUR"},
    {"state": "failed"},
    {"state": "delivered"},
    *({"cost_micros": cost} for cost in (0, None, 50_000)),
    *({"price_micros": price} for price in (None, 40_000)),
    *({name: other} for name in ("currency", "price_currency") for other in ("USD", None)),
    *({name: other} for name in ("form", "category") for other in ("template", None)),
    *({"card_id": card} for card in (2, None)),
    {"recipient_id": 2},
    {"run_id": 2, "phone": "+1"},
    {"state": "pending", "provider_message_id": None, "cost_micros": None},
)


async def test_whatever_changes_in_what_a_message_costs_changes_the_sums(engine: Engine) -> None:
    for name in ("spring", "summer"):
        await store_campaign(engine, spec(name), 2)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(recipients).where(recipients.c.id == 2).values(region="NG"))
        for change in CHANGES:
            await connection.execute(update(jobs).where(jobs.c.id == 1).values(**change))
            assert await cost_differences(connection) == [], change
            await _assert_sums_right(connection)


async def test_a_wrong_sum_of_costs_is_found_and_mended(engine: Engine) -> None:
    await store_campaign(engine, spec(), 3)
    await launch_due(engine, now=lambda: later(1))
    taken = {"state": "sent", "provider_message_id": "m", "cost_micros": 20_000, "currency": "EUR"}
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id < 3).values(**taken))
        await connection.execute(update(cost_sums).values(cost_micros=cost_sums.c.cost_micros + 1))
    async with writing(engine) as connection:
        [wrong] = await cost_differences(connection)
        assert (wrong.kept.messages, wrong.counted.messages) == (2, 2)
        assert (wrong.kept.charged, wrong.counted.charged) == (Decimal("0.040001"), Decimal("0.04"))
        await recount_costs(connection)
        assert await cost_differences(connection) == []


@pytest.mark.parametrize("first", [1, 1_000])
async def test_what_waits_is_found_with_its_first_due(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Where many that a rule holds come first, a time that is not later than the first of the others."""
    monkeypatch.setattr("storage.runs.job_counts.FIRST", first)
    await store_campaign(engine, spec(), 4)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        for number, (due, rule) in enumerate([(20, "hours"), (30, "hours"), (40, None), (50, None)], 1):
            moved = update(jobs).where(jobs.c.id == number).values(due_at=later(due), held_by=rule)
            await connection.execute(moved)
    with statements(engine) as asked:
        async with reading(engine) as connection:
            found = {one.held_by: one for one in await waiting_groups(connection, [1])}
    assert (found["hours"].messages, found["hours"].due_at) == (2, later(20))
    assert (found[None].messages, found[None].due_at) == (2, later(20 if first == 1 else 40))
    async with writing(engine) as connection:
        for statement, parameters in asked:
            assert not await whole_reads(connection, statement, parameters), statement


async def test_on_postgresql_a_statement_costs_one_row_for_each_group(engine: Engine) -> None:
    await store_campaign(engine, spec(), 100)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="sending"))
        rows = await connection.scalar(select(func.count()).select_from(job_counts))
        assert rows == (2 if is_sqlite(connection) else 3)
        await connection.execute(update(jobs).values(polls=jobs.c.polls + 1))
        assert await connection.scalar(select(func.count()).select_from(job_counts)) == rows


async def _clear(engine: Engine) -> None:
    async with writing(engine) as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in (*KEPT, "origin"):
                await connection.execute(delete(table))
        for name in KEPT:
            await connection.execute(delete(metadata.tables[name]))

"""A message is answered once its person wrote to its account after it was sent, whatever is stored first: the answer, a
status, or the provider's response. The kept numbers are those of a look at every message and every answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest
from sqlalchemy import delete, insert, select

from app.actions.personal_data import erase_person
from campaigns.outcomes import Accepted, acknowledge
from campaigns.phones.user_ids import name_of
from campaigns.states import JobState
from providers.events import Report
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import Connection, Engine, open_engine, reading, writing
from storage.receipts.inbound import InboundMessage, keep_inbound
from storage.receipts.receipts import mark_orphans
from storage.receipts.statuses import apply_webhook_reports
from storage.receipts.user_ids import learn_numbers
from storage.runs.job_counts import differences
from storage.runs.replies import any_new_answer, mark_answered
from storage.sending.intents import Intent, claim_due, commit_intents
from storage.sending.outcomes import Outcome, store_outcomes
from storage.tables.contacts import inbound, optouts
from storage.tables.runs import jobs, runs
from storage.views.report_scope import scope_of
from storage.views.reports import count_replies
from tests.support.campaigns import later, phone, spec, store_campaign

LANE = "ourvoice/shop"


async def launched(engine: Engine, people: int = 2) -> None:
    await store_campaign(engine, spec(), people)
    await launch_due(engine, now=lambda: later(1))


async def call(engine: Engine, at: float = 10) -> list[Intent]:
    """Call the provider, whose response is stored by `end`: the messages are `m1`, `m2`, …"""
    async with writing(engine) as connection:
        due = await claim_due(connection, 1, LANE, later(at), 9)
        made = [Intent(job, "call", "text", "{}", 1, None, later(at)) for job in due]
        await commit_intents(connection, LANE, 1, made, later(at))
    return made


async def end(engine: Engine, made: list[Intent], at: float = 11) -> None:
    outcomes = []
    for intent in made:
        result = Accepted(f"m{intent.job.id}")
        ack = acknowledge(result, 1, later(at), Random(1))
        outcomes.append(Outcome(intent, result, ack, later(at), 200, None, 5))
    async with writing(engine) as connection:
        await store_outcomes(connection, outcomes, later(at))


async def write(engine: Engine, at: float, who: str | None = None, account: str = "ourvoice") -> None:
    """A person, by default the first, writes to the account; twice, as a provider repeats it."""
    message = InboundMessage(LANE, who or phone(0), later(at), f"in-{at}-{who}-{account}", "Thanks")
    for _ in range(2):
        async with writing(engine) as connection:
            await keep_inbound(connection, account, [message])


async def report(engine: Engine, state: JobState, at: float) -> None:
    async with writing(engine) as connection:
        await apply_webhook_reports(
            connection, "ourvoice", [Report("m1", "status", state, later(at))], later(at + 1)
        )


async def mark(engine: Engine) -> None:
    async with writing(engine) as connection:
        await mark_answered(connection)


async def counted(engine: Engine) -> dict[str, int]:
    """The kept numbers; they are those of a recount."""
    async with reading(engine) as connection:
        assert await differences(connection) == []
        return dict(await count_replies(connection, await require(connection, "spring")))


@pytest.mark.parametrize("order", ["answer status", "status answer"])
async def test_an_answer_and_a_status_may_come_in_any_order(engine: Engine, order: str) -> None:
    await launched(engine)
    await end(engine, await call(engine))
    for step in order.split():
        await (write(engine, 15) if step == "answer" else report(engine, JobState.READ, 14))
        await mark(engine)
    assert await counted(engine) == {"read": 1}
    await report(engine, JobState.SENT, 16)  # late, by the provider's clock after the answer
    assert await counted(engine) == {}
    await write(engine, 17)
    await mark(engine)
    assert await counted(engine) == {"read": 1}


async def test_an_answer_that_is_stored_before_the_outcome_waits_for_it(engine: Engine) -> None:
    await launched(engine)
    made = await call(engine)
    await write(engine, 15)
    await mark(engine)
    async with reading(engine) as connection:
        assert await any_new_answer(connection)
        assert await connection.scalar(select(jobs.c.answered_at).where(jobs.c.id == 1)) is None
    await end(engine, made, at=12)
    await mark(engine)
    assert await counted(engine) == {"accepted": 1}
    async with reading(engine) as connection:
        assert not await any_new_answer(connection)


async def test_an_answer_to_a_message_in_doubt_counts_once_the_message_is_known(engine: Engine) -> None:
    await launched(engine)
    await call(engine)
    async with writing(engine) as connection:
        await mark_orphans(connection, LANE, later(20))
    await write(engine, 25)
    await mark(engine)
    assert await counted(engine) == {}
    async with writing(engine) as connection:
        token = await connection.scalar(select(runs.c.token))
        told = Report("m1", "status", JobState.SENT, later(14), reference=f"{token}.1")
        await apply_webhook_reports(connection, "ourvoice", [told], later(26))
    assert await counted(engine) == {"sent": 1}


async def test_what_is_no_answer_does_not_count(engine: Engine) -> None:
    """Written before the message, to another account, or what opted them out."""
    await launched(engine)
    await end(engine, await call(engine))
    await write(engine, 9)
    await write(engine, 30, account="other")
    await write(engine, 40)
    out = {"phone": phone(0), "scope": "all", "action": "out", "source": "webhook", "at": later(40)}
    async with writing(engine) as connection:
        await connection.execute(insert(optouts).values(**out))
    await mark(engine)
    assert await counted(engine) == {}
    async with reading(engine) as connection:
        assert not await any_new_answer(connection)


async def test_what_was_answered_stays_so(engine: Engine) -> None:
    """When the answer is purged, and when its person is erased."""
    await launched(engine)
    await end(engine, await call(engine))
    await write(engine, 15)
    await erase_person(engine, phone(0), later(20))  # before it was marked
    await mark(engine)
    assert await counted(engine) == {"accepted": 1}
    async with writing(engine) as connection:
        await connection.execute(delete(inbound))
    assert await counted(engine) == {"accepted": 1}


async def test_an_answer_under_a_user_id_counts_once_its_number_is_known(engine: Engine) -> None:
    await launched(engine)
    await end(engine, await call(engine))
    await write(engine, 15, name_of("ourvoice", "u1"))
    await mark(engine)
    assert await counted(engine) == {}
    async with writing(engine) as connection:
        await learn_numbers(connection, "ourvoice", {"u1": phone(0)}, later(20))
    await mark(engine)
    assert await counted(engine) == {"accepted": 1}


async def test_many_answers_are_marked_part_by_part(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.runs.replies.AT_ONCE", 2)
    await launched(engine, people=5)
    made = await call(engine)
    await end(engine, made[1:])
    for number in range(5):
        await write(engine, 20 + number, phone(number))
    last = 0
    for _ in range(3):
        async with writing(engine) as connection:
            last = await mark_answered(connection, last)
    async with reading(engine) as connection:
        assert not await any_new_answer(connection, last)
        assert await any_new_answer(connection)  # of the one that is under way
    assert await counted(engine) == {"accepted": 4}


async def test_answers_and_statuses_at_once_neither_wait_in_a_circle_nor_miscount(postgres_url: str) -> None:
    """Marking waits for nobody: what another transaction has locked is marked the next time."""
    engine, other = open_engine(postgres_url), open_engine(postgres_url)
    await launched(engine)
    await end(engine, await call(engine))
    await write(engine, 15)
    await write(engine, 16, phone(1))
    async with writing(engine) as connection:
        read = Report("m2", "status", JobState.READ, later(14))
        await apply_webhook_reports(connection, "ourvoice", [read], later(17))
        await asyncio.wait_for(mark(other), 10)
        assert await counted(other) == {"accepted": 1}
    async with writing(other) as connection:
        await mark_answered(connection)
        read = Report("m1", "status", JobState.READ, later(14))
        await apply_webhook_reports(connection, "ourvoice", [read], later(17))
    assert await counted(engine) == {"read": 2}
    await other.dispose()
    await engine.dispose()


async def assert_answers_right(connection: Connection) -> None:
    """Each message that counts, against all that its person wrote to its account."""
    wrote = (await connection.execute(select(inbound.c.account, inbound.c.phone, inbound.c.at))).all()
    stopped = {
        tuple(row)
        for row in await connection.execute(
            select(optouts.c.phone, optouts.c.at).where(optouts.c.action == "out")
        )
    }
    campaign = await require(connection, "spring")
    scope = await scope_of(connection, campaign)
    wanted: Counter[str] = Counter()
    for job in await connection.execute(
        select(jobs).where(scope.jobs, jobs.c.provider_message_id.is_not(None))
    ):
        since = job.sent_at or job.accepted_at
        wanted[job.state] += since is not None and any(
            phone == job.phone
            and at > since
            and job.lane.startswith(f"{account}/")
            and (phone, at) not in stopped
            for account, phone, at in wrote
        )
    assert Counter(dict(await count_replies(connection, campaign))) == +wanted

"""What stored webhooks do to jobs, windows, opt-outs and notices: in any order, however often, whatever breaks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import delete, event, select, text, update
from sqlalchemy.exc import OperationalError

from campaigns.states import RANK, JobState
from scheduler.receipts.inbox import keep_processing, process_inbox, process_quietly
from scheduler.sending.lanes import Account
from storage.database.engine import Engine, reading, writing
from storage.receipts.statuses import apply_webhook_reports
from storage.tables.contacts import optouts, windows
from storage.tables.receipts import notices, unmatched_reports, webhooks
from storage.tables.runs import events, jobs
from tests.support.campaigns import job_rows, later, phone
from tests.support.examples import share
from tests.support.paths import ROOT
from tests.support.sent import answered, sending
from tests.support.states import settle
from tests.web.conftest import Hooks
from tests.web.signing import body_of, events_of

GONE = OperationalError(
    "UPDATE", {}, Exception("the server closed the connection"), connection_invalidated=True
)


def status(number: int, word: str, seconds: float = 5, **said: Any) -> dict[str, Any]:
    return {"id": f"m{number}", "status": word, "at": seconds, **said}


async def states(engine: Engine) -> list[str]:
    return [row.state for row in await job_rows(engine)]


async def histories(engine: Engine, number: int = 1) -> list[tuple[str, str]]:
    """The job's events since its call, as (source, event)."""
    async with reading(engine) as connection:
        rows = await connection.execute(select(events).where(events.c.job_id == number).order_by(events.c.id))
        return [(row.source, row.event) for row in rows if row.source != "launch"]


async def test_statuses_move_jobs_and_leave_their_history(hooks: Hooks) -> None:
    await sending(hooks.engine, 2)
    await answered(hooks.engine, [1, 2])
    await hooks.tell(status(1, "sent", 5), status(1, "delivered", 6))
    await hooks.tell(status(1, "read", 7), status(2, "failed", 5, code="131026", reason="Not on WhatsApp"))
    assert await hooks.process() == 2
    first, second = await job_rows(hooks.engine)
    assert (first.state, first.sent_at, first.delivered_at, first.read_at) == (
        "read",
        later(5),
        later(6),
        later(7),
    )
    assert (second.state, second.reason, second.code) == ("failed", "provider_failed", "131026")
    told = [("webhook", word) for word in ("sent", "delivered", "read")]
    assert await histories(hooks.engine) == [("shift", "accepted"), *told]
    assert [(row.processed_at, row.problem) for row in await hooks.stored()] == [(later(1_000), None)] * 2
    assert await hooks.process() == 0


async def test_a_status_before_the_sends_own_answer_waits_for_it(hooks: Hooks) -> None:
    await sending(hooks.engine, 1)
    await hooks.tell(status(1, "delivered", 6))
    await hooks.tell(status(1, "sent", 5))
    await hooks.process()
    assert await states(hooks.engine) == ["sending"]
    await answered(hooks.engine, [1])
    [row] = await job_rows(hooks.engine)
    assert (row.state, row.sent_at, row.delivered_at) == ("delivered", later(5), later(6))
    assert await hooks.count(unmatched_reports) == 0


@pytest.mark.parametrize("before", ["sending", "in_doubt"])
@pytest.mark.parametrize("word", ["sent", "delivered", "failed", "a word that we do not know"])
async def test_a_message_is_known_by_the_name_that_we_gave_it(hooks: Hooks, before: str, word: str) -> None:
    token = await sending(hooks.engine, 2)
    async with writing(hooks.engine) as connection:
        await connection.execute(update(jobs).values(state=before))
    await hooks.tell(status(1, word, ref=f"{token}.1"))
    await hooks.process()
    expected = word if word in ("sent", "delivered", "failed") else "accepted"
    assert await states(hooks.engine) == [expected, before]
    row = (await job_rows(hooks.engine))[0]
    assert (row.provider_message_id, row.accepted_at) == ("m1", later(1_000))
    assert (await histories(hooks.engine))[0] == ("webhook", "accepted")
    # The send's own answer comes after all, and changes nothing.
    await answered(hooks.engine, [1])
    assert (await states(hooks.engine))[0] == expected


@pytest.mark.parametrize(
    "reference",
    [
        "{token}.2",
        "{token}.",
        "other.1",
        "{token}",
        ".1",
        "1",
        "{token}.1.1",
        "{token}.-1",
        "{token}.²",
        "x" * 9000,
    ],
)
async def test_a_name_that_is_not_exactly_ours_adopts_nothing(hooks: Hooks, reference: str) -> None:
    token = await sending(hooks.engine, 1)
    await hooks.tell(status(1, "sent", ref=reference.replace("{token}", token)))
    await hooks.process()
    assert await states(hooks.engine) == ["sending"]
    assert await hooks.count(unmatched_reports) == 1


async def test_a_name_of_a_job_that_has_its_message_gives_it_no_other(hooks: Hooks) -> None:
    token = await sending(hooks.engine, 1)
    await answered(hooks.engine, [1])
    await hooks.tell({"id": "m9", "status": "failed", "ref": f"{token}.1"})
    await hooks.process()
    [row] = await job_rows(hooks.engine)
    assert (row.state, row.provider_message_id) == ("accepted", "m1")


async def test_another_accounts_webhook_moves_nothing(hooks: Hooks) -> None:
    token = await sending(hooks.engine, 2, account="other")
    await answered(hooks.engine, [1], account="other")
    await hooks.tell(status(1, "read"), status(2, "read", ref=f"{token}.2"))
    await hooks.process()
    assert await states(hooks.engine) == ["accepted", "sending"]


async def test_reports_of_unknown_messages_are_kept_once_and_matched_when_their_ids_turn_up(
    hooks: Hooks,
) -> None:
    await sending(hooks.engine, 1)
    for _ in range(3):
        await hooks.tell(status(1, "delivered"), status(7, "read"))
    await hooks.process()
    assert await hooks.count(unmatched_reports) == 2
    # The id is stored by something that does not look at what is kept, as a lookup of a doubt does.
    async with writing(hooks.engine) as connection:
        known = {"state": "accepted", "provider_message_id": "m1", "accepted_at": later(9)}
        await connection.execute(update(jobs).values(**known))
    await hooks.process()
    assert await states(hooks.engine) == ["delivered"]
    assert await hooks.count(unmatched_reports) == 1


async def test_a_thousand_updates_in_one_body_take_a_handful_of_queries(hooks: Hooks) -> None:
    token = await sending(hooks.engine, 500)
    await answered(hooks.engine, range(1, 251))
    words = ["read", "sent", "delivered"]
    told = [status(n, words[n % 3]) for n in range(1, 251)]
    told += [status(n, words[n % 3], ref=f"{token}.{n}") for n in range(251, 501)]
    told += [status(n, "delivered") for n in range(1, 501)]
    await hooks.tell(*told)
    statements: list[str] = []
    event.listen(hooks.engine.sync_engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    assert await hooks.process() == 1
    assert len(statements) <= 30
    assert await states(hooks.engine) == ["read" if n % 3 == 0 else "delivered" for n in range(1, 501)]


async def test_a_failure_after_arrival_and_an_unknown_status_are_kept_as_events_once(hooks: Hooks) -> None:
    await sending(hooks.engine, 1)
    await answered(hooks.engine, [1])
    await hooks.tell(status(1, "delivered"))
    for _ in range(3):
        await hooks.tell(status(1, "failed", code="131000"), status(1, "warped"), status(1, "warped"))
        await hooks.process()
    assert await states(hooks.engine) == ["delivered"]
    told = await histories(hooks.engine)
    assert told[2:] == [("webhook", "unknown:warped"), ("webhook", "late:failed")] or told[2:] == [
        ("webhook", "late:failed"),
        ("webhook", "unknown:warped"),
    ]


WORDS = ("accepted", "held", "sent", "delivered", "read", "failed")
ANSWER = "the send's own answer"


@given(
    told=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(WORDS), st.booleans()), min_size=1, max_size=6
    ),
    data=st.data(),
)
@share(0.2, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_and_repetition_ends_in_the_same_states(
    hooks: Hooks, told: list[tuple[int, str, bool]], data: st.DataObject
) -> None:
    await _anew(hooks.engine)
    token = (await _tokens(hooks.engine))[0]
    steps: list[Any] = [(ANSWER, number) for number in (1, 2, 3)]
    steps += [status(n, word, ref=f"{token}.{n}" if named else None) for n, word, named in told]
    repeated = data.draw(st.lists(st.sampled_from(steps), max_size=4))
    order = data.draw(st.permutations([*steps, *repeated]))
    cuts = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    await _play(hooks, order, cuts)
    expected = [
        settle(
            JobState.ACCEPTED,
            sorted((JobState(word) for n, word, _ in told if n == number), key=RANK.__getitem__),
        )
        for number in (1, 2, 3)
    ]
    assert await states(hooks.engine) == expected
    assert await hooks.count(unmatched_reports) == 0


async def _play(hooks: Hooks, order: Sequence[Any], cuts: Sequence[bool]) -> None:
    """Each step in its turn; at a cut the webhook that has gathered so far arrives and is taken up."""
    body: list[dict[str, Any]] = []
    for step, cut in zip(order, cuts, strict=True):
        if isinstance(step, tuple):
            await answered(hooks.engine, [step[1]])
        else:
            body.append(step)
        if cut and body:
            await hooks.tell(*body)
            body = []
            await hooks.process()
    if body:
        await hooks.tell(*body)
    await hooks.process()


async def _tokens(engine: Engine) -> list[str]:
    async with reading(engine) as connection:
        return list((await connection.execute(text("SELECT token FROM runs"))).scalars())


async def _anew(engine: Engine) -> None:
    """Three jobs whose calls are under way, and nothing heard yet."""
    if not await job_rows(engine):
        await sending(engine, 3)
        return
    async with writing(engine) as connection:
        for table in (events, webhooks, unmatched_reports):
            await connection.execute(delete(table))
        times = dict.fromkeys(
            ("sent_at", "delivered_at", "read_at", "accepted_at", "poll_at", "provider_message_id")
        )
        await connection.execute(update(jobs).values(state="sending", reason=None, code=None, **times))


async def test_an_inbound_message_opens_the_window_of_its_lane_and_no_clock_of_theirs_holds_it_longer(
    hooks: Hooks,
) -> None:
    await hooks.tell(
        {"from": phone(1), "to": "447700900001", "at": 50},
        {"from": phone(1), "to": "447700900001", "at": 20},
        {"from": phone(2), "to": "+44 7700 900001", "at": 90_000},
        {"from": phone(3), "at": 50},
        {"phone": phone(4), "until": 777, "to": "447700900001"},
        {"from": "not a number", "at": 50},
    )
    await hooks.process()
    async with reading(hooks.engine) as connection:
        rows = (await connection.execute(select(windows).order_by(windows.c.phone, windows.c.lane))).all()
    day = 86_400
    assert [(row.phone, row.lane, row.open_until, row.known_by) for row in rows] == [
        (phone(1), "hooked/shop", later(50 + day), "inbound"),
        (phone(2), "hooked/shop", later(100 + day), "inbound"),
        (phone(3), "hooked/help", later(50 + day), "inbound"),
        (phone(3), "hooked/shop", later(50 + day), "inbound"),
        (phone(4), "hooked/shop", later(777), "provider"),
    ]


async def test_preferences_and_notices_are_stored_once_however_often_they_arrive(hooks: Hooks) -> None:
    for _ in range(2):
        await hooks.tell({"stop": phone(1), "at": 5}, {"notice": "PAUSED", "at": 6})
        await hooks.process()
    assert (await hooks.count(optouts), await hooks.count(notices)) == (1, 1)


BROKEN = [b"", b"{", b"[1]", b'[{"id": "m1"}]', b'[{"explode": true}]', b"\xff\x00", b"[" * 5000, b"null"]


async def test_an_unreadable_webhook_is_kept_with_its_problem_and_the_others_are_processed(
    hooks: Hooks,
) -> None:
    await sending(hooks.engine, 1)
    await answered(hooks.engine, [1])
    await hooks.tell(status(1, "sent"))
    for body in BROKEN:
        assert (await hooks.post(body)).status_code == 200
    await hooks.tell(status(1, "read"))
    assert await hooks.process() == len(BROKEN) + 2
    assert await states(hooks.engine) == ["read"]
    rows = await hooks.stored()
    assert [row.problem is None for row in rows] == [True, *(False for _ in BROKEN), True]
    assert [row.body for row in rows[1:-1]] == BROKEN
    assert {row.processed_at for row in rows} == {later(1_000)}


HARD = ["\0", "a\0b", "\ud800", "x" * 100_000, "", "'; DROP TABLE jobs; --", "\u202e"]


@pytest.mark.parametrize("text_", HARD, ids=range(len(HARD)))
async def test_texts_that_no_database_takes_cost_nothing_else_its_place(hooks: Hooks, text_: str) -> None:
    token = await sending(hooks.engine, 2)
    await answered(hooks.engine, [1])
    hard = [
        {"id": text_, "status": "sent", "ref": text_},
        {"id": "m1", "status": text_, "reason": text_},
        status(2, "failed", code=text_, reason=text_, ref=f"{token}.2"),
        {"notice": text_, "subject": text_},
        {"from": text_, "to": text_},
        {"stop": text_},
        {"id": "m1", "status": "read", "at": 10**11},
    ]
    with pytest.MonkeyPatch.context() as patch:
        # orjson refuses a lone surrogate; another adapter's reader may not.
        patch.setattr(hooks.accounts["hooked"].adapter, "parse_webhook", lambda _: events_of(hard))
        await hooks.tell()
        await hooks.process()
    await hooks.tell(status(1, "read"))
    await hooks.process()
    assert await states(hooks.engine) == ["read", "failed"]
    assert [row.problem for row in await hooks.stored()] == [None, None]


async def test_only_the_webhook_that_the_database_refuses_is_left_unprocessed(hooks: Hooks) -> None:
    await sending(hooks.engine, 1)
    await answered(hooks.engine, [1])
    adapter: Any = hooks.accounts["hooked"].adapter
    read = adapter.parse_webhook

    def odd(request: Any) -> list[Any]:
        found = read(request)
        return [replace(one, scope=None) for one in found] if b"stop" in request.body else found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "parse_webhook", odd)
        for word in ("sent", "delivered"):
            await hooks.tell(status(1, word))
        await hooks.tell({"stop": phone(1)})
        for word in ("sent", "read"):
            await hooks.tell(status(1, word))
        assert await hooks.process() == 5
    assert await states(hooks.engine) == ["read"]
    assert [row.problem is None for row in await hooks.stored()] == [True, True, False, True, True]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.receipts.inbox.AT_ONCE", 3)


@pytest.mark.usefixtures("small_batches")
async def test_batches_that_are_read_ahead_are_applied_in_their_order(hooks: Hooks) -> None:
    await sending(hooks.engine, 4)
    await answered(hooks.engine, [1, 2, 3, 4])
    for word in ("sent", "delivered", "read"):
        for number in (1, 2, 3, 4):
            await hooks.tell(status(number, word))
    await hooks.tell({"explode": True})
    assert await hooks.process() == 13
    assert await states(hooks.engine) == ["read"] * 4
    told = [("webhook", word) for word in ("sent", "delivered", "read")]
    for number in (1, 2, 3, 4):
        assert await histories(hooks.engine, number) == [("shift", "accepted"), *told]
    assert [row.problem is None for row in await hooks.stored()] == [True] * 12 + [False]


@pytest.mark.usefixtures("small_batches")
async def test_an_outage_between_batches_loses_and_repeats_nothing(hooks: Hooks) -> None:
    await sending(hooks.engine, 9)
    await answered(hooks.engine, range(1, 10))
    for number in range(1, 10):
        await hooks.tell(status(number, "sent"))
    done: list[int] = []

    async def gone(*given: Any, **known: Any) -> int:
        done.append(1)
        if len(done) == 2:
            raise GONE
        return await apply_webhook_reports(*given, **known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scheduler.receipts.inbox.apply_webhook_reports", gone)
        with pytest.raises(OperationalError):
            await hooks.process()
    assert await states(hooks.engine) == ["sent"] * 3 + ["accepted"] * 6
    assert await hooks.process() == 6
    assert await states(hooks.engine) == ["sent"] * 9
    assert await histories(hooks.engine, 5) == [("shift", "accepted"), ("webhook", "sent")]


async def test_an_outage_leaves_no_webhook_marked_as_unreadable(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sending(hooks.engine, 1)
    await answered(hooks.engine, [1])
    await hooks.tell(status(1, "read"))

    async def gone(*_: Any, **__: Any) -> None:
        raise GONE

    with monkeypatch.context() as patch:
        patch.setattr("scheduler.receipts.inbox.apply_webhook_reports", gone)
        with pytest.raises(OperationalError):
            await hooks.process()
        assert await process_quietly(hooks.engine, hooks.accounts) == 0
    assert (await hooks.stored())[0].processed_at is None
    assert await hooks.process() == 1
    assert await states(hooks.engine) == ["read"]


async def test_two_processes_process_each_webhook_once(hooks: Hooks) -> None:
    await sending(hooks.engine, 40)
    await answered(hooks.engine, range(1, 41))
    for number in range(1, 41):
        await hooks.tell(status(number, "sent"), {"notice": f"n{number}"})
    await asyncio.gather(*(hooks.process() for _ in range(4)))
    await hooks.process()
    assert await states(hooks.engine) == ["sent"] * 40
    assert await hooks.count(notices) == 40
    for number in (1, 20, 40):
        assert await histories(hooks.engine, number) == [("shift", "accepted"), ("webhook", "sent")]


async def test_a_send_answered_while_its_report_is_being_kept_is_matched_by_the_next_pass(
    hooks: Hooks,
) -> None:
    await sending(hooks.engine, 30)
    for number in range(1, 31):
        await hooks.tell(status(number, "delivered"))
    await asyncio.gather(hooks.process(), *(answered(hooks.engine, [number]) for number in range(1, 31)))
    await hooks.process()
    assert await states(hooks.engine) == ["delivered"] * 30
    assert await hooks.count(unmatched_reports) == 0


async def test_the_loop_processes_what_arrives_and_once_more_at_its_end(hooks: Hooks) -> None:
    await sending(hooks.engine, 2)
    await answered(hooks.engine, [1, 2])
    arrived, stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.create_task(
        keep_processing(hooks.engine, hooks.accounts, arrived, stop, now=lambda: later(9))
    )
    await hooks.tell(status(1, "sent"))
    arrived.set()
    async with asyncio.timeout(10):
        while (await states(hooks.engine))[0] != "sent":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await hooks.tell(status(2, "sent"))
    stop.set()
    arrived.set()
    await asyncio.wait_for(loop, 10)
    assert await states(hooks.engine) == ["sent", "sent"]


DIES = """
import asyncio, os, sys
import httpx
from storage.database.engine import open_engine
from tests.web.conftest import hooks_on
from tests.web.signing import signing_account

async def main(url, body):
    account = signing_account()
    async with hooks_on(open_engine(url), {account.name: account}) as hooks:
        answer = await hooks.post(body)
        print(answer.status_code, flush=True)
        os._exit(9)

asyncio.run(main(sys.argv[1], sys.argv[2].encode()))
"""


async def test_a_kill_between_the_answer_and_the_processing_loses_nothing(
    database_url: str, engine: Engine, accounts: dict[str, Account]
) -> None:
    await sending(engine, 1)
    await answered(engine, [1])
    command = [sys.executable, "-c", DIES, database_url, body_of(status(1, "read")).decode()]
    died = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (died.returncode, died.stdout) == (9, "200\n"), died.stderr
    assert await process_inbox(engine, accounts) == 1
    assert await states(engine) == ["read"]


async def test_a_kill_in_the_middle_of_a_batch_repeats_and_loses_nothing(hooks: Hooks) -> None:
    await sending(hooks.engine, 1)
    await answered(hooks.engine, [1])
    await hooks.tell(status(1, "read"), {"stop": phone(1)}, {"notice": "PAUSED"})

    async def die(*_: Any) -> None:
        raise asyncio.CancelledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scheduler.receipts.inbox.add_notices", die)
        with pytest.raises(asyncio.CancelledError):
            await hooks.process()
    assert await states(hooks.engine) == ["accepted"]
    assert await hooks.process() == 1
    assert await states(hooks.engine) == ["read"]
    assert (await hooks.count(optouts), await hooks.count(notices)) == (1, 1)
    assert await histories(hooks.engine) == [("shift", "accepted"), ("webhook", "read")]

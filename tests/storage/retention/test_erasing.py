"""A person's data is given out whole and erased whole: no cell of any table holds a trace, no report counts otherwise,
and they are known again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import LargeBinary, Table, insert, select, update

from app.actions import personal_data
from app.actions.personal_data import erase_person, export_person
from app.views.json_text import to_json
from campaigns.errors import InvalidInput, Unavailable
from campaigns.phones.stop_words import Scope
from campaigns.phones.user_ids import name_of
from campaigns.states import JobState
from scheduler.actions.retrying import retry_failed
from scheduler.clock.launch import launch_due
from storage.database.compression import unpack
from storage.database.engine import Engine, reading, writing
from storage.receipts.inbound import InboundMessage, keep_inbound
from storage.receipts.inbox import Arrival, keep_webhooks, take_webhooks
from storage.receipts.number_changes import change_number
from storage.receipts.user_ids import learn_numbers, learn_other_numbers
from storage.retention.erasing import erase, find_traces
from storage.sending.erased import ERASED
from storage.sending.lanes import ensure_lanes
from storage.sending.optouts import (
    AppendResult,
    LogEntry,
    NewPreference,
    PreferenceChange,
    add_by_hand,
    add_preferences,
    append_preferences,
    log_of,
    optout_scopes,
    stream_opted_out,
)
from storage.sending.windows import open_window
from storage.tables.access import audit, audit_outcomes
from storage.tables.all_tables import metadata
from storage.tables.audience import recipients, rejects
from storage.tables.contacts import touches
from storage.tables.lanes import unique_recipients
from storage.tables.receipts import unmatched_reports, webhooks
from storage.tables.runs import attempts, events, jobs
from tests.storage.retention.test_purge import ENDS, numbers, past
from tests.support.campaigns import later, phone, spec, store_campaign

ADA = phone(0)
DIGITS = ADA.removeprefix("+")
SECRET = "Ada-Secret"
MARKS = (DIGITS, SECRET, "wamid.ada", "GB.Ada", ADA[-8:])
OTHER = "Bob-Stays"
SCOPES: tuple[Scope, ...] = ("all", "marketing")
KINDS = {
    "user_ids", "opt_outs", "windows", "written_to", "reached_by", "inbound", "rows_of_lists", "messages", "calls",
    "events", "rejects", "webhooks", "reports_of_unknown_messages",
}  # fmt: skip


async def planted(engine: Engine) -> None:
    """Ada is in every table that holds people, and so is somebody else."""
    await past(engine, *ENDS)
    async with writing(engine) as connection:
        await connection.execute(
            update(recipients).where(recipients.c.phone == ADA).values(vars=to_json({"n": SECRET}))
        )
        first = select(jobs.c.id).where(jobs.c.phone == ADA).order_by(jobs.c.id).limit(1).scalar_subquery()
        await connection.execute(
            update(jobs).where(jobs.c.id == first).values(provider_message_id="wamid.ada", poll_at=later(9))
        )
        told = {"content": f'{{"text": "{SECRET}"}}', "detail": f"no {DIGITS}", "request_id": f"r-{DIGITS}"}
        await connection.execute(update(attempts).where(attempts.c.job_id == first).values(**told))
        await connection.execute(update(events).where(events.c.job_id == first).values(detail=SECRET))
        await keep_inbound(
            connection,
            "ourvoice",
            [
                InboundMessage("ourvoice/shop", ADA, later(20), "wamid.ada.in", SECRET),
                InboundMessage("ourvoice/shop", phone(1), later(20), "wamid.bob", OTHER),
            ],
        )
        await learn_numbers(connection, "ourvoice", {"GB.Ada": ADA, "GB.Bob": phone(1)}, later(20))
        await open_window(connection, ADA, "ourvoice/shop", later(99), "inbound", later(20))
        out = LogEntry(ADA, "out", "marketing", later(21), "webhook:ourvoice", SECRET)
        await add_by_hand(connection, [out, LogEntry(phone(1), "out", "all", later(21), "hand", OTHER)])
        raw = f"{ADA[:4]} {ADA[4:8]}-{ADA[8:]},{SECRET}"
        bad = {"campaign_id": 1, "import_id": 1, "column": "phone", "code": "phone_invalid"}
        rows = [{"line": 200, "reason": raw, "raw": raw}, {"line": 201, "reason": OTHER, "raw": OTHER}]
        await connection.execute(insert(rejects), [{**bad, **row} for row in rows])
        long = f'{{"to": "{DIGITS}", "filler": "{"x" * 3_000}"}}'.encode()
        bodies = [long, b'{"id": "wamid.ada"}', OTHER.encode(), b'{"user_id": "GB.Ada"}']
        hooks = [Arrival.packed("ourvoice", later(22), "http://h.test/", "{}", body) for body in bodies]
        await connection.run_sync(keep_webhooks, hooks)
        await take_webhooks(connection, [1, 2, 3, 4], later(23))
        report = {"account": "ourvoice", "stored_at": later(24)}
        await connection.execute(
            insert(unmatched_reports),
            [
                {**report, "message_id": "wamid.ada", "report": "{}"},
                {**report, "message_id": "x", "report": OTHER},
            ],
        )
        await connection.execute(insert(unique_recipients).values(account="ourvoice", phone=ADA, at=later(2)))


AUDIT = (audit, audit_outcomes)
"""What is refused is in the audit, without the number."""


async def cells(engine: Engine, but: Sequence[Table] = ()) -> str:
    """Every cell of every table, as one text."""
    found: list[str] = []
    async with reading(engine) as connection:
        for table in metadata.sorted_tables:
            if table in but:
                continue
            for row in await connection.execute(select(table)):
                for column, value in zip(table.c, row, strict=True):
                    if isinstance(column.type, LargeBinary) and table is webhooks:
                        value = (value if row.size is None else unpack(value)).decode()
                    found.append(str(value))
    return "\n".join(found)


async def test_all_of_it_is_given_out(engine: Engine) -> None:
    await planted(engine)
    given = await export_person(engine, ADA, later(100))
    text = to_json(given)
    assert OTHER not in text
    full = {kind: len(rows) for kind, rows in given.items() if isinstance(rows, list)}
    assert all(full.values()), full
    assert set(full) == KINDS
    assert full["webhooks"] == 3
    assert given["rows_of_lists"][0]["vars"] == {"n": SECRET}
    assert given["webhooks"][0]["body"].startswith(f'{{"to": "{DIGITS}"')
    assert {row["text"] for row in given["inbound"]} == {SECRET}
    assert [row["evidence"] for row in given["opt_outs"]] == [SECRET]
    assert given["calls"][0]["content"] == {"text": SECRET}


async def test_nothing_of_it_is_left_and_no_number_changes(engine: Engine) -> None:
    await planted(engine)
    await open_jobs_end(engine)
    before = await numbers(engine)
    stored = await cells(engine)
    assert [mark for mark in MARKS if mark not in stored] == []
    erased = await erase_person(engine, ADA, later(100))
    assert erased.rows["messages"] >= 1
    after = await cells(engine)
    assert [mark for mark in MARKS if mark in after] == []
    assert after.count(OTHER) >= 5
    assert await numbers(engine) == before
    again = await export_person(engine, ADA, later(101))
    assert [kind for kind, rows in again.items() if isinstance(rows, list) and rows] == []


async def open_jobs_end(engine: Engine) -> None:
    """So that erasing ends none."""
    async with writing(engine) as connection:
        open_now = jobs.c.state == JobState.PENDING
        await connection.execute(update(jobs).where(open_now).values(state="skipped", reason="opted_out"))


async def test_a_later_list_with_the_number_is_not_sent_to(engine: Engine) -> None:
    await planted(engine)
    await erase_person(engine, ADA, later(100))
    async with reading(engine) as connection:
        assert await optout_scopes(connection, [ADA, phone(2)]) == {ADA: {"all"}}
        assert [entry.source for entry in await log_of(connection, ADA)] == ["erased"]
        assert {entry.phone async for entry in stream_opted_out(connection, None)} == {phone(1)}


async def test_who_opts_in_anew_is_written_to_again(engine: Engine) -> None:
    await planted(engine)
    await erase_person(engine, ADA, later(100))
    async with writing(engine) as connection:
        back = [LogEntry(ADA, "in", scope, later(200), "hand", None) for scope in ("all", "marketing")]
        await add_by_hand(connection, back)  # type: ignore[arg-type]
    async with reading(engine) as connection:
        assert await optout_scopes(connection, [ADA]) == {}


async def test_an_opt_in_without_its_time_ends_no_erasure(engine: Engine) -> None:
    """A provider may send an old one again."""
    await erase_person(engine, ADA, later(100))
    again = [PreferenceChange(ADA, "in", scope, later(200), "START", dated=False) for scope in SCOPES]
    async with writing(engine) as connection:
        assert await add_preferences(connection, "webhook:ourvoice", again) == 1
        assert await optout_scopes(connection, [ADA]) == {ADA: {"all"}}


async def test_a_list_of_older_opt_ins_is_outdated_by_the_erasure(engine: Engine) -> None:
    await erase_person(engine, ADA, later(100))
    entry = LogEntry(ADA, "in", "all", later(50), "import:list", None)
    async with writing(engine) as connection:
        results = await append_preferences(connection, [NewPreference(entry, True, 2)])
    assert results == [AppendResult.OUTDATED]


async def test_the_erased_are_known_again_by_their_next_number(engine: Engine) -> None:
    unknown = name_of("ourvoice", "GB.Zoe")
    for name in (ADA, unknown):
        await erase_person(engine, name, later(100))
    async with writing(engine) as connection:
        for _ in range(2):
            await change_number(connection, "ourvoice", (ADA, None), (phone(7), None), later(200))
            await learn_numbers(connection, "ourvoice", {"GB.Zoe": phone(8)}, later(200))
        scopes = await optout_scopes(connection, [phone(7), phone(8), phone(9)])
        assert scopes == {phone(7): {"all"}, phone(8): {"all"}}
        assert len(await log_of(connection, phone(7))) == 1


async def test_both_numbers_of_a_person_are_erased(engine: Engine) -> None:
    """The one that lists name, and the one by which the provider knows the person."""
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])
        await learn_other_numbers(connection, "ourvoice", {ADA: phone(7)}, later(1))
    await erase_person(engine, ADA, later(100))
    async with reading(engine) as connection:
        assert await optout_scopes(connection, [ADA, phone(7)]) == {ADA: {"all"}, phone(7): {"all"}}
    assert phone(7)[1:] not in await cells(engine)


async def test_what_waited_for_them_ends_and_what_bears_the_new_name_is_opted_out(engine: Engine) -> None:
    await store_campaign(engine, spec(), 2)
    await erase_person(engine, ADA, later(0))
    await launch_due(engine, now=lambda: later(1))
    await erase_person(engine, phone(1), later(2))
    async with reading(engine) as connection:
        rows = (
            await connection.execute(select(jobs.c.phone, jobs.c.state, jobs.c.reason).order_by(jobs.c.id))
        ).all()
        assert all(row.phone.startswith(ERASED) for row in rows)
        assert await optout_scopes(connection, [rows[0].phone]) == {rows[0].phone: {"all"}}
        assert rows[1].state == "skipped"
        assert rows[1].reason == "opted_out"
        told = await connection.execute(select(events.c.job_id, events.c.event))
        assert told.all() == [(2, "skipped")]


@pytest.mark.parametrize("state", ["sending", "in_doubt"])
async def test_a_message_under_way_is_awaited(engine: Engine, state: str) -> None:
    await planted(engine)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.phone == ADA).values(state=state))
    before = await cells(engine, but=AUDIT)
    with pytest.raises(InvalidInput, match="sent or in doubt"):
        await erase_person(engine, ADA, later(100))
    assert await cells(engine, but=AUDIT) == before


async def test_an_unprocessed_webhook_is_awaited(engine: Engine) -> None:
    await planted(engine)
    async with writing(engine) as connection:
        await connection.execute(update(webhooks).where(webhooks.c.id == 1).values(processed_at=None))
    with pytest.raises(InvalidInput, match="not processed yet"):
        await erase_person(engine, ADA, later(100))


async def test_a_message_that_came_under_way_while_the_traces_were_read_is_awaited(engine: Engine) -> None:
    await planted(engine)
    async with reading(engine) as connection:
        traces = await find_traces(connection, ADA)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.phone == ADA).values(state="sending"))
    before = await cells(engine)
    async with writing(engine) as connection:
        assert not await erase(connection, traces, later(100))
    assert await cells(engine) == before


async def test_what_a_provider_wrote_under_another_spelling_is_found(engine: Engine) -> None:
    body = b'{"messages": [{"from": "553197776666", "text": "Hi"}]}'
    async with writing(engine) as connection:
        hook = Arrival.packed("meta", later(1), "http://h.test/", "{}", body)
        await connection.run_sync(keep_webhooks, [hook])
        await take_webhooks(connection, [1], later(2))
        report = {"account": "meta", "message_id": "x", "stored_at": later(1)}
        to = '{"recipient_id": "553197776666"}'
        await connection.execute(insert(unmatched_reports).values(**report, report=to))
    erased = await erase_person(engine, "+5531997776666", later(100))
    assert {kind for kind, count in erased.rows.items() if count} == {
        "webhooks",
        "reports_of_unknown_messages",
    }
    assert "97776666" not in await cells(engine)


async def test_somebody_unknown_is_kept_out_too(engine: Engine) -> None:
    erased = await erase_person(engine, ADA, later(1))
    assert set(erased.rows.values()) == {0}
    async with reading(engine) as connection:
        assert await optout_scopes(connection, [ADA]) == {ADA: {"all"}}
        assert await connection.scalar(select(touches.c.id)) is None


async def test_a_failed_message_to_them_is_not_tried_again(engine: Engine) -> None:
    await past(engine, {"state": "failed", "reason": "retries_exhausted"})
    await erase_person(engine, ADA, later(100))
    retry = await retry_failed(engine, "spring", now=lambda: later(0) + timedelta(days=2))
    async with reading(engine) as connection:
        names = await connection.scalars(select(jobs.c.phone).where(jobs.c.run_id == retry.run_id))
        scopes = await optout_scopes(connection, list(names))
    assert list(scopes.values()) == [{"all"}] * retry.retried


async def test_what_goes_on_arriving_ends_with_its_kind(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []

    async def and_they_write_again(*given: Any) -> bool:
        rounds.append(1)
        done = await erase(*given)
        reply = InboundMessage("ourvoice/shop", ADA, later(30), f"again-{len(rounds)}", SECRET)
        await keep_inbound(given[0], "ourvoice", [reply])
        return done

    monkeypatch.setattr(personal_data, "erase", and_they_write_again)
    with pytest.raises(
        Unavailable, match=f"after {personal_data.MOST_ROUNDS} rounds of erasing: 1 inbound"
    ) as error:
        await erase_person(engine, ADA, later(100))
    assert "drumbeat serve" in error.value.hint
    assert len(rounds) == personal_data.MOST_ROUNDS


async def test_what_a_list_holds_under_their_user_id_is_erased_too(engine: Engine) -> None:
    await planted(engine)
    named, other = name_of("ourvoice", "GB.Ada"), name_of("ourvoice", "GB.Bob")
    async with writing(engine) as connection:
        for of, name in ((2, named), (3, other)):
            await connection.execute(
                update(recipients).where(recipients.c.phone == phone(of)).values(phone=name)
            )
            await connection.execute(update(jobs).where(jobs.c.phone == phone(of)).values(phone=name))
    await open_jobs_end(engine)
    await erase_person(engine, ADA, later(30))
    left = await cells(engine)
    assert ("GB.Ada" in left, "GB.Bob" in left) == (False, True)

"""The log of opt-outs only grows, and the newest entry holds: by the time it was given, stored in any order."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from app.actions.contacts import add_preference, import_preferences, record_preference
from campaigns.intake.model import IntakeOptions
from campaigns.phones.stop_words import Action, StopWord
from campaigns.phones.user_ids import name_of
from storage.database.engine import Engine, open_engine, reading, writing
from storage.receipts.user_ids import learn_numbers, learn_other_numbers
from storage.sending.lanes import ensure_lanes
from storage.sending.optouts import (
    AppendResult,
    LogEntry,
    NewPreference,
    PreferenceChange,
    add_preferences,
    append_preferences,
    log_of,
    optout_scopes,
    stream_opted_out,
)
from storage.tables.contacts import optouts
from tests.support.campaigns import later, phone
from tests.support.optouts import opted_out

OUT, IN = StopWord("out", "marketing"), StopWord("in", "all")
BACK = StopWord("in", "marketing")


def words(
    told: Mapping[str, str], word: StopWord = OUT, seconds: float = 1, *, dated: bool = False
) -> list[NewPreference]:
    return [
        NewPreference(
            LogEntry(number, word.action, scope, later(seconds), "import:me", evidence), dated, line=2
        )
        for number, evidence in told.items()
        for scope in word.scopes
    ]


async def news(engine: Engine, told: Mapping[str, str], word: StopWord = OUT, seconds: float = 1) -> set[str]:
    given_words = words(told, word, seconds)
    async with writing(engine) as connection:
        results = await append_preferences(connection, given_words)
    return {
        one.entry.phone
        for one, result in zip(given_words, results, strict=True)
        if result is AppendResult.CHANGED
    }


async def test_news_are_added_and_what_holds_already_is_not(engine: Engine) -> None:
    told = {phone(1): "list.csv, line 2", phone(2): "list.csv, line 3"}
    assert await news(engine, told) == {phone(1), phone(2)}
    assert await news(engine, {**told, phone(3): "x"}, seconds=2) == {phone(3)}
    assert await news(engine, {}) == set()
    async with reading(engine) as connection:
        assert await log_of(connection, phone(1)) == [
            LogEntry(phone(1), "out", "marketing", later(1), "import:me", "list.csv, line 2")
        ]
        assert await optout_scopes(connection, [phone(n) for n in range(5)]) == {
            phone(n): {"marketing"} for n in (1, 2, 3)
        }


async def test_scopes_are_apart_and_coming_back_lifts_both(engine: Engine) -> None:
    await news(engine, {phone(1): "a"})
    await news(engine, {phone(1): "b"}, StopWord("out", "all"), 2)
    assert await opted_out(engine) == [(phone(1), "marketing"), (phone(1), "all")]
    assert await opted_out(engine, "all") == [(phone(1), "all")]
    assert await news(engine, {phone(1): "c"}, StopWord("in", "marketing"), 3) == {phone(1)}
    assert await opted_out(engine) == [(phone(1), "all")]
    assert await news(engine, {phone(1): "d"}, IN, 4) == {phone(1)}
    assert await opted_out(engine) == []
    async with reading(engine) as connection:
        assert [entry.evidence for entry in await log_of(connection, phone(1))] == ["a", "b", "c", "d"]


async def test_dated_entries_end_alike_in_every_order_and_a_repetition_adds_nothing(engine: Engine) -> None:
    said = [(1, OUT), (2, StopWord("in", "marketing")), (3, OUT), (3, StopWord("in", "marketing"))]
    orders = list(permutations(said))
    for number, order in enumerate(orders):
        for seconds, word in (*order, *order):
            async with writing(engine) as connection:
                await append_preferences(connection, words({phone(number): "crm"}, word, seconds, dated=True))
    async with reading(engine) as connection:
        held = [entry async for entry in stream_opted_out(connection, None)]
        logs = [await log_of(connection, phone(number)) for number in range(len(orders))]
    assert [(entry.phone, entry.at) for entry in sorted(held, key=lambda entry: entry.phone)] == [
        (phone(n), later(3)) for n in range(len(orders))
    ]
    assert all(len(set(log)) == len(log) for log in logs)


async def test_each_entry_gets_its_result(engine: Engine) -> None:
    async def result(word: StopWord, seconds: float, dated: bool) -> AppendResult:
        async with writing(engine) as connection:
            return (await append_preferences(connection, words({phone(1): "x"}, word, seconds, dated=dated)))[
                0
            ]

    back = StopWord("in", "marketing")
    assert await result(OUT, 5, True) is AppendResult.CHANGED
    assert await result(OUT, 5, True) is AppendResult.KNOWN
    assert await result(OUT, 6, True) is AppendResult.AGAIN
    assert await result(OUT, 7, False) is AppendResult.KNOWN
    assert await result(back, 6, True) is AppendResult.OUTDATED
    assert await result(back, 5, False) is AppendResult.OUTDATED
    assert await result(back, 8, True) is AppendResult.CHANGED
    assert await result(OUT, 7, True) is AppendResult.OUTDATED
    assert await result(OUT, 7, False) is AppendResult.CHANGED  # heard of now, whatever another clock says


async def test_an_opt_out_that_is_reported_once_more_ends_opt_ins_from_before_it(engine: Engine) -> None:
    async def added(word: StopWord, seconds: float, evidence: str, *, dated: bool) -> AppendResult:
        async with writing(engine) as connection:
            told = words({phone(1): evidence}, word, seconds, dated=dated)
            return (await append_preferences(connection, told))[0]

    assert await added(OUT, 1, "STOP", dated=True) is AppendResult.CHANGED
    assert await added(OUT, 6, "old provider.csv, line 2", dated=False) is AppendResult.AGAIN
    assert await added(OUT, 7, "old provider.csv, line 2", dated=False) is AppendResult.KNOWN
    assert await added(BACK, 3, "consents of March", dated=True) is AppendResult.OUTDATED
    assert await opted_out(engine) == [(phone(1), "marketing")]


async def test_a_manual_entry_is_added_even_if_it_holds_already(engine: Engine) -> None:
    for seconds in (1, 2):
        async with writing(engine) as connection:
            out = await add_preference(
                connection, phone(1), OUT, "hand:ada", f"call {seconds}", later(seconds)
            )
        assert [entry.at for entry in out] == [later(seconds)]
    async with writing(engine) as connection:
        assert (
            await add_preferences(
                connection,
                "webhook:shop",
                [PreferenceChange(phone(1), "in", "marketing", later(1.5), "START")],
            )
            == 0
        )  # it was said before what is known
        assert await add_preference(connection, phone(1), IN, "hand:ada", None, later(3)) == []
        assert len(await log_of(connection, phone(1))) == 4


async def test_nothing_of_the_log_is_ever_changed_or_deleted(engine: Engine) -> None:
    seen: list[tuple[object, ...]] = []
    for seconds, word in enumerate((OUT, IN, OUT, StopWord("out", "all"), IN)):
        await news(engine, {phone(1): "x", phone(2): "y"}, word, seconds)
        async with reading(engine) as connection:
            rows = [tuple(row) for row in await connection.execute(select(optouts).order_by(optouts.c.id))]
        assert rows[: len(seen)] == seen
        assert len(rows) > len(seen)
        seen = rows


async def test_a_list_of_many_is_streamed_whole(engine: Engine) -> None:
    told = {phone(number): "list" for number in range(2500)}
    assert len(await news(engine, told)) == 2500
    assert await opted_out(engine) == [(number, "marketing") for number in told]


@pytest.mark.parametrize("stop_first", [True, False])
async def test_entries_stored_at_once_hold_by_the_time_they_were_given(
    postgres_url: str, stop_first: bool
) -> None:
    """A list says that somebody came back, of before their STOP; neither of the two that store it sees the other."""
    engine = open_engine(postgres_url)
    async with writing(engine) as importing, writing(engine) as telling:
        if stop_first:
            await add_preferences(telling, "webhook:hooked", [word(1, "out", 5)])
        await append_preferences(importing, words({phone(1): "crm"}, BACK, 3, dated=True))
        if not stop_first:
            await add_preferences(telling, "webhook:hooked", [word(1, "out", 5)])
    async with reading(engine) as connection:
        assert await optout_scopes(connection, [phone(1)]) == {phone(1): {"marketing"}}
        assert [entry.action for entry in await log_of(connection, phone(1))] == ["in", "out"]
    assert await opted_out(engine) == [(phone(1), "marketing")]
    assert await news(engine, {phone(1): "crm"}, BACK, 4) == set()
    await engine.dispose()


@pytest.mark.parametrize("action", ["out", "in"])
async def test_a_manual_entry_holds_even_if_other_clocks_differ(engine: Engine, action: Action) -> None:
    other: Action = "in" if action == "out" else "out"
    async with writing(engine) as connection:
        await add_preferences(connection, "webhook:hooked", [word(1, other, 60)])
        standing = await add_preference(
            connection, phone(1), StopWord(action, "marketing"), "hand:ada", None, later(1)
        )
    assert [entry.action for entry in standing] == (["out"] if action == "out" else [])
    assert (phone(1) in dict(await opted_out(engine))) == (action == "out")


async def test_an_imported_opt_out_list_holds_even_if_other_clocks_differ(engine: Engine) -> None:
    async with writing(engine) as connection:
        await add_preferences(connection, "webhook:hooked", [word(1, "in", 60)])
    assert await news(engine, {phone(1): "list"}, OUT, 1) == {phone(1)}
    assert await opted_out(engine) == [(phone(1), "marketing")]


@pytest.mark.parametrize(("behind", "stays_out"), [(600, True), (3600, False)])
async def test_an_opt_out_after_an_opt_in_by_hand_holds_though_our_clock_is_ahead(
    engine: Engine, behind: int, stays_out: bool
) -> None:
    """By the provider's clock it is older; one of an hour ago is, whichever clock is right."""
    async with writing(engine) as connection:
        ada = ("hand:ada", None, later(behind))
        await add_preference(connection, phone(1), StopWord("in", "marketing"), *ada)
        await add_preferences(connection, "webhook:hooked", [word(1, "out", 0)])
    assert (phone(1) in dict(await opted_out(engine))) == stays_out


async def test_a_refusal_after_an_opt_in_holds_though_the_providers_clock_is_ahead(engine: Engine) -> None:
    """That the provider refuses the person's messages is known by our clock."""
    async with writing(engine) as connection:
        await add_preferences(connection, "webhook:hooked", [word(1, "in", 300)])
        await add_preferences(connection, "hooked", [word(1, "out", 60)])
    assert phone(1) in dict(await opted_out(engine))


@pytest.mark.parametrize("number", [1, 2], ids=["dialled", "the provider's"])
@pytest.mark.parametrize("by", ["hand", "list"])
async def test_an_opt_out_by_either_number_of_a_person_is_one_of_both(
    engine: Engine, tmp_path: Path, number: int, by: str
) -> None:
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["hooked/shop"])
        await learn_other_numbers(connection, "hooked", {phone(1): phone(2)}, later(0))
    if by == "hand":
        await record_preference(engine, phone(number), OUT, "hand", None, now=lambda: later(5))
    else:
        listed = tmp_path / "stops.csv"
        listed.write_text(f"phone\n{phone(number)}\n")
        report = await import_preferences(
            engine, listed, IntakeOptions(), "out", "marketing", "list", rejects=tmp_path / "rejects.csv"
        )
        assert (report.rows, report.changed) == (1, 1)
    assert {person for person, _ in await opted_out(engine)} == {phone(1), phone(2)}


async def test_an_opt_out_by_user_id_is_one_of_the_number_that_is_known(engine: Engine) -> None:
    async with writing(engine) as connection:
        await learn_numbers(connection, "hooked", {"GB.Ada": phone(1)}, later(0))
    await record_preference(engine, name_of("hooked", "GB.Ada"), OUT, "hand", None, now=lambda: later(5))
    assert await opted_out(engine) == [(phone(1), "marketing")]


async def test_an_opt_out_that_is_reported_again_ends_no_opt_in_by_hand(engine: Engine) -> None:
    async with writing(engine) as connection:
        await add_preferences(connection, "webhook:hooked", [word(1, "out", 0)])
        await add_preference(connection, phone(1), StopWord("in", "marketing"), "hand:ada", None, later(60))
        assert await add_preferences(connection, "webhook:hooked", [word(1, "out", 0)]) == 0
    assert await opted_out(engine) == []


def word(number: int, action: str, seconds: float) -> PreferenceChange:
    return PreferenceChange(
        phone(number), "out" if action == "out" else "in", "marketing", later(seconds), "STOP"
    )


@pytest.mark.parametrize(
    ("words", "stays_out"),
    [
        ([("out", 1)], True),
        ([("out", 1), ("in", 2)], False),
        ([("out", 1), ("in", 2), ("out", 1)], False),
        ([("in", 2), ("out", 1)], False),
        ([("in", 1), ("out", 2), ("in", 1)], True),
        ([("in", 2), ("out", 2)], True),
        ([("out", 2), ("in", 2)], True),
    ],
)
async def test_the_newest_entry_holds_however_it_is_repeated(
    engine: Engine, words: list[tuple[str, float]], stays_out: bool
) -> None:
    for number, one_by_one in ((1, True), (2, False)):
        said = [word(number, action, seconds) for action, seconds in words]
        for portion in [[one] for one in said] if one_by_one else [said]:
            async with writing(engine) as connection:
                await add_preferences(connection, "webhook:hooked", portion)
                await add_preferences(connection, "webhook:hooked", portion)
    async with reading(engine) as connection:
        scopes = await optout_scopes(connection, [phone(1), phone(2)])
        rows = (await connection.execute(select(optouts))).all()
    expected = {phone(1), phone(2)} if stays_out else set()
    assert {person for person, found in scopes.items() if "marketing" in found} == expected
    assert {(row.source, row.evidence) for row in rows} == {("webhook:hooked", "STOP")}


async def test_a_repeated_opt_in_does_not_undo_a_later_opt_out_by_hand(engine: Engine) -> None:
    async with writing(engine) as connection:
        await add_preferences(connection, "webhook:hooked", [word(1, "in", 1)])
        row = {"phone": phone(1), "scope": "marketing", "action": "out", "source": "user", "at": later(5)}
        await connection.execute(insert(optouts), [row])
        assert await add_preferences(connection, "webhook:hooked", [word(1, "in", 1)]) == 0
        assert await optout_scopes(connection, [phone(1)]) == {phone(1): {"marketing"}}

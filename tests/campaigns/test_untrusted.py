"""Texts, numbers, times and JSON from outside are made fit for every database, whatever is sent to us."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.money.costs import Money
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from campaigns.untrusted import (
    LONGEST_NAME,
    LONGEST_TEXT,
    bounded,
    clean,
    clean_json,
    moment_or_none,
    read_json,
)
from providers.events import Inbound, Notice, Preference, Report, Unread, UserId, WindowUntil
from tests.support.cases import each

HALF = "\ud83d"
HUGE = "é" * 10_000_000
HOSTILE = ["a\0b", f"cut {HALF}", "\udfff", HUGE, "\0" * 5_000]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("a\0b", "ab"),
        (f"cut {HALF}", "cut \ufffd"),
        ("\ud83d\ude00", "😀"),
        ("\udcff", "\ufffd"),
        ("línea\n", "línea\n"),
    ],
)
def test_a_text_loses_only_what_no_database_takes(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    assert clean(text, 3) == clean(text[:3])


@given(st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF)))
def test_any_text_can_be_written_once_it_is_clean(text: str) -> None:
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert clean(cleaned) is cleaned


@given(st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF)))
def test_a_text_is_cleaned_by_the_rules_of_utf_16(text: str) -> None:
    pairs = text.replace("\0", "").encode("utf-16-le", "surrogatepass")
    assert clean(text) == pairs.decode("utf-16-le", "replace")


@each(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'{"name": "Bob \\ud83d", "b": 1}', {"name": "Bob \ufffd", "b": 1}),
        (b'{"a\\u0000": "b\\u0000c"}', {"a": "bc"}),
        (b'{"a": "b\x00c\n"}', {"a": "bc\n"}),
        (b'{"a": "Z\xfcrich"}', {"a": "Z\ufffdrich"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": NaN, "b": Infinity, "c": -Infinity}', {"a": None, "b": None, "c": None}),
        (b'{"a": 1e400, "b": 1}', {"a": None, "b": 1}),
        (b'{"a": ' + b"9" * 5_000 + b"}", {"a": None}),
        (b'{"a": 1, "b": "\\u0000"}', {"a": 1, "b": ""}),
        (b"<html>", None),
        (b"", None),
        (b"[" * 5_000 + b"]" * 5_000, None),
        (b"[" * 1_000 + b'"\\u0000"' + b"]" * 1_000, None),
    ],
)
def test_json_is_read_leniently_and_clean(body: bytes, value: Any) -> None:
    assert read_json(body) == value


ESCAPES = st.lists(
    st.sampled_from(["\\u0000", "\\ud83d", "\\ude00", "\\\\", "x", "1e999", '","']), max_size=8
)


@given(st.binary() | ESCAPES.map(lambda parts: f'["{"".join(parts)}"]'.encode()))
def test_whatever_is_read_can_be_written_again(body: bytes) -> None:
    value = read_json(body)
    assert clean_json(value) == value
    assert orjson.dumps(value)


@pytest.mark.parametrize(
    "amount", ["1e30", "1e300", "-1e30", "NaN", "Infinity", "1E+999999999", "9007199255"]
)
def test_an_amount_that_no_message_can_cost_is_none(amount: str) -> None:
    money = Money(Decimal(amount), "XOF")
    assert bounded(money) is None
    assert Accepted("m1", cost=money).cost is None
    assert Report("m1", "sent", JobState.SENT, cost=money).cost is None


def test_an_amount_that_a_message_may_cost_stays() -> None:
    money = Money(Decimal("9007199254"), "XOF")
    assert Accepted("m1", cost=money).cost == money


@pytest.mark.parametrize(
    "at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), NOON.replace(tzinfo=None)]
)
def test_a_time_that_no_clock_can_have_shown_is_none(at: datetime) -> None:
    assert moment_or_none(at) is None
    report = Report("m1", "read", JobState.READ, at, times=((JobState.SENT, at), (JobState.READ, NOON)))
    assert (report.at, report.times) == (None, ((JobState.READ, NOON),))
    assert Inbound("+447700900001", at).at is None
    assert Preference("+447700900001", "out", "all", at, "STOP").at is None


@pytest.mark.parametrize("text", HOSTILE, ids=["nul", "half", "other half", "10 MB", "nothing but NULs"])
def test_what_an_adapter_hands_over_is_clean_and_bound_by_being_made(text: str) -> None:
    made = [
        Accepted(text),
        Refused(FailureKind.RECIPIENT, text, text),
        Report(text, text, None, reason=text, code=text, reference=text),
        Inbound("+447700900001", NOON, text, text, text, text, text, text),
        Preference("+447700900001", "out", "all", NOON, text, text),
        UserId(text, "+447700900001"),
        WindowUntil("+447700900001", NOON, text),
        Unread(text),
        Notice(text, text, text),
    ]
    texts = [value for each in made for value in vars(each).values() if isinstance(value, str)]
    assert all(value == clean(value, LONGEST_TEXT) for value in texts)
    assert len(Accepted(text).message_id) <= LONGEST_NAME


@pytest.mark.parametrize(
    ("asked", "kept"), [(1.5, 1.5), (1e300, 86_400), (float("inf"), 86_400), (-1, None), (float("nan"), None)]
)
def test_no_wait_is_longer_than_a_day(asked: float, kept: float | None) -> None:
    assert Refused(FailureKind.THROTTLED, "429", retry_after=asked).retry_after == kept

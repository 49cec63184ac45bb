"""Text from outside made safe to show: nothing that steers a terminal comes through, and nothing else is changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from campaigns.visible_text import escaped, isolated, unescaped, visible, visible_json, visible_line
from tests.support.hostile import controls_in, hostile_text

SHOWN = {
    "colour": ("\x1b[31mred", "\\x1b[31mred"),
    "clipboard": ("\x1b]52;c;eA==\x07", "\\x1b]52;c;eA==\\x07"),
    "one byte": ("\x9b1m\x7f", "\\x9b1m\\x7f"),
    "override": ("a\u202etxt.exe\u2066\u2069\u200f", "a\\u202etxt.exe\\u2066\\u2069\\u200f"),
    "half a character": ("\ud83d", "\\ud83d"),
    "back to the beginning of the line": ("paid\rfailed", "paid\\x0dfailed"),
    "newlines and tabs": ("a\r\nb\tc\n", "a\nb\tc\n"),
    "letters of all kinds": ("é 日本 سلام 👩‍👩‍👧", "é 日本 سلام 👩‍👩‍👧"),
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.values(), ids=SHOWN)
def test_what_steers_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_line_stays_one_line() -> None:
    assert visible_line("a\r\nError: b\tc") == "a\\nError: b\\tc"


@given(hostile_text)
def test_nothing_that_steers_comes_through(text: str) -> None:
    assert not controls_in(visible(text))
    assert visible(visible(text)) == visible(text)
    assert len(visible_line(text).splitlines()) <= 1
    in_a_file = text.encode(errors="ignore").decode()
    assert unescaped(escaped(in_a_file)) == in_a_file


@given(hostile_text)
def test_json_keeps_its_meaning(text: str) -> None:
    written = visible_json(json.dumps({"text": text}, ensure_ascii=False))
    assert not controls_in(written)
    assert json.loads(written) == {"text": text}


def test_only_right_to_left_text_is_isolated() -> None:
    assert isolated("abc é 日本") == "abc é 日本"
    assert isolated("סבתא 5") == "\u2068סבתא 5\u2069"


def test_an_escape_never_becomes_half_a_character() -> None:
    assert unescaped("\\ud83d \\x1b") == "\\ud83d \x1b"

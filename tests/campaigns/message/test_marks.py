"""WhatsApp's marks: what each becomes, and that no text can make anything but text."""

from __future__ import annotations

import re
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from campaigns.message.marks import (
    Bullets,
    Inline,
    Numbers,
    Paragraph,
    Quote,
    Style,
    Styled,
    Text,
    Value,
    marked_value,
    parse,
    visible_text,
)
from tests.support.cases import each

SIGNS = "*_~`>-. 019ab\né\t"


def short(text: str) -> list[Any]:
    """The text's blocks in a form that a test can hold: ("bold", "a") for *a*."""
    return [_short_block(block) for block in parse(text)]


def _short_block(block: Any) -> Any:
    match block:
        case Paragraph(parts):
            return _short_parts(parts)
        case Quote(lines):
            return ("quote", *map(_short_parts, lines))
        case Bullets(items):
            return ("bullets", *map(_short_parts, items))
        case Numbers(items):
            return ("numbers", *((number, _short_parts(parts)) for number, parts in items))


def _short_parts(parts: Inline) -> Any:
    found = [
        part.text if isinstance(part, Text) else (part.style.value, _short_parts(part.parts))
        for part in parts
    ]
    return found[0] if len(found) == 1 else found


@each(
    ("text", "expected"),
    [
        ("plain", ["plain"]),
        ("*bold*", [("bold", "bold")]),
        ("a *b* c", [["a ", ("bold", "b"), " c"]]),
        ("_i_ ~s~", [[("italic", "i"), " ", ("strike", "s")]]),
        ("*_~all~_*", [("bold", ("italic", ("strike", "all")))]),
        ("*a _b* c_", [[("bold", "a _b"), " c_"]]),
        ("snake_case_name and 2*3*4", ["snake_case_name and 2*3*4"]),
        ("* not bold*", [("bullets", "not bold*")]),
        ("a * b * c", ["a * b * c"]),
        ("*open", ["*open"]),
        ("**", ["**"]),
        ("(*b*), _i_!", [["(", ("bold", "b"), "), ", ("italic", "i"), "!"]]),
        ("*a\nb*", [["*a", "\n", "b*"]]),
        ("`*x*` *y*", [[("code", "*x*"), " ", ("bold", "y")]]),
        ("```a\n*b*\n```", [("code", "a\n*b*\n")]),
        ("*see `a*b` now*", [("bold", ["see ", ("code", "a*b"), " now"])]),
        ("> one\n> *two*\nthree", [("quote", "one", ("bold", "two")), "three"]),
        ("- one\n* two", [("bullets", "one", "two")]),
        ("1. one\n2. two", [("numbers", (1, "one"), (2, "two"))]),
        ("2026. was", ["2026. was"]),
        ("https://x.example/_a_/*b*", [[("link", "https://x.example/_a_/*b"), "*"]]),
        ("*https://x.example/a_b*", [("bold", ("link", "https://x.example/a_b"))]),
        ("see https://x.example.", [["see ", ("link", "https://x.example"), "."]]),
        ("", [[]]),
    ],
)
def test_each_mark(text: str, expected: list[Any]) -> None:
    assert short(text) == expected


def test_what_was_filled_in_is_known_inside_and_across_marks() -> None:
    name = marked_value("Ana* Paula", Value.FILLED)
    [paragraph] = parse(f"Hi *{name}* you* {marked_value('friend', Value.DEFAULT)}")
    assert paragraph == Paragraph(
        (
            Text("Hi "),
            Styled(Style.BOLD, (Text("Ana", Value.FILLED),)),
            Text(" Paula", Value.FILLED),
            Text("* you* "),
            Text("friend", Value.DEFAULT),
        )
    )


def test_a_blank_is_flagged() -> None:
    [paragraph] = parse(f"Hi {marked_value('first_name', Value.BLANK)}!")
    assert paragraph == Paragraph((Text("Hi "), Text("first_name", Value.BLANK), Text("!")))


def test_a_value_cannot_pretend_to_end() -> None:
    [paragraph] = parse(marked_value("a\ufdd3b\ufdd2c", Value.FILLED))
    assert paragraph == Paragraph((Text("abc", Value.FILLED),))


def _texts(parts: Inline) -> list[Text]:
    return [text for part in parts for text in ([part] if isinstance(part, Text) else _texts(part.parts))]


@given(st.text(alphabet=SIGNS, max_size=60) | st.text(max_size=60))
def test_the_visible_text_is_kept(text: str) -> None:
    """Marks aside, every character is there, in order."""

    def without_marks(kept: str) -> str:
        return re.sub(r"[*_~`>.\- 0-9\ufdd0-\ufdd3\r]", "", kept)

    assert without_marks(visible_text(parse(text))) == without_marks(text.replace("\r\n", "\n"))


@given(st.text(alphabet="ab é,!?\n", max_size=60))
def test_a_text_without_marks_stays_as_it_is(text: str) -> None:
    assert visible_text(parse(text)) == text


@given(st.lists(st.tuples(st.text(alphabet=SIGNS, max_size=8), st.sampled_from([None, *Value])), max_size=8))
def test_each_character_keeps_its_origin(pieces: list[tuple[str, Value | None]]) -> None:
    """Only marks are left out, so what is filled in is a part of what was given, in order."""
    written = "".join(marked_value(text, value) if value else text for text, value in pieces)
    found: list[Text] = []
    for block in parse(written):
        lines: Any = [block.parts] if isinstance(block, Paragraph) else []
        lines = lines or (
            [parts for _, parts in block.numbered]
            if isinstance(block, Numbers)
            else (getattr(block, "lines", None) or getattr(block, "items", ()))
        )
        found += [text for line in lines for text in _texts(line)]
    for value in Value:
        given_ = iter("".join(text for text, origin in pieces if origin is value))
        assert all(character in given_ for text in found if text.value is value for character in text.text)


@each("piece", ["*a ", "_a_", "```a", "`", "~ ", "https://a", "> a\n", "1. a\n", "*_~`", "https://a..", ". "])
def test_a_long_text_of_marks_ends_soon(piece: str) -> None:
    began = time.process_time()
    parse(piece * (65_536 // len(piece)))
    assert time.process_time() - began < 3

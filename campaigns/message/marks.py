"""WhatsApp's text marks: `*bold*`, `_italic_`, `~strike~`, code in backquotes, lists and quotes. Pure: text in, a small
tree out, which `web/look/bubble.html` shows.

Code comes first, and nothing in it is a mark. A mark hugs its text, stays on its line and never splits a word. Marks
nest. What was filled in for a variable is a `Value` and is told apart from the text around it, whatever marks cut it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Final, NamedTuple

from campaigns.frozen import frozen


class Value(StrEnum):
    """Where a piece of text comes from, if it is not the campaign's own."""

    FILLED = "filled"
    """The recipient's cell."""
    DEFAULT = "default"
    """The default, because the cell is blank."""
    BLANK = "blank"
    """The name of a variable whose cell is blank and that has no default."""


class Style(StrEnum):
    BOLD = "bold"
    ITALIC = "italic"
    STRIKE = "strike"
    CODE = "code"
    LINK = "link"


@frozen
class Text:
    """A piece of text as it is seen."""

    text: str
    value: Value | None = None


@frozen
class Styled:
    style: Style
    parts: tuple[Text | Styled, ...]


Inline = tuple[Text | Styled, ...]


@frozen
class Paragraph:
    """One or more lines, with their line breaks."""

    parts: Inline


@frozen
class Quote:
    lines: tuple[Inline, ...]


@frozen
class Bullets:
    items: tuple[Inline, ...]


@frozen
class Numbers:
    """A numbered list; its numbers are those of the text."""

    numbered: tuple[tuple[int, Inline], ...]


Block = Paragraph | Quote | Bullets | Numbers

_STYLES: Final = {"*": Style.BOLD, "_": Style.ITALIC, "~": Style.STRIKE}
_CODE: Final = re.compile(r"```(?P<block>(?:[^`]|`(?!``))+)```|`(?P<inline>[^`\n]+)`")
_LINK: Final = re.compile(r"https?://\w[^\s<>\"`]*")
_AFTER_LINK: Final = ".,;:!?)]'*_~"
_PREFIXES: Final[dict[type[Block], re.Pattern[str]]] = {
    Quote: re.compile(r"> (?P<number>)"),
    Bullets: re.compile(r"[-*] (?P<number>)(?=\S)"),
    Numbers: re.compile(r"(?P<number>[0-9]{1,3})\. (?=\S)"),
}

# Unicode's noncharacters, which no text has: they begin and end what was filled in.
_BEGINS: Final = {Value.FILLED: "\ufdd0", Value.DEFAULT: "\ufdd1", Value.BLANK: "\ufdd2"}
_END: Final = "\ufdd3"
_KINDS: Final = {begin: value for value, begin in _BEGINS.items()}
_BORDERS: Final = re.compile("[\ufdd0-\ufdd3]")


def marked_value(text: str, value: Value, *, nests: bool = False) -> str:
    """The text with the characters around it by which `parse` knows that it was filled in. `nests`: parts of it may be
    marked already."""
    return f"{_BEGINS[value]}{text if nests else without_borders(text)}{_END}"


def without_borders(text: str) -> str:
    """The text without the characters that `marked_value` adds."""
    return _BORDERS.sub("", text)


def parse(text: str) -> tuple[Block, ...]:
    """The text as WhatsApp shows it, from top to bottom."""
    return _Parser(*_unmarked(text.replace("\r\n", "\n"))).blocks()


def unstyled(text: str) -> Inline:
    """A text in which WhatsApp knows no marks, such as that of a button."""
    plain, spans = _unmarked(text)
    return tuple(_Parser(plain, spans).plain(0, len(plain)))


def visible_text(blocks: Sequence[Block]) -> str:
    """What is read, without styles: lists and quotes without what marks them."""
    return "\n".join(line for block in blocks for line in _lines(block))


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(parts):
            yield _flat(parts)
        case Quote(lines) | Bullets(lines):
            yield from map(_flat, lines)
        case Numbers(numbered):
            yield from (_flat(parts) for _, parts in numbered)


def _flat(parts: Inline) -> str:
    return "".join(part.text if isinstance(part, Text) else _flat(part.parts) for part in parts)


class _Span(NamedTuple):
    start: int
    end: int
    value: Value


class _Code(NamedTuple):
    """Code or a link: nothing in it is a mark. `inner` is what is seen."""

    start: int
    end: int
    inner: tuple[int, int]
    style: Style


def _unmarked(text: str) -> tuple[str, list[_Span]]:
    """The text that is seen, and which parts of it were filled in."""
    kept: list[str] = []
    spans: list[_Span] = []
    at, size, begun, value = 0, 0, 0, None
    for border in _BORDERS.finditer(text):
        kept.append(text[at : border.start()])
        size += len(kept[-1])
        at = border.end()
        if value is not None and size > begun:
            spans.append(_Span(begun, size, value))
        # A value within a value, such as a name in the middle of an expression, is the inner one.
        begun, value = size, _KINDS.get(border[0])
    kept.append(text[at:])
    return "".join(kept), spans


class _Line(NamedTuple):
    kind: type[Block]
    parts: Inline
    number: str | None


class _Parser:
    def __init__(self, text: str, spans: list[_Span]) -> None:
        self._text = text
        self._spans = spans
        self._span_ends = [span.end for span in spans]
        self._codes = _codes_in(text)
        self._code_starts = [code.start for code in self._codes]

    def blocks(self) -> tuple[Block, ...]:
        lines = [self._line(start, end) for start, end in self._lines()]
        return tuple(_block(kind, list(same)) for kind, same in groupby(lines, key=attrgetter("kind")))

    def _lines(self) -> Iterator[tuple[int, int]]:
        """Each line; a break within code does not end one."""
        start = at = 0
        while (at := self._text.find("\n", at)) >= 0:
            code = self._code_at(at)
            if code is not None:
                at = code.end
                continue
            yield start, at
            start = at = at + 1
        yield start, len(self._text)

    def _line(self, start: int, end: int) -> _Line:
        for kind, prefix in _PREFIXES.items():
            if found := prefix.match(self._text, start, end):
                return _Line(kind, self._inline(found.end(), end), found["number"])
        return _Line(Paragraph, self._inline(start, end), None)

    def _inline(self, start: int, end: int, open_marks: str = "") -> Inline:
        """The parts of a stretch of one line; `open_marks`: those around it, which do not begin again."""
        parts: list[Text | Styled] = []
        closers = self._closers(start, end, open_marks)
        plain = at = start
        while at < end:
            code = self._code_at(at)
            mark = self._text[at]
            close = self._close(closers, mark, at, start) if code is None else None
            if code is None and close is None:
                at += 1
                continue
            parts += self.plain(plain, at)
            if code is not None:
                parts.append(Styled(code.style, tuple(self.plain(*code.inner))))
                plain = at = code.end
            elif close is not None:
                inner = self._inline(at + 1, close, open_marks + mark)
                parts.append(Styled(_STYLES[mark], inner))
                plain = at = close + 1
        parts += self.plain(plain, end)
        return tuple(parts)

    def _closers(self, start: int, end: int, open_marks: str) -> dict[str, list[int]]:
        """Where each mark may end a style: after something else than a space, and not before a letter or a digit."""
        found: dict[str, list[int]] = {mark: [] for mark in _STYLES if mark not in open_marks}
        text, at = self._text, start
        while at < end:
            code = self._code_at(at)
            if code is not None:
                at = code.end
                continue
            if text[at] in found and at > start and not text[at - 1].isspace() and not _in_word(text, at + 1):
                found[text[at]].append(at)
            at += 1
        return found

    def _close(self, closers: dict[str, list[int]], mark: str, at: int, start: int) -> int | None:
        """The end of the style that a mark here begins, or None where it begins none."""
        ends = closers.get(mark)
        if not ends or _in_word(self._text, at - 1):
            return None
        place = bisect_left(ends, at + 2)
        after = self._text[at + 1] if at + 1 < len(self._text) else " "
        if place == len(ends) or after.isspace() or after == mark:
            return None
        return ends[place]

    def _code_at(self, at: int) -> _Code | None:
        place = bisect_left(self._code_starts, at + 1) - 1
        if place < 0 or self._codes[place].end <= at:
            return None
        return self._codes[place]

    def plain(self, start: int, end: int) -> list[Text]:
        """The text of a stretch, cut where something filled in begins or ends."""
        pieces: list[Text] = []
        place = bisect_left(self._span_ends, start + 1)
        while start < end:
            span = self._spans[place] if place < len(self._spans) else None
            if span is None or span.start >= end:
                pieces.append(Text(self._text[start:end]))
                break
            if span.start > start:
                pieces.append(Text(self._text[start : span.start]))
                start = span.start
            stop = min(span.end, end)
            pieces.append(Text(self._text[start:stop], span.value))
            start, place = stop, place + 1
        return pieces


def _codes_in(text: str) -> list[_Code]:
    """Code and links, in order; a link within code is code."""
    codes = [
        _Code(*found.span(), found.span(found.lastgroup or 0), Style.CODE) for found in _CODE.finditer(text)
    ]
    starts = [code.start for code in codes]
    links: list[_Code] = []
    for found in _LINK.finditer(text):
        end = found.start() + len(found[0].rstrip(_AFTER_LINK))
        place = bisect_left(starts, end)
        if place == 0 or codes[place - 1].end <= found.start():
            links.append(_Code(found.start(), end, (found.start(), end), Style.LINK))
    return sorted([*codes, *links])


def _in_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isalnum()


def _block(kind: type[Block], lines: list[_Line]) -> Block:
    """Lines of the same kind as one block."""
    if kind is Paragraph:
        broken = chain.from_iterable((Text("\n"), *line.parts) for line in lines)
        return Paragraph(tuple(islice(broken, 1, None)))
    if kind is Numbers:
        return Numbers(tuple((int(line.number or 0), line.parts) for line in lines))
    parts = tuple(line.parts for line in lines)
    return Quote(parts) if kind is Quote else Bullets(parts)

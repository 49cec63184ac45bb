"""The bubble's HTML: each type is drawn, and no text becomes anything but text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.views.message.bubbles import bubble_of
from campaigns.message.content import (
    Button,
    Contact,
    Content,
    Media,
    MessageType,
    Parameter,
    Row,
    Section,
    Template,
    TemplateButton,
    TemplateHeader,
)
from campaigns.message.content import Card as TemplateCard
from campaigns.message.marks import Value, marked_value
from tests.support.cases import each
from tests.support.examples import share
from tests.support.messages import BUTTONS, EXAMPLES, MENU
from web.look.environment import environment

TAGS = {
    *("div", "p", "ul", "ol", "li", "blockquote", "strong", "em", "s", "code", "span", "mark", "small", "b"),
    *("figure", "figcaption", "details", "summary", "dl", "dt", "dd"),
    *("svg", "path", "rect", "circle"),
}
ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='x",
    "javascript:alert(1)",
    "<b",
)


def html_of(content: Content) -> str:
    template = '{% from "look/bubble.html" import bubble with context %}{{ bubble(message) }}'
    return environment().from_string(template).render(message=bubble_of(content))


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@each("name", EXAMPLES)
def test_each_type_is_drawn(name: str) -> None:
    content, expected = EXAMPLES[name]
    read = _Reader(html_of(content))
    assert read.tags <= TAGS
    for text in expected:
        assert text in read.text


def test_four_buttons_are_two_and_all_options() -> None:
    html = html_of(Content(MessageType.TEXT, "Hi", buttons=BUTTONS))
    assert html.index("More") < html.index("See all options") < html.index("Shop")
    assert "See all options" not in html_of(Content(MessageType.TEXT, "Hi", buttons=BUTTONS[:3]))


def test_cards_are_beside_each_other_and_reached_by_keyboard() -> None:
    card = TemplateCard(TemplateHeader(image=Media("https://x.example/a.png")), (Parameter("15OFF"),))
    html = html_of(Content(MessageType.TEMPLATE, template=Template("fruit", "en", cards=(card, card))))
    assert '<ul class="slides" tabindex="0" aria-label="Cards of the carousel, 2">' in html
    assert html.count('<li class="bubble">') == 2
    assert html.count("https://x.example/a.png") == 2


def test_styles_and_values_are_elements() -> None:
    text = f"*Hi* {marked_value('Ana', Value.FILLED)} {marked_value('code', Value.BLANK)}\n> q\n1. a\n2. b"
    html = html_of(Content(MessageType.TEXT, text))
    assert '<strong>Hi</strong> <mark>Ana</mark> <mark class="blank"' in html
    assert '<blockquote><p>q</p></blockquote><ol><li value="1">a</li><li value="2">b</li></ol>' in html


def everywhere(text: str) -> list[Content]:
    """Messages that have the text wherever a message has one."""
    media = (Media(text, text, text),)
    rows = (Section((Row(text, text, text),), text),)
    return [
        Content(MessageType.TEXT, text, header=text, footer=text, reply_to=text,
                buttons=(Button("link", text, url=text),) * 4),
        Content(MessageType.DOCUMENT, text, media),
        Content(MessageType.LIST, text, menu=replace(MENU, title=text, button=text, sections=rows)),
        Content(MessageType.CONTACTS, contacts=(Contact(text),)),
        Content(MessageType.TEMPLATE, template=Template(text, text, (Parameter(text, text),))),
        Content(MessageType.TEMPLATE, template=Template(text, text, cards=(
            TemplateCard(TemplateHeader(image=media[0]), (Parameter(text),), (TemplateButton(0, "url", text),)),))),
    ]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_becomes_an_element(attack: str) -> None:
    for content in everywhere(attack):
        read = _Reader(html_of(content))
        assert read.tags <= TAGS
        assert not [
            name for name in read.attributes if name.startswith("on") or name in ("href", "src", "style")
        ]
        assert attack in read.text


@share(0.3)
@given(st.text(alphabet="<>&\"'*_~`/ ab\n-1.", min_size=1, max_size=40))
def test_no_raw_html_ever(text: str) -> None:
    for content in everywhere(text):
        read = _Reader(html_of(content))
        assert read.tags <= TAGS
        letters = re.sub(r"[^<>&\"'/ab]", "", text)
        assert letters in re.sub(r"[^<>&\"'/ab]", "", read.text) or content.type is not MessageType.CONTACTS

"""Every part of a message is seen in its preview."""

from __future__ import annotations

from app.previews import preview_lines
from campaigns.content import (
    Button,
    Contact,
    ContactPhone,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Reaction,
    Row,
    Section,
    Template,
)


def test_a_text_with_a_medium_and_buttons() -> None:
    content = Content(
        MessageType.IMAGE,
        "two\nlines",
        media=(Media("https://x/a.png", filename="a.png"),),
        buttons=(Button("reply", "Yes", id="y"), Button("link", "Shop", url="https://x")),
        reply_to="wamid.1",
    )
    assert preview_lines(content) == [
        "(in answer to wamid.1)",
        "https://x/a.png  a.png",
        "two",
        "lines",
        "[ Yes ]",
        "[ Shop ]  https://x",
    ]


def test_a_list() -> None:
    rows = (Row("a", "Tea", "hot"), Row("b", "Ice"))
    menu = Menu("Choose", (Section(rows, "Drinks"),))
    assert preview_lines(Content(MessageType.LIST, "What?", menu=menu)) == [
        "What?",
        "[ Choose ]",
        "  Drinks",
        "  - Tea: hot",
        "  - Ice",
    ]


def test_a_template() -> None:
    template = Template("sale", "en", (Parameter("Ada"), Parameter("X1", "code")))
    lines = preview_lines(Content(MessageType.TEMPLATE, template=template))
    assert lines == ["template sale (en)", "  1: Ada", "  code: X1"]


def test_a_place_a_contact_and_a_reaction() -> None:
    place = Location(52.3, 4.9, "Shop")
    card = Contact("Ada L", phones=(ContactPhone("+447700900001"),))
    assert preview_lines(Content(MessageType.LOCATION, location=place)) == ["place: 52.3, 4.9  Shop"]
    assert preview_lines(Content(MessageType.CONTACTS, contacts=(card,))) == ["contact: Ada L, +447700900001"]
    assert preview_lines(Content(MessageType.REACTION, reaction=Reaction("m1", "👍"))) == ["👍  on m1"]

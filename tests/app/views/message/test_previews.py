"""Every part of a message is seen in its preview."""

from __future__ import annotations

from app.views.message.previews import preview_lines
from campaigns.message.content import (
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
    TemplateHeader,
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


def test_header_and_footer_of_a_text_and_a_file_at_the_provider() -> None:
    yes = (Button("reply", "Yes"),)
    content = Content(MessageType.TEXT, "Well?", buttons=yes, header="Spring", footer="STOP ends it")
    assert preview_lines(content) == ["Spring", "Well?", "STOP ends it", "[ Yes ]"]
    assert preview_lines(Content(MessageType.IMAGE, media=(Media(id="7"),))) == [
        "(the file 7 at the provider)"
    ]
    menu = Menu("Choose", (Section((Row("a", "Tea"),)),), "Drinks")
    assert preview_lines(Content(MessageType.LIST, "What?", menu=menu, footer="Iced too")) == [
        "Drinks",
        "What?",
        "Iced too",
        "[ Choose ]",
        "  - Tea",
    ]


def test_a_template_s_header() -> None:
    def lines(header: TemplateHeader) -> list[str]:
        content = Content(MessageType.TEMPLATE, template=Template("sale", "en", header=header))
        return preview_lines(content)[1:]

    assert lines(TemplateHeader("Ada")) == ["  header: Ada"]
    assert lines(TemplateHeader(image=Media("https://x/a.png"))) == ["  header: https://x/a.png"]
    assert lines(TemplateHeader(location=Location(1, 2, "Shop"))) == ["  header: place: 1, 2  Shop"]


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

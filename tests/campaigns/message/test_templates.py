"""Texts with variables: what they need, what they become, and what is refused at load."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import SpecError
from campaigns.message.content import (
    Addition,
    Content,
    Media,
    MessageType,
    TemplateHeader,
    read_content,
    write_content,
)
from campaigns.message.content_spec import ContentSpec
from campaigns.message.engine_texts import JINJA, parts_of, variables_of
from campaigns.message.marks import Text, unstyled, without_borders
from campaigns.message.plain_texts import MAX_TEXT, plain_parts
from campaigns.message.templates import Renderer, _Piece, fold
from tests.support.cases import each


def renderer(**content: object) -> Renderer:
    return Renderer(ContentSpec.model_validate(content))


@pytest.mark.parametrize(
    ("written", "folded"),
    [("First Name", "first_name"), ("first-name", "first_name"), ("FIRST__NAME", "first_name"), ("_x ", "x")],
)
def test_a_name_is_folded(written: str, folded: str) -> None:
    assert fold(written) == folded


def test_the_variables_of_every_string_are_found() -> None:
    made = renderer(
        document={
            "url": "https://x/{{ id }}.pdf",
            "caption": "For {{ First_Name }}",
            "filename": "{{ id }}.pdf",
        }
    )
    assert made.variables == {"id", "first_name"}
    assert made.render({"id": "7", "first_name": "Ada"}) == Content(
        MessageType.DOCUMENT, "For Ada", (Media("https://x/7.pdf", filename="7.pdf"),)
    )


def test_a_text_is_the_caption_of_an_image() -> None:
    made = renderer(text="Look, {{ name }}", images=[{"url": "https://x/a.png"}])
    assert made.render({"name": "Ada"}) == Content(
        MessageType.IMAGE, "Look, Ada", (Media("https://x/a.png"),)
    )


def test_uploads_headers_and_footers_hold_variables() -> None:
    made = renderer(
        text="Hi",
        header="{{ a }}",
        footer="{{ b }}",
        buttons=[{"type": "reply", "text": "Yes"}],
        template={"name": "t", "header": {"image": {"id": "{{ c }}"}}},
    )
    cells = {"a": "A", "b": "B", "c": "3"}
    assert made.variables == cells.keys()
    free = made.render(cells)
    assert (free.header, free.footer) == ("A", "B")
    template = made.render(cells, template=True).template
    assert template is not None
    assert template.header == TemplateHeader(image=Media(id="3"))


def test_what_only_some_providers_take_is_known_by_its_key() -> None:
    content = ContentSpec.model_validate(
        {
            "images": [{"url": "https://x/a"}, {"id": "1"}],
            "text": "a",
            "footer": "b",
            "buttons": [{"type": "reply", "text": "Yes"}],
            "template": {"name": "t", "header": {"image": {"id": "2"}}},
        }
    )
    assert content.additions == {
        Addition.FOOTER: "content.footer",
        Addition.MEDIA_ID: "content.images[1].id",
    }
    voice = ContentSpec.model_validate({"audio": {"url": "https://x/a", "voice": True}})
    assert voice.additions == {Addition.VOICE: "content.audio.voice"}
    template = ContentSpec.model_validate({"template": {"name": "t", "header": {"video": {"id": "2"}}}})
    assert template.additions == {Addition.MEDIA_ID: "content.template.header.video.id"}
    assert ContentSpec(text="Hi").additions == {}


def test_content_without_variables_is_one_object() -> None:
    made = renderer(text="The same for all, with {braces}.")
    assert made.variables == frozenset()
    assert made.render({"a": "1"}) is made.render({"a": "2"})


def test_a_default_makes_a_variable_optional_and_fills_a_blank_cell() -> None:
    made = renderer(text="Hi {{ first_name }}", defaults={"First Name": "there"})
    assert made.variables == frozenset()
    assert made.render({}).text == "Hi there"
    assert made.render({"first_name": ""}).text == "Hi there"
    assert made.render({"first_name": "Ada"}).text == "Hi Ada"


def test_what_a_cell_holds_is_never_run_or_escaped() -> None:
    assert renderer(text="{{ a }}").render({"a": "{{ 7 * 7 }} <b>&"}).text == "{{ 7 * 7 }} <b>&"


def test_conditions_and_filters_work() -> None:
    made = renderer(text="{% if vip == 'yes' %}Dear {{ name | upper }}{% else %}Hi {{ name }}{% endif %}")
    assert made.variables == {"vip", "name"}
    assert made.render({"vip": "yes", "name": "Ada"}).text == "Dear ADA"
    assert made.render({"vip": "no", "name": "Ada"}).text == "Hi Ada"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"text": "Hi {{ a"}, "content.text, line 1 of the text"),
        ({"text": "one\ntwo {% if %}"}, "content.text, line 2 of the text"),
        ({"text": "{{ a | nope }}"}, "No filter named 'nope'"),
        ({"text": "{{ a.first }}"}, "content.text"),
        ({"text": "{{ a.__class__ }}"}, "unsafe"),
        ({"text": "{{ range(9) }}"}, "content.text"),
        ({"text": "{# nothing #}"}, "content.text is empty"),
        ({"text": "a", "images": [{"url": "{{ u"}]}, "content.images[0].url"),
        ({"text": "a", "defaults": {"b": "c"}}, "content.defaults.b: no text uses {{ b }}"),
    ],
)
def test_a_template_that_cannot_work_is_refused_at_load(content: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        renderer(**content)
    assert says in str(caught.value)
    assert ".." not in str(caught.value)


@each(
    ("text", "says"),
    [
        ("{{ 10**10**8 }}", "powers (**) are not supported"),
        ("{{ 'a' * 10000000000 }}", "longer than 65,536 characters"),
        ("{{ 10000000000 * 'a' }}", "longer than 65,536 characters"),
        ("{{ [1] * 1000000000 }}", "longer than 65,536 characters"),
        ("{{ 9 * 9" + " * 99999999999999999999" * 100 + " }}", "a number becomes too large"),
        ("{% set x = 'aaaa' %}" + "{% set x = x + x %}" * 40 + "{{ x }}", "longer than 65,536 characters"),
        ("{% set x = 'aaaa' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}", "longer than 65,536 characters"),
        ("{% set x = [1] %}" + "{% set x = x + x %}" * 40 + "{{ x }}", "longer than 65,536 characters"),
        ("{% set x = 'a' * 9999 %}" + "{{ x }}" * 99, "longer than 65,536 characters"),
        ("{% for i in 'a' * 9999 %}{{ 'b' * 9999 }}{% endfor %}", "longer than 65,536 characters"),
        ("{% for i in 'ab' %}{% for j in 'ab' %}x{% endfor %}{% endfor %}", "nested loops"),
        (
            "{% for i in 'ab' %}{% if i %}{% for j in 'ab' %}x{% endfor %}{% endif %}{% endfor %}",
            "nested loops",
        ),
        ("{% for i in [[1]] recursive %}{{ loop(i) }}{% endfor %}", "nested loops"),
        ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "macros are not used"),
        ("{% include 'x' %}", "a message is one text"),
        ("{{ 'a' | center(1000000000) }}", "above 1,000"),
        ("{{ 'a'.ljust(1000000000) }}", "above 1,000"),
        ("{{ 'a' | indent(1000000000, true) }}", "above 1,000"),
        ("{{ '%1000000000d' % 1 }}", "the format's field width"),
        ("{{ '%*d' % (1000000000, 1) }}", "the format's field width"),
        ("{{ '%1000000000d' | format(1) }}", "the format's field width"),
        ("{{ '{:1000000000}'.format(1) }}", "the format's field width"),
        ("{{ ('a' * 60000) | replace('a', 'b' * 60000) }}", "longer than 65,536 characters"),
        ("{{ ('a' * 60000).replace('a', 'b' * 60000) }}", "longer than 65,536 characters"),
        ("{{ ('a' * 60000) | join('b' * 60000) }}", "longer than 65,536 characters"),
        ("{{ ('b' * 60000).join('a' * 60000) }}", "longer than 65,536 characters"),
        ("{{ ('a' * 60000) | list | map('center', 1000) | join }}", "longer than 65,536 characters"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "nested too deeply"),
        ("{{ " + "[" * 3000 + "]" * 3000 + " }}", "nested too deeply"),
        ("x" * 70_000, "is longer than 65,536 characters"),
    ],
)
def test_a_text_that_would_fill_the_memory_is_refused_at_load(text: str, says: str) -> None:
    started = time.process_time()
    with pytest.raises(SpecError) as caught:
        renderer(text=text)
    assert says in str(caught.value)
    assert "content.text" in str(caught.value)
    assert time.process_time() - started < 5


@each(
    ("text", "made"),
    [
        ("{{ a ~ '-' ~ 2 }}", "x-2"),
        ("{{ 'ab' * 3 }}", "ababab"),
        ("{{ 6 * 7 + 0.5 }}", "42.5"),
        ("{{ '%03d' % 7 }}", "007"),
        ("{{ '{:>3}'.format(a) }}", "  x"),
        ("{{ a | center(5) | replace(' ', '.') }}", "..x.."),
        ("{% for c in 'abc' %}{{ loop.index }}{{ c }}{% endfor %}", "1a2b3c"),
        ("{% for c in 'ab' %}{{ c }}{% endfor %}{% for c in 'cd' %}{{ c }}{% endfor %}", "abcd"),
        ("{{ 'a,b'.split(',') | join('; ') }}", "a; b"),
        ("{{ [a, 'y'] | map('upper') | join }}", "XY"),
        ("{{ 13 % 5 }}", "3"),
    ],
)
def test_what_is_bounded_works_as_before(text: str, made: str) -> None:
    assert renderer(text=text + "{{ a[:0] }}").render({"a": "x"}).text == made


def test_a_row_that_makes_the_text_endless_is_an_error_of_that_row() -> None:
    made = renderer(text="{{ 'ab' * (n | int) }}")
    assert made.render({"n": "2"}).text == "abab"
    with pytest.raises(SpecError, match=r"content\.text cannot be filled in: it becomes longer than"):
        made.render({"n": "1000000000"})


@pytest.mark.parametrize(
    ("content", "vars", "says"),
    [
        ({"text": "Hi {{ a }}"}, {}, "content.text: 'a' is undefined"),
        ({"text": "{{ a }}"}, {"a": "  "}, "content.text is empty"),
        ({"images": [{"url": "{{ a }}"}]}, {"a": "file:///etc/passwd"}, "which is not a web address"),
        (
            {"images": [{"url": "https://x/{{ b }}"}, {"url": "{{ a }}"}]},
            {"a": "x.png", "b": "1"},
            "content.images[1].url becomes 'x.png', which is not a web address",
        ),
        ({"images": [{"url": "https://x/{{ a }}"}]}, {"a": "prix été.png"}, "which is not a web address"),
        ({"images": [{"url": "https://{{ a }}"}]}, {"a": "/a.png"}, "which is not a web address"),
        ({"images": [{"id": "{{ a }}"}]}, {"a": " "}, "content.images[0].id is empty"),
        (
            {"template": {"name": "t", "header": {"image": {"url": "{{ a }}"}}}},
            {"a": "x.png"},
            "content.template.header.image.url becomes 'x.png', which is not a web address",
        ),
        ({"text": "{{ 1 // (a | int) }}"}, {"a": "0"}, "content.text cannot be filled in"),
    ],
)
def test_a_recipient_that_cannot_be_filled_in_is_an_error(
    content: dict[str, object], vars: dict[str, str], says: str
) -> None:
    with pytest.raises(SpecError) as caught:
        renderer(**content).render(vars)
    assert says in str(caught.value)


@each(
    "content",
    [
        {"text": "Hi {{ a }}, {{ b }}", "preview_url": True},
        {
            "text": "{{ a }}",
            "footer": "f",
            "buttons": [{"type": "reply", "text": "Yes", "id": "{{ b }}"}, {"type": "reply", "text": "No"}],
        },
        {"text": "{{ a }}", "images": [{"url": "https://x/a.png"}, {"url": "https://x/{{ b }}.png"}]},
        {
            "text": "Choose",
            "list": {"button": "Open", "sections": [{"rows": [{"id": "1", "title": "{{ a }}"}]}]},
        },
        {"location": {"latitude": 52.5, "longitude": 4, "name": "{{ a }}"}},
        {"contacts": [{"formatted_name": "{{ a }}", "phones": [{"phone": "+1{{ b }}"}]}]},
        {
            "template": {
                "name": "t",
                "language": "en",
                "parameters": {"first": "{{ a }}", "second": "same"},
                "header": {"location": {"latitude": 1, "longitude": 2, "name": "{{ b }}", "address": "x"}},
                "buttons": [{"index": 0, "type": "url", "parameter": "{{ b }}"}],
            }
        },
        {
            "template": {
                "name": "t",
                "cards": [
                    {"header": {"image": {"url": "https://x/a.png"}}, "parameters": ["{{ a }}"]},
                    {"header": {"image": {"url": "https://x/{{ b }}.png"}}, "parameters": ["same"]},
                ],
            }
        },
    ],
)
def test_a_filled_message_is_the_one_that_is_checked_whole(content: dict[str, object]) -> None:
    made = renderer(**content)
    for values in ({"a": "Ada", "b": "7"}, {"a": "Grace", "b": "8"}):
        message = made.render(values)
        assert repr(read_content(write_content(message))) == repr(message)
        assert all(value in repr(message) for name, value in values.items() if name in made.names)


@given(
    parts=st.lists(
        st.one_of(
            st.text(st.characters(exclude_characters="{}#%\r", exclude_categories=["Cs"])),
            st.sampled_from(["{{ a }}", "{{b}}", "{{- a -}}", "{{ A_b }}", "{# no #}", "{{ a | upper }}"]),
        ),
        min_size=1,
    ),
    values=st.fixed_dictionaries(
        {"a": st.text(min_size=1), "b": st.text(min_size=1), "a_b": st.just("{{ a }}")}
    ),
)
def test_a_text_is_rendered_like_its_template(parts: list[str], values: dict[str, str]) -> None:
    source = "".join(parts)
    piece = _Piece("content.text", source)
    by_jinja = JINJA.from_string(source).render({**values, "A_b": values["a_b"]})
    assert piece.render(values) == by_jinja


FRAGMENTS = st.sampled_from(
    [
        *(
            "{{ a }}",
            "{{b}}",
            "{{\ta_1 }}",
            "{{ é }}",
            "{{- a }}",
            "{{ a -}}",
            "{{+ a }}",
            "{{\na }}",
            "{{ _ }}",
        ),
        *(
            "{{ true }}",
            "{{ None }}",
            "{{ self }}",
            "{{ not }}",
            "{{ loop }}",
            "{{ a b }}",
            "{{ 1 }}",
            "{{ }}",
        ),
        *("{{", "}}", "{", "}", "{%", "%}", "{#", "#}", "-}}", "#", "##", "%", "a", "{{ a\u2003}}"),
        *("\r", "\n", "\r\n", "\u2028", "\0", " "),
    ]
)


@given(parts=st.lists(FRAGMENTS | st.text(max_size=3), max_size=7))
def test_a_plain_text_is_read_as_the_engine_reads_it(parts: list[str]) -> None:
    source = "".join(parts)
    plain = plain_parts(source)
    if plain is None:
        return
    read = parts_of(source)
    assert read is not None
    assert merged(plain) == merged(read)
    assert {name for name, _ in plain if name} == variables_of("content.text", source)


def merged(parts: list[tuple[str | None, str]]) -> list[str]:
    """The parts with neighbouring texts joined: `<name>` for a variable."""
    joined = [""]
    for name, text in parts:
        if name is None:
            joined[-1] += text
        else:
            joined += [f"<{name}>", ""]
    return joined


@pytest.mark.parametrize(
    "expression",
    [
        "x | e",
        "x | upper",
        "x.upper()",
        "x | urlize",
        "x | indent(900)",
        "x.expandtabs(900)",
        "x | list | string",
    ],
)
def test_what_a_filter_or_a_call_makes_is_bounded_even_where_it_is_not_shown(expression: str) -> None:
    """Each is longer than what it is made of; the message itself is short."""
    made = renderer(text=f"{{% set long = {expression} %}}Hi {{{{ x[:2] }}}}")
    grows = "ß&\n\t" * (MAX_TEXT // 4)
    with pytest.raises(SpecError, match="it becomes longer than"):
        made.render({"x": grows})


def shown_text(made: Renderer, **vars: str) -> list[tuple[str, str | None]]:
    """The pieces of the marked text, and where each comes from."""
    text = made.render_marked(vars).text or ""
    return [(piece.text, piece.value) for piece in unstyled(text) if isinstance(piece, Text)]


def test_a_marked_text_tells_what_was_filled_in() -> None:
    made = renderer(text="Hi {{ First Name }}, {{ code }} {{ city }}", defaults={"city": "Cotonou"})
    assert shown_text(made, first_name="Ana", code="") == [
        ("Hi ", None),
        ("Ana", "filled"),
        (", ", None),
        ("code", "blank"),
        (" ", None),
        ("Cotonou", "default"),
    ]


def test_a_marked_text_tells_what_an_expression_comes_to() -> None:
    made = renderer(text="{% if vip %}Dear {{ name | upper }}{% else %}Hi{% endif %} {{ gift | upper }}")
    assert shown_text(made, vip="1", name="ana") == [
        ("Dear ", None),
        ("ANA", "filled"),
        (" ", None),
        ("GIFT", "blank"),
    ]


def test_a_marked_message_keeps_what_nobody_reads_as_it_is() -> None:
    made = renderer(text="{{ name }}", images=({"url": "https://x.example/{{ name }}"},))
    marked = made.render_marked({"name": "ana"})
    assert marked.media == made.render({"name": "ana"}).media
    assert without_borders(marked.text or "") == "ana"


def test_a_marked_message_that_cannot_be_sent_is_refused_as_the_message_is() -> None:
    made = renderer(images=({"url": "{{ picture }}"},))
    with pytest.raises(SpecError, match="not a web address"):
        made.render_marked({"picture": "nowhere"})

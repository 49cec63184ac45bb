"""Placeholders of other tools are refused with how to write them here; column names work as the list spells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.errors import SpecError
from campaigns.message.content_spec import ContentSpec
from campaigns.message.placeholders import find_placeholders
from campaigns.message.templates import Renderer
from campaigns.spec.campaign_spec import CampaignSpec, load_spec
from tests.support.cases import each

FOREIGN = {
    "Hi {first_name}!": ("{first_name}", "{{ first_name }}"),
    "Hi { first_name },": ("{ first_name }", "{{ first_name }}"),
    "Bonjour {Prénom}": ("{Prénom}", "{{ Prénom }}"),
    "{contact.first_name}": ("{contact.first_name}", "{{ contact_first_name }}"),
    "Hi [first_name]": ("[first_name]", "{{ first_name }}"),
    "Hi [First Name],": ("[First Name]", "{{ first_name }}"),
    "Olá [Nome]": ("[Nome]", "{{ nome }}"),
    "Hi *|FNAME|*": ("*|FNAME|*", "{{ fname }}"),
    "Hi %name%, hello": ("%name%", "{{ name }}"),
    "Hi %%First Name%%": ("%%First Name%%", "{{ first_name }}"),
    "Hi {{1}}": ("{{1}}", "{{ first_name }}"),
    "Hi {{ 12 }}": ("{{ 12 }}", "{{ first_name }}"),
    "Hi <<name>>": ("<<name>>", "{{ name }}"),
}
PLAIN = [
    "see [1] and [2], [sic] [PROMO] [STOP] [...]", "50% off today, 20% tomorrow", "50%off%20",
    "ann@example.com, [our site](https://x.org)", "f(x) {return 1}", '{"name": "Ann"}', "{a: b}", "array[name]",
    "${name}", "x = {name}", "{{ first_name }} {% if a %}x{% endif %}", "«nom»", "{}", "{1}", "if (x) {y}",
    "a << b >> c",
    "%d of %s", "{{ '%name%' }}", "{{ {'name': 1}['name'] }}", "https://x.org/%C3%A9%20a%20", "I <3 you >> me",
]  # fmt: skip


@each(("text", "expected"), FOREIGN.items(), ids=FOREIGN)
def test_a_placeholder_of_another_tool_is_found(text: str, expected: tuple[str, str]) -> None:
    assert list(find_placeholders(f"Hello\n{text}")) == [(2, *expected)]


@each("text", PLAIN)
def test_plain_text_is_left_alone(text: str) -> None:
    assert list(find_placeholders(text)) == []


def campaign(folder: Path, content: str) -> CampaignSpec:
    path = folder / "c.toml"
    path.write_text(f'name = "c"\nprovider = "p"\nsenders = ["s"]\n[content]\n{content}', encoding="utf-8")
    return load_spec(path)


def test_a_campaign_file_with_one_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"c\.toml, line 5: content\.text has \{first_name\}, line 2 of the text"
    ) as caught:
        campaign(tmp_path, 'text = """\nHello\nHi {first_name}"""')
    assert caught.value.hint.startswith("Write {{ first_name }}")
    assert "literal_placeholders = true" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ('text = "Hi"\nbuttons = [{ type = "reply", text = "Yes, {name}" }]', r"content\.buttons\[0\]\.text"),
        ('images = [{ url = "https://x/a.png" }]\ntext = "*|FNAME|*"', r"content\.text"),
        (
            '[content.template]\nname = "t"\nparameters = ["{{ a }}", "{{2}}"]',
            r"content\.template\.parameters\[1\]",
        ),
        (
            '[content.template]\nname = "t"\nparameters = { who = "%name%" }',
            r"content\.template\.parameters\.who",
        ),
    ],
)
def test_every_text_that_a_person_sees_is_looked_at(tmp_path: Path, content: str, key: str) -> None:
    with pytest.raises(SpecError, match=key):
        campaign(tmp_path, content)


def test_an_address_may_hold_any_signs(tmp_path: Path) -> None:
    campaign(tmp_path, 'text = "Look"\nimages = [{ url = "https://x/{size}/%name%.png" }]')


def test_a_variant_with_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"variant b, content\.text has \{name\}"):
        campaign(
            tmp_path,
            'text = "Hi"\n[[variants]]\nname = "a"\nshare = 50\n[variants.content]\ntext = "Ho"\n'
            '[[variants]]\nname = "b"\nshare = 50\n[variants.content]\ntext = "Hi {name}"\n',
        )


def test_they_are_sent_unchanged_if_the_file_allows_it(tmp_path: Path) -> None:
    text = "Type {name}, [first_name], *|X|*, %a%, <<b>> and {{1}}; yours: {{ First Name }}"
    content = campaign(tmp_path, f'text = "{text}"\nliteral_placeholders = true').content
    assert Renderer(content).render({"first_name": "Ada"}).text == text.replace("{{ First Name }}", "Ada")


def test_a_stored_campaign_goes_on(tmp_path: Path) -> None:
    stored = campaign(tmp_path, 'text = "Hi {name}, {{1}}"\nliteral_placeholders = true').to_json()
    old = CampaignSpec.from_json(
        stored.replace('"literal_placeholders":true', '"literal_placeholders":false')
    )
    assert Renderer(old.content).render({}).text == "Hi {name}, 1"


COLUMNS = {
    "{{ First Name }}": "first_name",
    "{{First Name}}": "first_name",
    "{{ N° client }}": "n°_client",
    "{{ Nº }}": "no",
    "{{ E-Mail }}": "e_mail",
    "{{ Price (EUR) }}": "price_(eur)",
    "{{ Prénom }}": "prénom",
    "{{ Pre\u0301nom }}": "prénom",
    "{{- Date d'envoi -}}": None,
    "{{ First Name | upper }}": "first_name",
    "{{ Prix € }}": "prix_€",
    "{{ 1st name }}": "1st_name",
}


@each(("text", "name"), [(text, name) for text, name in COLUMNS.items() if name])
def test_a_column_is_used_as_the_list_spells_it(text: str, name: str) -> None:
    made = Renderer(ContentSpec(text=f"Hi {text}, {text}"))
    assert made.variables == {name}
    assert made.render({name: "ADA"}).text == "Hi ADA, ADA"


@pytest.mark.parametrize(
    ("text", "names"),
    [("{{ a if b else c }}", "abc"), ("{{ a ~ b }}", "ab"), ("{{ a and b }}", "ab"), ("{{ not a }}", "a"),
     ("{{ a is defined }}", "a"), ("{{ a[0] }}", "a"), ("{{ a|default('x y') }}", "a"), ("{{ a.b }}", None)],
)  # fmt: skip
def test_an_expression_stays_one(text: str, names: str | None) -> None:
    try:
        found = Renderer(ContentSpec(text=f"Hi {text}")).variables
    except SpecError:
        assert names is None
    else:
        assert found == set(names or "")


def test_a_missing_column_is_named_as_it_is_written() -> None:
    with pytest.raises(SpecError, match="'N° client' is undefined"):
        Renderer(ContentSpec(text="Hi {{ N° client }}")).render({})


def test_constants_may_have_such_names_without_quotes(tmp_path: Path) -> None:
    content = campaign(
        tmp_path,
        'text = """\nPrénom = {{ Prénom }}, {{ First Name }}, {{ N° client }}"""\n'
        '[content.defaults]\nPrénom = "x"\nFirst Name = "y"\nN° client = "z"\n',
    ).content
    assert Renderer(content).render({}).text == "Prénom = x, y, z"


@pytest.mark.parametrize("text", ['é = "a"\né = "b"', 'a b = "x', "x y", "Prénom = x"])
def test_what_is_no_toml_still_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError, match="not valid TOML"):
        campaign(tmp_path, f'text = "Hi"\n[content.defaults]\n{text}\n')

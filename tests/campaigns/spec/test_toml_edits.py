"""What a form saves: the keys it knows change, and everything else in the file stays as it was written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import SpecError
from campaigns.spec.toml_edits import edited
from campaigns.spec.toml_files import loc_of, parse_toml

WRITTEN = """\
# The spring sale.
name = "spring"   # unique
provider = "ourvoice"
senders = ["shop"]

[audience]        # who
csv = "people.csv"
# default_country = "GB"

[content]
text = "Hi {{ first_name }}"
buttons = [{ type = "reply", text = "Yes", id = "yes" }]   # two at most

[content.defaults]
first_name = "there"

[hours]           # by day only
allow = "09:00-19:00"
# 20:00 was too late

[[caps]]
max = 1           # one
per = "7d"
"""


def change(text: str, **changes: Any) -> str:
    file = parse_toml(Path("campaign.toml"), text.encode())
    return edited(file, {loc_of(key.replace("__", ".")): value for key, value in changes.items()})


def test_only_the_line_of_the_key_changes() -> None:
    text = change(WRITTEN, content__defaults__first_name="friend")
    assert text == WRITTEN.replace('"there"', '"friend"')


def test_new_keys_are_added_to_their_table_and_new_tables_to_the_file() -> None:
    text = change(WRITTEN, category="utility", audience__default_country="BJ", schedule__timezone="UTC")
    assert tomllib.loads(text) == {
        **tomllib.loads(WRITTEN),
        "category": "utility",
        "audience": {"csv": "people.csv", "default_country": "BJ"},
        "schedule": {"timezone": "UTC"},
    }
    for line in WRITTEN.splitlines():
        assert line in text.splitlines()


def test_a_value_that_stays_the_same_is_not_written_anew() -> None:
    buttons = [{"type": "reply", "text": "Yes", "id": "yes"}]
    assert change(WRITTEN, content__buttons=buttons, name="spring") == WRITTEN


def test_a_table_keeps_the_comments_of_the_keys_that_stay() -> None:
    text = change(WRITTEN, hours={"allow": "10:00-12:00", "on_closed": "skip"})
    assert "[hours]           # by day only" in text
    assert "# 20:00 was too late" in text
    assert tomllib.loads(text)["hours"] == {"allow": "10:00-12:00", "on_closed": "skip"}


def test_a_table_without_keys_is_gone_and_its_comments_stay() -> None:
    text = change(WRITTEN, hours__allow=None)
    assert "hours" not in tomllib.loads(text)
    assert "# [hours]           # by day only" in text
    assert "# 20:00 was too late" in text


def test_a_table_without_keys_and_comments_leaves_nothing() -> None:
    text = change(WRITTEN, content__defaults__first_name=None)
    assert "defaults" not in text


TEXT = 'text = """\n[hours]\nare by day"""\n'


def test_a_text_that_looks_like_a_table_stays() -> None:
    text = change(f'{TEXT}[hours]\nallow = "09:00-19:00"\n', hours__allow=None)
    assert tomllib.loads(text) == {"text": "[hours]\nare by day"}


def test_what_would_change_another_key_is_refused() -> None:
    with pytest.raises(SpecError, match="cannot change"):
        change(f'{TEXT}[hours] # by day\nallow = "09:00-19:00"\n', hours__allow=None)


def test_to_remove_what_is_not_there_changes_nothing() -> None:
    assert change(WRITTEN, budget__max=None, content__footer=None) == WRITTEN


def test_a_text_of_several_lines_is_written_as_one() -> None:
    text = change(WRITTEN, content__text='Hi "you"\nfor """ever""" \\ and\n')
    assert '"""\nHi "you"\n' in text
    assert tomllib.loads(text)["content"]["text"] == 'Hi "you"\nfor """ever""" \\ and\n'


def test_column_names_of_any_kind_are_keys() -> None:
    file = parse_toml(Path("campaign.toml"), WRITTEN.encode())
    text = edited(file, {("audience", "map", 'Tél. "mobile"'): "phone"})
    assert tomllib.loads(text)["audience"]["map"] == {'Tél. "mobile"': "phone"}


def test_true_does_not_pass_for_1() -> None:
    text = change("[schedule]\nmax_runs = 1\n", schedule__max_runs=True)
    assert tomllib.loads(text)["schedule"]["max_runs"] is True


def test_a_key_below_a_text_is_a_sentence() -> None:
    with pytest.raises(SpecError, match="cannot change"):
        change(WRITTEN, name__first="x")


_texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
_values = st.recursive(
    _texts | st.integers(-9, 9) | st.booleans() | st.floats(-9, 9) | st.none(),
    lambda inner: (
        st.lists(inner.filter(lambda one: one is not None), max_size=3)
        | st.dictionaries(_texts, inner.filter(lambda one: one is not None), max_size=3)
    ),
    max_leaves=6,
)
_keys = st.sampled_from(
    ["name", "audience", "audience.csv", "audience.map", "content.text", "content.defaults", "content.template.name",
     "hours", "hours.allow", "caps", "caps.0.max", "schedule.cron", "budget.max"]
)  # fmt: skip


@given(st.dictionaries(_keys, _values, max_size=4))
def test_the_file_says_what_the_form_wanted_or_nothing_is_changed(changes: dict[str, Any]) -> None:
    file = parse_toml(Path("campaign.toml"), WRITTEN.encode())
    try:
        text = edited(file, {loc_of(key): value for key, value in changes.items()})
    except SpecError:
        return
    data = tomllib.loads(text)
    for key, value in changes.items():
        if any(
            other != key and (key.startswith(f"{other}.") or other.startswith(f"{key}.")) for other in changes
        ):
            continue
        found: Any = data
        for part in loc_of(key):
            found = found.get(part) if isinstance(found, dict) else found[part]
            if found is None:
                break
        assert found == value
    assert text.startswith("# The spring sale.")

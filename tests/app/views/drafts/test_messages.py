"""The message of a draft while it is written: the limits it is counted against, and the rows that are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.actions.drafts.drafts import create_draft, open_draft
from app.views.drafts import rows as draft_rows
from app.views.drafts.messages import Outlet, contents_of, longest, preview_draft
from app.views.drafts.rows import ListRow, ListRows, RecentRows
from app.views.message.sampling import Choice
from app.wiring.settings import Settings
from campaigns.errors import SpecError
from campaigns.message.content import Button, Content, MessageType
from campaigns.spec.toml_files import parse_toml
from providers.registry import ADAPTERS, open_adapter
from tests.support.accounts import account_at

TEXT = Content(MessageType.TEXT, "x")


@pytest.mark.parametrize("provider", ADAPTERS)
def test_a_limit_is_what_the_provider_itself_allows(tmp_path: Path, provider: str) -> None:
    adapter = open_adapter(account_at(provider, tmp_path / "key"))
    most = longest(adapter, lambda text: replace(TEXT, text=text))
    if most is None:
        assert adapter.unsendable(replace(TEXT, text="x" * 100_000)) is None
        return
    assert adapter.unsendable(replace(TEXT, text="x" * most)) is None
    assert adapter.unsendable(replace(TEXT, text="x" * (most + 1))) is not None


def test_the_limits_of_meta(tmp_path: Path) -> None:
    adapter = open_adapter(account_at("meta", tmp_path / "key"))
    button = replace(TEXT, buttons=(Button("reply", "x"),))
    assert longest(adapter, lambda text: replace(TEXT, text=text)) == 4096
    assert longest(adapter, lambda text: replace(button, text=text)) == 1024
    assert longest(adapter, lambda text: replace(button, header=text)) == 60
    assert longest(adapter, lambda text: replace(button, buttons=(Button("reply", text),))) == 20


ROWS = [
    ListRow(2, "+447700900010", '{"name": "Ada"}'),
    ListRow(5, "+447700900011", '{"name": ""}'),
    ListRow(6, "+447700900012", '{"name": "Maximilian"}'),
]


def file(tables: str) -> dict[str | None, object]:
    return dict(contents_of(parse_toml(Path("x.toml"), f'name = "x"\n{tables}'.encode())))


@pytest.mark.parametrize(
    ("choice", "number", "line"),
    [(Choice.FIRST, 0, 2), (Choice.LINE, 6, 6), (Choice.LONGEST, 0, 6), (Choice.MISSING, 0, 5)],
)
def test_a_row_is_chosen(choice: Choice, number: int, line: int) -> None:
    contents = contents_of(parse_toml(Path("x.toml"), b'[content]\ntext = "Hi {{ name }}"\n'))
    shown = preview_draft(contents, ROWS, choice, number, Outlet())
    assert shown.row is not None
    assert shown.row.line == line
    assert shown.blank == (("name",) if line == 5 else ())


def test_rows_that_lack_what_the_message_needs_are_counted() -> None:
    rows = ListRows((), ROWS, whole=True)
    contents = contents_of(parse_toml(Path("x.toml"), b'[content]\ntext = "Hi {{ name }}"\n'))
    shown = preview_draft(contents, ROWS, Choice.FIRST, 0, Outlet(), blanks=rows.blanks)
    assert shown.notes[0].startswith("name is blank in 1 row, which is left out.")
    first = preview_draft(contents, ROWS, Choice.FIRST, 0, Outlet(), blanks=rows.blanks, whole=False)
    assert first.notes[0].startswith("name is blank in at least 1 row, ")
    text = b'[content]\ntext = "Hi {{ name }}"\ndefaults = { name = "you" }\n'
    contents = contents_of(parse_toml(Path("x.toml"), text))
    assert preview_draft(contents, ROWS, Choice.FIRST, 0, Outlet(), blanks=rows.blanks).notes == ()


def test_each_variant_and_each_form_is_shown() -> None:
    text = (
        '[content.template]\nname = "sale"\n[[variants]]\nname = "a"\nshare = 50\n[variants.content]\ntext = "A"\n'
        '[[variants]]\nname = "b"\nshare = 50\n[variants.content]\ntext = "B"\n'
    )
    shown = preview_draft(
        contents_of(parse_toml(Path("x.toml"), text.encode())), (), Choice.FIRST, 0, Outlet()
    )
    assert [(each.variant, each.form) for each in shown.messages] == [
        ("a", "free"), ("a", "template"), ("b", "free"), ("b", "template"),
    ]  # fmt: skip
    assert shown.row is None


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ("", "There is no message yet."),
        (
            '[content]\nimages = [{ url = "x" }]\n',
            r"content.images\[0\].url: an address starts with https://",
        ),
        ("[content]\ntext = 5\n", "content.text: input should be a valid string"),
    ],
)
def test_a_message_that_is_none_yet_says_why(tables: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        file(tables)


async def test_a_list_is_read_again_only_once_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(f"sqlite:///{tmp_path / 'd.db'}", path=tmp_path / "drumbeat.toml")
    draft = await create_draft(settings, "x", 'name = "x"\n[audience]\ncsv = "p.csv"\n')
    (draft.folder / "p.csv").write_text("phone,name\n+447700900010,Ada\n")
    monkeypatch.setattr(draft_rows, "MOST", 2)
    kept = RecentRows(1)
    draft = await open_draft(settings, "x")
    first = await kept.of(draft)
    assert first is not None
    assert (len(first.rows), first.whole, first.columns[0].variable) == (1, True, "name")
    assert await kept.of(draft) is first
    (draft.folder / "p.csv").write_text("phone,name\n+447700900010,A\n+447700900011,B\n+447700900012,C\n")
    again = await kept.of(draft)
    assert again is not None
    assert (len(again.rows), again.whole) == (2, False)

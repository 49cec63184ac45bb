"""Drafts are folders with campaign files: private, never outside their place, and never overwritten unseen."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.actions.drafts.drafts import (
    StaleDraft,
    create_draft,
    delete_draft,
    drafts_folder,
    fault_at,
    open_draft,
    save_section,
    save_text,
)
from app.actions.drafts.lists import receive_list
from app.actions.drafts.media import receive_media
from app.views.drafts.drafts import list_drafts, steps_of
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, NotFound, SpecError
from campaigns.spec.campaign_spec import load_spec
from tests.support.project import CAMPAIGN


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(f"sqlite:///{tmp_path / 'drumbeat.db'}", path=tmp_path / "drumbeat.toml")


async def test_a_new_draft_is_a_private_folder_beside_the_settings(
    settings: Settings, tmp_path: Path
) -> None:
    draft = await create_draft(settings, "spring")
    assert draft.path == tmp_path / "drafts" / "spring" / "campaign.toml"
    assert draft.text == 'name = "spring"\n'
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "drafts", draft.folder, draft.path)]
    assert modes == [0o700, 0o700, 0o600]
    assert draft.spec is None
    assert {fault_at(fault)[0] for fault in draft.faults} == {"provider", "senders", "content"}


async def test_without_settings_it_is_beside_the_database_else_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert drafts_folder(Settings("sqlite:////srv/x/drumbeat.db")) == Path("/srv/x/drafts")
    assert drafts_folder(Settings("postgresql://db/x")) == tmp_path / "drafts"


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".hidden", "A", "x" * 81, "x\n", "x\0", "..", "drafts/../../etc", "é"]
)
async def test_a_name_is_never_a_path(settings: Settings, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a campaign's name"):
        await create_draft(settings, name)
    await create_draft(settings, "spring")
    for act in (open_draft(settings, name), delete_draft(settings, name)):
        with pytest.raises(NotFound):
            await act
    with pytest.raises(NotFound):
        await save_section(settings, name, {"category": "utility"}, None)


@pytest.mark.parametrize("name", ["new", "drafts"])
async def test_the_name_of_a_page_is_no_name(settings: Settings, name: str) -> None:
    with pytest.raises(InvalidInput, match="name of a page"):
        await create_draft(settings, name)


async def test_a_link_is_no_draft(settings: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "campaign.toml").write_text('name = "linked"\n')
    real = await create_draft(settings, "spring")
    (real.folder.parent / "linked").symlink_to(outside)
    inner = await create_draft(settings, "inner")
    inner.path.unlink()
    inner.path.symlink_to(outside / "campaign.toml")
    for name in ("linked", "inner"):
        with pytest.raises(NotFound):
            await open_draft(settings, name)
        with pytest.raises(NotFound):
            await save_section(settings, name, {"category": "utility"}, None)
        with pytest.raises(NotFound):
            await delete_draft(settings, name)
    assert (outside / "campaign.toml").read_text() == 'name = "linked"\n'
    assert [row.name for row in await list_drafts(settings)] == ["spring"]


@pytest.mark.parametrize("name", [".by", ".list", ".list/rejects.csv", ".list/upload.json"])
async def test_a_working_file_that_is_a_link_or_a_pipe_is_neither_read_nor_written(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "rejects.csv").write_text("theirs")
    target = outside if name == ".list" else outside / "rejects.csv"
    draft = await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "a.csv", pieces(b"phone\n+447700900001\n"))
    for make in (lambda place: place.symlink_to(target), os.mkfifo):
        place = draft.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.unlink(missing_ok=True)
        make(place)
        for act in (
            open_draft(settings, "spring"),
            receive_list(settings, "spring", "b.csv", pieces(b"phone\n+447700900002\n")),
            receive_media(settings, "spring", "content.video", "a.mp4", pieces(b"x")),
            save_section(settings, "spring", {"category": "utility"}, None),
        ):
            with pytest.raises(NotFound, match=f"spring/{name} is a link, or no file"):
                await act
        assert await list_drafts(settings) == []
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"rejects.csv": "theirs"}


async def test_media_take_no_place_of_a_link(settings: Settings, tmp_path: Path) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    content = b"%PDF-1.7\n%%EOF\n"
    (tmp_path / "theirs.pdf").write_bytes(content)
    (draft.folder / "a.pdf").symlink_to(tmp_path / "theirs.pdf")
    (draft.folder / "a-2.pdf").symlink_to("/dev/zero")
    await receive_media(settings, "spring", "content.document", "a.pdf", pieces(content))
    assert (draft.folder / "a-3.pdf").read_bytes() == content
    assert (draft.folder / "a.pdf").is_symlink()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_a_name_is_taken_once(settings: Settings) -> None:
    made = await asyncio.gather(*(create_draft(settings, "spring") for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, InvalidInput) for one in made) == 3
    assert [path.name for path in drafts_folder(settings).iterdir()] == ["spring"]


async def test_a_campaign_file_becomes_a_draft_that_the_command_line_can_read(settings: Settings) -> None:
    text = "# Mine.\n" + CAMPAIGN.replace('"spring.csv"', '"../lists/spring.csv"   # everyone')
    draft = await create_draft(settings, "summer", text)
    assert draft.problem is None
    assert draft.text == text.replace('"spring"', '"summer"').replace('"../lists/', '"')
    assert load_spec(draft.path) == draft.spec
    assert draft.list_path is None
    (draft.folder / "spring.csv").write_text("phone\n+447700900010\n")
    assert (await open_draft(settings, "summer")).list_path == draft.folder / "spring.csv"


async def test_a_section_is_saved_with_all_else_as_it_was(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", "# Mine.\n" + CAMPAIGN)
    saved = await save_section(
        settings,
        "spring",
        {"content.text": "Hello\r\nyou", "pace": None, "audience.map": {"A": "b"}},
        draft.digest,
    )
    assert saved.data["content"]["text"] == "Hello\nyou"
    assert "pace" not in saved.data
    assert saved.data["audience"]["map"] == {"A": "b"}
    assert saved.text.startswith("# Mine.\n")
    assert saved.digest != draft.digest
    assert saved.spec == load_spec(saved.path)


async def test_a_second_browser_does_not_overwrite_the_first(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    await save_section(settings, "spring", {"content.text": "First"}, draft.digest)
    with pytest.raises(StaleDraft):
        await save_section(settings, "spring", {"content.text": "Second"}, draft.digest)
    with pytest.raises(StaleDraft):
        await save_text(settings, "spring", CAMPAIGN, draft.digest)
    assert (await open_draft(settings, "spring")).data["content"]["text"] == "First"


async def test_of_two_saves_at_once_one_is_refused(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    done = await asyncio.gather(
        *(save_section(settings, "spring", {"content.text": f"No. {n}"}, draft.digest) for n in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, StaleDraft) for one in done) == 4


async def test_what_is_missing_may_come_later_but_what_is_wrong_is_refused_at_its_key(
    settings: Settings,
) -> None:
    draft = await create_draft(settings, "spring")
    draft = await save_section(settings, "spring", {"provider": "ourvoice"}, draft.digest)
    with pytest.raises(SpecError) as caught:
        await save_section(
            settings, "spring", {"audience.default_country": "Atlantis", "pace.rate": "fast"}, draft.digest
        )
    assert [fault_at(fault)[0] for fault in caught.value.faults] == ["audience.default_country", "pace.rate"]
    assert fault_at(caught.value.faults[0])[1].startswith("'Atlantis' is not a country")
    assert (await open_draft(settings, "spring")).text == draft.text


async def test_what_was_wrong_before_does_not_stop_another_section(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN.replace("delay_between = 1", 'rate = "fast"'))
    assert draft.problem is not None
    saved = await save_section(settings, "spring", {"content.text": "Hello"}, draft.digest)
    assert saved.data["content"]["text"] == "Hello"


async def test_text_that_is_no_toml_is_refused_with_its_line_and_nothing_is_saved(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    with pytest.raises(SpecError, match="line 2"):
        await save_text(settings, "spring", 'name = "spring"\ncategory = utility\n', draft.digest)
    assert (await open_draft(settings, "spring")).text == CAMPAIGN


async def test_text_that_is_incomplete_is_saved_and_says_at_which_line_it_is_wrong(
    settings: Settings,
) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    saved = await save_text(settings, "spring", CAMPAIGN.replace("text =", "txt ="), draft.digest)
    assert saved.spec is None
    assert "campaign.toml, line 9: content.txt is not known" in str(saved.problem)


@pytest.mark.parametrize(
    "csv",
    [
        "/etc/passwd",
        "../../drumbeat.toml",
        "a/b.csv",
        "campaign.toml",
        ".hidden",
        "..",
        "x\\u0000.csv",
        "é" * 150,
    ],
)
async def test_the_list_of_a_draft_is_in_its_folder(settings: Settings, csv: str) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    with pytest.raises(SpecError, match="in its own folder"):
        await save_text(settings, "spring", CAMPAIGN.replace("spring.csv", csv), draft.digest)
    draft.path.write_text(CAMPAIGN.replace("spring.csv", csv))
    found = await open_draft(settings, "spring")
    assert (found.spec, found.list_path) == (None, None)


async def test_a_list_that_is_a_link_is_not_read(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    (draft.folder / "spring.csv").symlink_to("/etc/passwd")
    found = await open_draft(settings, "spring")
    assert (found.spec, found.list_path) == (None, None)


async def test_a_draft_keeps_its_name(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    with pytest.raises(SpecError, match="keeps its name, 'spring'"):
        await save_text(settings, "spring", CAMPAIGN.replace('"spring"', '"summer"'), draft.digest)


async def test_a_deleted_draft_leaves_nothing(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    (draft.folder / "spring.csv").write_text("phone\n")
    await delete_draft(settings, "spring")
    assert not list(drafts_folder(settings).iterdir())
    with pytest.raises(NotFound):
        await open_draft(settings, "spring")


async def test_each_step_says_what_it_still_needs(settings: Settings) -> None:
    draft = await create_draft(settings, "spring")
    assert [(step.key, step.done) for step in steps_of(draft)] == [
        ("list", False), ("message", False), ("rules", False), ("review", False),
    ]  # fmt: skip
    draft = await create_draft(settings, "summer", CAMPAIGN.replace("delay_between = 1", 'rate = "fast"'))
    (draft.folder / "spring.csv").write_text("phone\n")
    [row, _] = await list_drafts(settings)
    assert [step.done for step in row.steps] == [True, True, False, False]
    assert row.changed_by == getpass.getuser()
    assert "pace.rate" in row.steps[2].missing

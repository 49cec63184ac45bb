"""The room that drafts may take: bounded, refused before an upload is read whole, and given back by a purge."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.actions.drafts.drafts import Draft, create_draft, drafts_folder, open_draft, save_section, save_text
from app.actions.drafts.lists import receive_list
from app.actions.drafts.media import receive_media
from app.actions.drafts.quota import held_bytes
from app.actions.purging import plan_of_purge, purge_database
from app.actions.running import run_campaigns
from app.wiring.settings import DraftsSettings, Settings, load_settings
from campaigns.errors import InvalidInput
from campaigns.time.clock import utc_now
from scheduler.actions.purge import FILES
from storage.database.engine import Engine

MB = 1 << 20
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\0\x01" * 2 + b"\x08\x02\0\0\0"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "drumbeat.toml").write_text("[drafts]\nmax_mb = 2\nmax_mb_together = 3\n")
    return load_settings(tmp_path / "drumbeat.toml")


class Sent:
    """An upload of so many MB; how much of it was read."""

    def __init__(self, megabytes: int, begin: bytes = b"phone\n") -> None:
        self.read = 0
        self._blocks = [begin, *[b"+447700900001\n" * (MB // 14)] * megabytes]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self._blocks:
            self.read += 1
            yield block


def files_of(draft: Draft) -> set[str]:
    return {str(place.relative_to(draft.folder)) for place in draft.folder.rglob("*") if place.is_file()}


def test_room_is_measured_while_others_delete_what_they_uploaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "people.csv").write_bytes(b"12345")
    working = tmp_path / ".in-1"
    working.mkdir()
    scan = os.scandir

    def delete_first(place: Path | str) -> Any:
        if Path(place) == working:
            working.rmdir()
        return scan(place)

    monkeypatch.setattr(os, "scandir", delete_first)
    assert held_bytes(tmp_path) == 5
    assert not working.exists()


async def test_an_upload_that_does_not_fit_is_refused_before_it_is_read_whole(settings: Settings) -> None:
    draft = await create_draft(settings, "spring")
    await receive_list(settings, "spring", "people.csv", Sent(1).__aiter__())
    before = files_of(draft)
    for receive in (receive_list, partial(receive_media, place="content.images[0]")):
        sent = Sent(50, PNG)
        with pytest.raises(InvalidInput, match="a draft may hold 2 MB") as refused:
            await receive(settings, "spring", filename="more", chunks=sent.__aiter__())
        assert "begin a new draft" in refused.value.hint
        assert sent.read <= 3, "the rest is left at the browser"
        assert files_of(draft) == before, "nothing half-done stays"
    assert held_bytes(draft.folder) <= 2 * MB


async def test_all_drafts_together_have_a_bound_and_deleting_makes_room(settings: Settings) -> None:
    for name in ("one", "two", "three"):
        await create_draft(settings, name)
    for name in ("one", "two"):
        await receive_list(settings, name, "people.csv", Sent(1).__aiter__())
    with pytest.raises(InvalidInput, match="all drafts together may hold 3 MB") as refused:
        await receive_list(settings, "three", "people.csv", Sent(1).__aiter__())
    assert "Delete drafts" in refused.value.hint
    full = replace(settings, drafts=DraftsSettings(max_mb=2, max_mb_together=1))
    with pytest.raises(InvalidInput, match="all drafts together"):
        await create_draft(full, "four")
    assert not (drafts_folder(settings) / "four").exists()
    with pytest.raises(InvalidInput, match="all drafts together"):
        await save_section(full, "one", {"content.text": "Hi"}, None)
    draft = await save_section(settings, "one", {"content.text": "Hi there"}, None)
    assert (await save_section(full, "one", {"content.text": "Hi"}, None)).digest != draft.digest, "shorter"


async def test_a_purge_deletes_uploaded_media_that_no_draft_names(
    sqlite_engine: Engine, settings: Settings
) -> None:
    """Not the newest, not what is named, and nothing of a draft whose file cannot be read."""
    draft = await create_draft(settings, "spring", 'name = "spring"\n[audience]\ncsv = "people.csv"\n')
    for name in ("named.png", "old.png", "new.png", "people.csv"):
        (draft.folder / name).write_bytes(PNG)
        os.utime(draft.folder / name, (0, 0))
    os.utime(draft.folder / "new.png")
    draft = await save_text(settings, "spring", f'{draft.text}[content]\nimages = [{{ file = "named.png" }}]\n',
                            draft.digest)  # fmt: skip
    other = await create_draft(settings, "other")
    (other.folder / "kept.png").write_bytes(PNG)
    os.utime(other.folder / "kept.png", (0, 0))
    other.path.write_text("name = ")
    plan = await plan_of_purge(sqlite_engine, settings, timedelta(days=30))
    assert plan.rows[FILES] == 1
    deleted = await purge_database(sqlite_engine, settings, plan, now=utc_now)
    assert deleted[FILES] == 1
    assert files_of(await open_draft(settings, "spring")) == {
        "campaign.toml", ".by", "named.png", "new.png", "people.csv",
    }  # fmt: skip
    assert (other.folder / "kept.png").exists()


async def test_a_runner_deletes_them_with_what_retention_allows(
    sqlite_engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await create_draft(settings, "spring")
    (draft.folder / "old.png").write_bytes(PNG)
    os.utime(draft.folder / "old.png", (0, 0))
    started: dict[str, Any] = {}

    async def run(_engine: Engine, _accounts: object, **options: Any) -> None:
        started.update(options)

    monkeypatch.setattr("scheduler.clock.runner.run", run)
    nothing: dict[str, Any] = dict.fromkeys(("stop", "progress", "observe", "wait_receipts"))
    await run_campaigns(sqlite_engine, settings, distributed=False, until_idle=True, **nothing)
    assert started["delete_files"](utc_now()) == 1
    assert not (draft.folder / "old.png").exists()

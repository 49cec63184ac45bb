"""Files that are there whole or not at all, and never in the place of another that nobody gave up."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from campaigns.atomic_files import WholeFile, whole_file
from campaigns.errors import UsageError


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: to write more fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_until_it_is_complete_the_old_file_stays(tmp_path: Path) -> None:
    place = tmp_path / "x.csv"
    place.write_text("old")
    with whole_file(place, replace=True) as file:
        file.write("new")
        file.flush()
        assert place.read_text() == "old"
    assert place.read_text() == "new"
    assert place.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [place]


def test_an_error_leaves_the_old_one(tmp_path: Path) -> None:
    place = tmp_path / "x.csv"
    place.write_text("old")
    with suppress(RuntimeError), whole_file(place, replace=True) as file:
        file.write("new")
        raise RuntimeError
    assert (place.read_text(), list(tmp_path.iterdir())) == ("old", [place])


@pytest.mark.parametrize("size", [100, 1_000_000], ids=["at the end", "on the way"])
def test_a_full_disk_is_reported_and_the_old_file_stays(tmp_path: Path, size: int) -> None:
    place = tmp_path / "x.csv"
    place.write_text("old")
    with (
        pytest.raises(UsageError, match=r"x\.csv cannot be written: File too large\. An existing file"),
        room_for(10),
        whole_file(place, replace=True) as file,
    ):
        file.write("x" * size)
    assert (place.read_text(), list(tmp_path.iterdir())) == ("old", [place])


@pytest.mark.parametrize("links", [True, False])
def test_without_leave_nothing_is_written_over(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", _no_links)
    (tmp_path / "x.csv").write_text("old")
    (tmp_path / "x-2.csv").symlink_to("nowhere")
    file = WholeFile(tmp_path / "x.csv")
    file.text.write("new")
    assert file.add() == tmp_path / "x-3.csv"
    assert (tmp_path / "x.csv").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"x.csv", "x-2.csv", "x-3.csv"}


def _no_links(_path: Path, _target: Path) -> None:
    raise OSError(1, "Operation not permitted")

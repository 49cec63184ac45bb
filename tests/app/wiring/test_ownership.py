"""Settings that another user may have written are not used, and secrets that others may read are reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.wiring.checkup import _secrets
from app.wiring.context import Context
from app.wiring.ownership import warn_of_open_secrets
from app.wiring.settings import load_settings
from campaigns.errors import UsageError

STRANGER = 54_321
KEY = """
[providers.ourvoice]
adapter = "ourvoice"
api_key = "file:{file}"
[[providers.ourvoice.senders]]
name = "shop"
session_id = "a3f1"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / "below").mkdir(parents=True)
    (folder / "drumbeat.toml").write_text("")
    folder.chmod(0o755)
    (folder / "drumbeat.toml").chmod(0o644)
    monkeypatch.chdir(folder / "below")
    return folder


def is_used() -> bool:
    return Context(None, None).settings.path is not None


WRITABLE: dict[str, Callable[[Path], None]] = {
    "the file, by all": lambda folder: (folder / "drumbeat.toml").chmod(0o666),
    "the folder, by all": lambda folder: folder.chmod(0o777),
}


@pytest.mark.parametrize("way", WRITABLE)
def test_settings_that_others_may_write_are_not_used(folder: Path, way: str) -> None:
    assert is_used()
    WRITABLE[way](folder)
    with pytest.raises(UsageError, match="is not used: others may write to") as caught:
        is_used()
    assert f"--config {folder / 'drumbeat.toml'}" in caught.value.hint
    assert Context(folder / "drumbeat.toml", None).settings.path == folder / "drumbeat.toml"


def test_a_folder_where_users_cannot_replace_each_others_files_is_accepted(folder: Path) -> None:
    folder.chmod(0o1777)
    assert is_used()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["drumbeat.toml", "."])
def test_another_users_settings_are_not_used(folder: Path, what: str) -> None:
    os.chown(folder / what, STRANGER, STRANGER)
    with pytest.raises(UsageError, match=f"belongs to user {STRANGER}"):
        is_used()
    assert Context(folder / "drumbeat.toml", None).settings.path is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_symbolic_link_to_another_users_settings_is_no_way_round(folder: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (folder / "drumbeat.toml").rename(theirs / "drumbeat.toml")
    (folder / "drumbeat.toml").symlink_to(theirs / "drumbeat.toml")
    assert is_used()
    os.chown(theirs, STRANGER, STRANGER)
    with pytest.raises(UsageError, match="belongs to"):
        is_used()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_group_of_others_may_not_write_and_ones_own_may(folder: Path) -> None:
    file = folder / "drumbeat.toml"
    file.chmod(0o664)
    assert is_used()  # the group root, which has nobody else
    os.chown(file, 0, STRANGER)
    with pytest.raises(UsageError, match="others may write"):
        is_used()


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o600, False), (0o604, True)])
def test_a_secret_that_others_may_read_is_reported(
    folder: Path, caplog: pytest.LogCaptureFixture, mode: int, told: bool
) -> None:
    secret = folder / "key"
    secret.write_text("sk_1234")
    secret.chmod(mode)
    (folder / "drumbeat.toml").write_text(KEY.format(file=secret))
    settings = load_settings()
    warn_of_open_secrets(settings)
    assert (f"Other users of this machine may read the secret {secret}" in caplog.text) is told
    assert "sk_1234" not in caplog.text
    findings = {finding.said: finding.ok for finding in _secrets(settings)}
    assert (f"other users of this machine may read {secret}; try chmod 600 {secret}" in findings) is told
    assert all(findings.values())

"""What a list may be besides a quiet file: a pipe, a device, a file that grows, shrinks or loses its name."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from campaigns import bounded_files as source
from campaigns.errors import IntakeError
from campaigns.intake.model import IntakeOptions
from campaigns.intake.read import open_intake

ROWS = b"phone,name\n" + b"".join(b"+4479110%05d,Ada\n" % number for number in range(100))


def phones(path: Path, *, again: bool = False) -> int:
    return sum(len(chunk.phones) for chunk in open_intake(path, IntakeOptions(), again=again).chunks())


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    os.mkfifo(path)
    return path


@contextmanager
def written(pipe: Path, content: bytes) -> Iterator[None]:
    """Somebody writes this into the pipe, from another thread."""

    def write() -> None:
        with suppress(BrokenPipeError):
            pipe.write_bytes(content)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive()


def test_a_pipe_is_read_to_its_end(pipe: Path) -> None:
    with written(pipe, ROWS):
        assert phones(pipe) == 100


def test_a_shells_process_substitution_is_read_as_often_as_needed(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.write(writes, ROWS)
    os.close(writes)
    intake = open_intake(Path(f"/dev/fd/{reads}"), IntakeOptions())
    os.close(reads)
    for _ in range(2):
        assert sum(len(chunk.phones) for chunk in intake.chunks()) == 100
    assert not intake.changed()


def test_a_list_that_is_read_again_is_no_pipe(pipe: Path) -> None:
    with pytest.raises(IntakeError, match=r"people\.csv is a pipe, not a file") as caught:
        phones(pipe, again=True)
    assert (caught.value.code, caught.value.exit_code) == ("not_a_file", 5)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_device_is_no_list(device: str) -> None:
    with pytest.raises(IntakeError, match="is a device, not a file") as caught:
        phones(Path(device))
    assert caught.value.code == "not_a_file"


def test_a_pipe_that_gives_nothing_is_given_up(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PIPE_TIMEOUT", 0.1)
    with pytest.raises(IntakeError, match=r"sent no data for 0\.1 seconds") as caught:
        phones(pipe)
    assert caught.value.code == "no_answer"
    keeps_silent = os.open(pipe, os.O_RDWR)
    os.write(keeps_silent, ROWS)
    with pytest.raises(IntakeError, match="sent no data"):
        phones(pipe)
    os.close(keeps_silent)


def test_a_pipe_that_never_ends_is_given_up(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BLOCK", 64)
    monkeypatch.setattr(source, "MAX_PIPE_BYTES", 1_000)
    with written(pipe, ROWS), pytest.raises(IntakeError, match="sends more than") as caught:
        phones(pipe)
    assert caught.value.code == "too_large"


def test_room_for_a_pipe_is_missing(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, _block: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(source, "TemporaryFile", lambda **_: Full())
    with written(pipe, ROWS), pytest.raises(IntakeError, match="No space left on device") as caught:
        phones(pipe)
    assert "TMPDIR" in caught.value.hint


def test_a_file_that_grows_is_read_to_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(ROWS)
    intake = open_intake(path, IntakeOptions())
    with path.open("ab") as file:
        file.write(ROWS[11:])
    assert sum(len(chunk.phones) for chunk in intake.chunks()) == 100
    assert intake.changed()


def test_a_file_that_is_cut_short_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(ROWS)
    intake = open_intake(path, IntakeOptions())
    os.truncate(path, 50)
    list(intake.chunks())
    assert intake.changed()


@pytest.mark.parametrize("way", ["removed", "replaced"])
def test_a_file_that_loses_its_name_is_read_as_it_was(tmp_path: Path, way: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(ROWS)
    intake = open_intake(path, IntakeOptions())
    path.unlink()
    if way == "replaced":
        path.write_bytes(ROWS * 2)
    assert sum(len(chunk.phones) for chunk in intake.chunks()) == 100
    assert not intake.changed()


def test_a_disk_that_fails_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(ROWS)

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(source.os, "pread", fail)
    with pytest.raises(IntakeError, match=r"people\.csv cannot be read: Input/output error"):
        phones(path)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="cannot be opened"):
        phones(Path("people\0.csv"))

"""A long list is read by a process of its own: the same chunks, also where that process fails; none is left behind."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from campaigns.errors import IntakeError
from campaigns.intake import reading_process
from campaigns.intake.model import Chunk, IntakeOptions
from campaigns.intake.read import Intake, open_intake
from campaigns.intake.reading_process import LONG, chunks_of
from tests.support.workbooks import xlsx

OPTIONS = IntakeOptions(
    default_country="GB",
    columns={"Town": "city"},
    where={"kind": frozenset({"a", "b"})},
    required=frozenset({"first_name"}),
    consent="agreed",
    sendable=(datetime(2026, 11, 30, tzinfo=UTC), datetime(2027, 11, 30, tzinfo=UTC)),
)
HEADER = "phone,first_name,Town,kind,agreed\n"
FILLING = "x" * 1_500


def rows(size: int) -> Iterator[str]:
    """Rows of which some are rejected, left out, or written over several lines."""
    for number in range(size):
        name = ('"Ada\nLovelace"', "Zoë", "")[number % 3 if number % 50 == 0 else 1]
        phone = "12" if number % 40 == 7 else f"07911{number:06}"
        yield f"{phone},{name},{FILLING},{'abc'[number % 3]},{'yes' if number % 2 else '2026-01-31'}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(HEADER + "".join(rows(1_800)), encoding="utf-8")
    assert path.stat().st_size >= LONG
    return path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Popen[bytes]]]:
    """The processes that were started; all of them have ended at the end of the test."""
    found: list[Popen[bytes]] = []

    def start(*args: Any, **kwargs: Any) -> Popen[bytes]:
        found.append(Popen(*args, **kwargs))
        return found[-1]

    monkeypatch.setattr(reading_process, "Popen", start)
    yield found
    for process in found:
        assert process.wait(10) is not None


def placed(intake: Intake, chunks: Iterator[Chunk]) -> list[tuple[Chunk, list[str]]]:
    """The chunks, and the reasons of their rejects as a load words them, chunk after chunk."""
    return [(chunk, [reject.reason for reject in intake.placed(chunk.rejects)]) for chunk in chunks]


def alone(path: Path) -> list[tuple[Chunk, list[str]]]:
    intake = open_intake(path, OPTIONS)
    found = placed(intake, intake.chunks())
    assert len(found) > 1
    return found


def test_the_process_finds_what_the_list_held_when_it_was_opened(
    path: Path, started: list[Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, intake = alone(path), open_intake(path, OPTIONS)
    with path.open("a") as file:
        file.write("+447911999999,Late,x,a,yes\n")
    path.unlink()
    monkeypatch.setattr(Intake, "chunks", lambda *_: pytest.fail("read here"))
    assert placed(intake, chunks_of(intake)) == expected
    assert any("(Row " in reason for _, reasons in expected for reason in reasons)
    assert len(started) == 1
    again = placed(intake, chunks_of(intake))  # as after another load that finished first
    assert again == expected


def test_a_sheet_is_read_by_it_too(tmp_path: Path, started: list[Popen[bytes]]) -> None:
    path = tmp_path / "list.xlsx"
    path.write_bytes(
        xlsx({"People": [["phone", "name"]] + [[f"07911{n:06}", FILLING] for n in range(1_500)]})
    )
    opened = [open_intake(path, IntakeOptions(default_country="GB")) for _ in range(2)]
    assert placed(opened[0], chunks_of(opened[0])) == placed(opened[1], opened[1].chunks())
    assert len(started) == 1


@pytest.mark.parametrize("delivered", [0, 1])
def test_what_a_killed_process_does_not_deliver_is_read_here(
    path: Path, started: list[Popen[bytes]], delivered: int
) -> None:
    expected, intake = alone(path), open_intake(path, OPTIONS)
    chunks, found = chunks_of(intake), []
    for chunk in chunks:
        found += placed(intake, iter([chunk]))
        if len(found) == delivered:
            started[0].kill()
    assert found == expected


def test_an_error_far_down_is_the_same(tmp_path: Path, started: list[Popen[bytes]]) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"phone,name\n+447911123456,Ana\n" + b"x" * (17 << 20))
    chunks = chunks_of(open_intake(path, IntakeOptions(encoding="utf-8")))
    assert next(chunks).phones == ["+447911123456"]
    with pytest.raises(IntakeError, match="does not end within 16 MiB"):
        next(chunks)
    assert len(started) == 1


def test_the_process_ends_with_the_reading(path: Path, started: list[Popen[bytes]]) -> None:
    chunks = chunks_of(open_intake(path, OPTIONS))
    next(chunks)
    assert started[0].poll() is None
    assert isinstance(chunks, Generator)
    chunks.close()
    assert started[0].wait(10) == -signal.SIGKILL


def test_the_process_ends_once_nobody_reads(path: Path) -> None:
    """As after the end of the process that reads the list, however it ended."""
    process = reading_process._start(open_intake(path, OPTIONS))
    assert process.stdout is not None
    assert process.stdout.read(1)
    process.stdout.close()
    assert process.wait(10) > 0


def test_without_a_process_the_list_is_read_here(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(reading_process, "Popen", forbidden)
    intake = open_intake(path, OPTIONS)
    assert placed(intake, chunks_of(intake)) == alone(path)


def test_a_short_list_starts_none(tmp_path: Path, started: list[Popen[bytes]]) -> None:
    path = tmp_path / "list.csv"
    path.write_text("phone\n+447911123456\n")
    assert [chunk.phones for chunk in chunks_of(open_intake(path, IntakeOptions()))] == [["+447911123456"]]
    assert not started

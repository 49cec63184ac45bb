"""`drumbeat demo` from start to end: it needs nothing but itself, and its numbers add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.demo.samples import sample
from tests.support.demonstration import demonstration
from tests.support.project import drumbeat, invoke

pytestmark = pytest.mark.large  # its parts are in the tests of its commands


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demo that ran, and what it printed."""
    folder = demonstration(tmp_path_factory)
    return folder / "drumbeat-demo", (folder / "printed.txt").read_text("utf-8")


def test_it_shows_every_step_and_what_to_try_next(shown: tuple[Path, str]) -> None:
    _, out = shown
    for text in ("1. ", "2. ", "3. ", "4. ", "Delivery of", "Cost of", "Not reached by", "Look around"):
        assert text in out


def test_its_numbers_add_up_to_the_rows_of_the_file(shown: tuple[Path, str]) -> None:
    folder, _ = shown
    report = invoke(folder, "report", "delivery", "spring-sale", "--json").json
    assert report["rows"] == 1000 == report["rejected"] + report["jobs"]
    assert report["jobs"] == sum(report["states"].values())
    assert set(report["states"]) <= {"delivered", "read", "failed", "sent"}
    cost = invoke(folder, "report", "cost", "spring-sale", "--json").json
    assert cost["currency"] == "XOF"
    assert sum(line["messages"] for line in cost["by_country"]) <= report["jobs"]


def test_what_it_suggests_works(shown: tuple[Path, str]) -> None:
    folder, out = shown
    lines = [line.split() for line in out.splitlines() if line.startswith("  ") and " spring-sale" in line]
    assert len(lines) == 3
    for line in lines:
        assert invoke(folder, *line[1:]).code == 0


def test_its_folder_is_used_again_and_no_other(shown: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = shown
    assert (folder / "spring_sale.csv").read_bytes() == sample("spring_sale.csv").read_bytes()
    (tmp_path / "mine.txt").write_text("mine")
    refused = drumbeat(tmp_path, "demo", "--dir", ".")
    assert refused.code == 2
    assert "nothing was changed" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

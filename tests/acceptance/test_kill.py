"""Promises 1 and 2: never twice, never lost, whatever happens to the runner and to the provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.killing import judge, kill_again_and_again

PERSONAL, EQUAL = "Hi {{ first_name }}", "Hello all"


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("size", "faults", "seed"), [(500, False, 1), pytest.param(2000, True, 2, marks=pytest.mark.large)]
)
def test_a_run_survives_being_killed_again_and_again(
    tmp_path: Path, size: int, faults: bool, seed: int
) -> None:
    url = f"sqlite:///{tmp_path / 'drumbeat.db'}"
    verdict = kill_again_and_again(
        tmp_path, url, size=size, seed=seed, faults=faults, content=PERSONAL, kills=6
    )
    judge(verdict, size)
    assert verdict.kills >= 3
    assert verdict.unknown > 0  # otherwise no kill hit a message under way, and nothing was shown


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("content", [PERSONAL, EQUAL])
def test_soak(tmp_path: Path, database_url: str, content: str, seed: int) -> None:
    verdict = kill_again_and_again(
        tmp_path, database_url, size=2000, seed=seed, faults=seed % 2 == 1, content=content, kills=30
    )
    judge(verdict, 2000)

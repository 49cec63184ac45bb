"""Promises 1 to 3 across machines: nobody twice, nobody lost, no limit broken, whatever happens to clocks, workers,
their connections, the database and the provider. And the judge that says so: each planted fault is found."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.chaos import LIMITS, UNASKED, wreak
from tests.acceptance.judging import most_in_a_second, verdict
from tests.support.databases import Server, own_server

FOUND = {
    "calls_unfenced": {"twice"},
    "writes_unfenced": {"too fast", "twice"},
    "lock_dropped": {"too fast"},
    "intents_after_the_call": {"twice"},
}
"""What the judge has to say of each planted fault: one of these at least."""


@pytest.fixture
def server() -> Iterator[Server]:
    """One that may be restarted."""
    with own_server() as own:
        yield own


@pytest.mark.timeout(240)
@pytest.mark.alone
def test_chaos(tmp_path: Path, server: Server) -> None:
    tell_and_judge(tmp_path, server, work=3, seed=secrets.randbelow(10**6), seconds=12)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20))
def test_soak(tmp_path: Path, server: Server, seed: int) -> None:
    tell_and_judge(tmp_path, server, work=18, seed=seed, seconds=40)


def tell_and_judge(folder: Path, server: Server, *, work: float, seed: int, seconds: float) -> None:
    print(f"seed {seed}")
    story = wreak(folder, server, work=work, seed=seed, seconds=seconds)
    print(f"harms {dict(story.harms)}, interrupted {story.interrupted}, states {dict(story.states)}")
    assert verdict(story, LIMITS, UNASKED) == []
    assert story.interrupted > 0  # otherwise nothing was shown


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", FOUND)
def test_a_planted_fault_is_found(tmp_path: Path, server: Server, plant: str) -> None:
    story = wreak(tmp_path, server, work=18, seed=1, seconds=40, plant=plant)
    wrong = verdict(story, LIMITS, UNASKED)
    print(f"{plant}: {len(wrong)} wrongs, {wrong[:5]}")
    assert FOUND[plant] & {fault.partition(":")[0] for fault in wrong}


def test_the_judge_sees_a_burst() -> None:
    assert most_in_a_second([n / 30 for n in range(100)], 0.0) == 30
    assert most_in_a_second([*(n / 30 for n in range(100)), *(n / 30 + 1 for n in range(30))], 0.2) > 40

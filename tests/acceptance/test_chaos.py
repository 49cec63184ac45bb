"""Promises 1 to 3 across machines: nobody twice, nobody lost, no limit broken, whatever happens to clocks, workers,
their connections, the database and the provider. And the judge that says so: each planted fault is found."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.chaos import BESIDES, SLOWER, longest_end, wreak
from tests.acceptance.havoc import LIMITS, UNASKED
from tests.acceptance.judging import TOLERANCE, most_in_a_second, verdict
from tests.support.databases import Server, own_server

FOUND = {
    "fence_skipped": {"twice", "too fast"},
    "lock_dropped": {"too fast"},
    "intents_after_the_call": {"twice"},
    "lane_starved": {"endless"},
}
"""What the judge has to say of each planted fault: one of these at least."""
SEEDS = 5
"""Within how many."""


@pytest.fixture
def server() -> Iterator[Server]:
    """One that may be restarted."""
    with own_server() as own:
        yield own


@pytest.mark.timeout(240)
@pytest.mark.long
@pytest.mark.alone
@pytest.mark.large
def test_chaos(tmp_path: Path, server: Server) -> None:
    tell_and_judge(tmp_path, server, work=4, seed=secrets.randbelow(10**6), rounds=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20))
def test_soak(tmp_path: Path, server: Server, seed: int) -> None:
    tell_and_judge(tmp_path, server, work=12, seed=seed, rounds=2)


def tell_and_judge(folder: Path, server: Server, *, work: float, seed: int, rounds: int) -> None:
    print(f"seed {seed}")
    story = wreak(folder, server, work=work, seed=seed, rounds=rounds)
    print(f"harms {dict(story.harms)}, interrupted {story.interrupted}, states {dict(story.states)}")
    assert verdict(story, LIMITS, UNASKED) == []
    assert story.interrupted > 0, f"no harm of {story.harms.total()} hit a call under way: nothing was shown"


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", FOUND)
def test_a_planted_fault_is_found(tmp_path: Path, server: Server, plant: str) -> None:
    for seed in range(SEEDS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        story = wreak(folder, server, work=12, seed=seed, rounds=2, plant=plant)
        wrong = verdict(story, LIMITS, UNASKED)
        print(f"{plant}, seed {seed}: {len(wrong)} wrong, {wrong[:5]}")
        if FOUND[plant] & {fault.partition(":")[0] for fault in wrong}:
            return
    pytest.fail(f"{plant} was not found")


def test_a_lane_may_take_as_long_as_its_own_pace_and_the_waits_left_behind_ask() -> None:
    assert longest_end({}) == BESIDES
    assert longest_end({"lines/slow": (80, -5.0)}) == BESIDES + SLOWER * 80 / 8
    shares_its_account = {"gateway/shop": (80, 30.0), "lines/fast": (80, 0.0)}
    assert longest_end(shares_its_account) == BESIDES + SLOWER * 80 / 4 + 30


def test_the_judge_sees_a_burst() -> None:
    limit = LIMITS["lines/fast"]
    alone = [n / limit for n in range(100)]
    assert most_in_a_second(alone, 0.01) == limit
    assert most_in_a_second([*alone, *(moment + 1 / 40 for moment in alone[: 2 * limit])], TOLERANCE) > limit

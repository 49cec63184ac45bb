"""Promises 1 to 3 across machines: nobody twice, nobody lost, no limit broken, whatever happens to clocks, workers,
their connections, the database and the provider."""

from __future__ import annotations

import secrets
from collections import Counter
from pathlib import Path

import pytest

from campaigns.states import JobState
from tests.acceptance.chaos import ACCOUNT_RATE, LANE_RATE, Story, moments_by_lane, most_in_a_second, wreak
from tests.acceptance.killing import Verdict, judge
from tests.support.databases import fresh_database

TOLERANCE = 0.1
"""Seconds that a request may be longer on its way than another: seven processes share two cores."""


@pytest.mark.timeout(240)
@pytest.mark.alone
def test_chaos(tmp_path: Path, postgres: str) -> None:
    tell_and_judge(tmp_path, postgres, size=700, seed=secrets.randbelow(10**6), seconds=12)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20))
def test_soak(tmp_path: Path, postgres: str, seed: int) -> None:
    tell_and_judge(tmp_path, postgres, size=7000, seed=seed, seconds=60)


def tell_and_judge(folder: Path, server: str, *, size: int, seed: int, seconds: float) -> None:
    print(f"seed {seed}")
    with fresh_database(server) as url:
        story = wreak(folder, url, size=size, seed=seed, seconds=seconds)
    states = Counter(row.state for row in story.rows)
    print(f"harms {dict(story.harms)}, takeovers {story.takeovers}, states {dict(states)}")
    received = Counter(message["to"] for message in story.ledger)
    judge(Verdict(story.harms["kill worker"], states, received, story.rows, 0), size)
    assert JobState.IN_DOUBT not in states  # this provider can be asked about every message
    for lane, moments in moments_by_lane(story).items():
        assert most_in_a_second(moments, TOLERANCE) <= LANE_RATE, lane
    assert most_in_a_second([message["left_at"] for message in story.ledger], TOLERANCE) <= ACCOUNT_RATE
    assert story.takeovers > 0  # otherwise nothing was shown


def test_the_judge_sees_a_burst() -> None:
    story = Story(Counter(), [], [], 0)
    assert story.takeovers == 0
    assert most_in_a_second([n / 41 for n in range(100)], 0.0) > LANE_RATE

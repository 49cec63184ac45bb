"""What becomes of a job after each kind of result, and how long a retry waits."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.outcomes import (
    ALONE,
    AS_TEMPLATE,
    FIRST_RETRY,
    LONGEST_RETRY,
    PASSING_ATTEMPTS,
    Accepted,
    FailureKind,
    Refused,
    acknowledge,
    retry_delay,
)
from campaigns.states import TRANSITIONS, JobState
from tests.support.cases import each

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@each(
    ("kind", "state", "held_by"),
    [
        (FailureKind.NOT_SENT, JobState.PENDING, "retry"),
        (FailureKind.THROTTLED, JobState.PENDING, "retry"),
        (FailureKind.UNKNOWN, JobState.IN_DOUBT, None),
        (FailureKind.RECIPIENT, JobState.FAILED, None),
        (FailureKind.MESSAGE, JobState.FAILED, None),
        (FailureKind.OPTED_OUT, JobState.FAILED, None),
        (FailureKind.USE_TEMPLATE, JobState.PENDING, AS_TEMPLATE),
        (FailureKind.PAIR, JobState.PENDING, "pair_limit"),
        (FailureKind.LATER, JobState.PENDING, "spared_by_provider"),
        (FailureKind.PASSING, JobState.PENDING, "retry"),
        (FailureKind.SPLIT, JobState.PENDING, ALONE),
        (FailureKind.LANE, JobState.PENDING, "lane_paused"),
        (FailureKind.CAMPAIGN, JobState.PENDING, "campaign_paused"),
    ],
)
def test_each_kind_of_failure(kind: FailureKind, state: JobState, held_by: str | None) -> None:
    ack = acknowledge(Refused(kind, "E1", "no"), 1, NOW, random.Random(1))
    assert (ack.state, ack.held_by, ack.code) == (state, held_by, "E1")
    assert (ack.due_at is None) == (state is not JobState.PENDING)


def test_every_kind_has_a_row_above() -> None:
    assert len(FailureKind) == 13


@pytest.mark.parametrize("attempt", [1, PASSING_ATTEMPTS, 50])
@pytest.mark.parametrize("kind", [FailureKind.MESSAGE, FailureKind.PASSING])
def test_nobody_is_failed_for_a_message_whose_like_was_never_taken(kind: FailureKind, attempt: int) -> None:
    refused = Refused(kind, "132012")
    ack = acknowledge(refused, attempt, NOW, random.Random(1), passing=attempt - 1, proven=False)
    assert ack.state is JobState.PENDING
    assert ack.due_at is not None
    assert ack.due_at > NOW


def test_what_may_pass_is_tried_three_times_and_later_each_time() -> None:
    refused = Refused(FailureKind.PASSING, "131053")
    acks = [acknowledge(refused, 1 + n, NOW, random.Random(1), passing=n) for n in (0, 1, 2)]
    assert [(ack.state, ack.reason) for ack in acks] == [
        (JobState.PENDING, None),
        (JobState.PENDING, None),
        (JobState.FAILED, "refused"),
    ]
    first, second, last = (ack.due_at for ack in acks)
    assert first is not None
    assert second is not None
    assert last is None
    assert NOW < first < second


@given(st.sampled_from(sorted(FailureKind)), st.integers(1, 10_000))
def test_every_ack_is_a_move_that_the_table_allows(kind: FailureKind, attempt: int) -> None:
    ack = acknowledge(Refused(kind, "E1"), attempt, NOW, random.Random(attempt))
    assert ack.state in TRANSITIONS[JobState.SENDING]


@pytest.mark.parametrize("state", [JobState.ACCEPTED, JobState.HELD, JobState.SENT])
def test_an_accepted_message_takes_the_providers_state(state: JobState) -> None:
    assert acknowledge(Accepted("m1", state), 1, NOW, random.Random(1)).state is state


@given(st.integers(1, 10_000), st.none() | st.floats(0, 1e6), st.integers())
def test_a_retry_is_never_sooner_than_asked_and_never_later_than_the_longest(
    attempt: int, asked: float | None, seed: int
) -> None:
    delay = retry_delay(attempt, asked, random.Random(seed))
    assert delay >= timedelta(seconds=asked or 0)
    assert FIRST_RETRY * 0.75 <= delay <= max(LONGEST_RETRY * 1.25, timedelta(seconds=asked or 0))

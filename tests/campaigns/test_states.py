"""Any order, repetition or omission of a provider's words ends in the same state, and no state ever goes down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.states import (
    AWAITING_RECEIPT,
    FINAL,
    LEFT,
    RANK,
    TRANSITIONS,
    JobState,
    advance,
    sources,
)
from tests.support.states import settle

reports = st.lists(st.sampled_from(sorted(RANK)), max_size=12)


@given(reports, st.randoms())
def test_every_order_and_repetition_ends_in_the_same_state(seen: list[JobState], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = [*seen, *seen]
    random.shuffle(shuffled)
    assert settle(JobState.ACCEPTED, seen) == settle(JobState.ACCEPTED, shuffled)


@given(reports)
def test_the_strongest_status_is_the_state(seen: list[JobState]) -> None:
    assert settle(JobState.ACCEPTED, seen) == max([JobState.ACCEPTED, *seen], key=RANK.__getitem__)


@given(reports)
def test_skipped_statuses_do_not_matter(seen: list[JobState]) -> None:
    strongest = max([JobState.ACCEPTED, *seen], key=RANK.__getitem__)
    assert settle(JobState.ACCEPTED, seen) == settle(JobState.ACCEPTED, [strongest])


@given(reports, st.sampled_from(sorted(RANK)))
def test_no_status_lowers_a_state(seen: list[JobState], last: JobState) -> None:
    state = settle(JobState.ACCEPTED, seen)
    assert RANK[advance(state, last)] >= RANK[state]


@pytest.mark.parametrize("state", [JobState.DELIVERED, JobState.READ])
def test_a_failure_after_arrival_is_not_believed(state: JobState) -> None:
    assert advance(state, JobState.FAILED) is state


def test_a_failure_after_sent_is() -> None:
    assert advance(JobState.SENT, JobState.FAILED) is JobState.FAILED


@pytest.mark.parametrize("state", [JobState.SKIPPED, JobState.EXPIRED, JobState.CANCELLED])
@given(seen=reports)
def test_what_was_never_sent_stays_so(state: JobState, seen: list[JobState]) -> None:
    assert settle(state, seen) is state


def test_the_table_is_whole() -> None:
    assert set(TRANSITIONS) == set(JobState)
    assert FINAL & (AWAITING_RECEIPT | {JobState.PENDING, JobState.SENDING, JobState.IN_DOUBT}) == frozenset()
    assert FINAL | AWAITING_RECEIPT | {JobState.PENDING, JobState.SENDING, JobState.IN_DOUBT} == set(JobState)


def test_only_a_pending_job_is_ever_sent_and_only_a_sure_one_comes_back() -> None:
    assert sources(JobState.SENDING) == {JobState.PENDING}
    assert sources(JobState.PENDING) == {JobState.SENDING, JobState.IN_DOUBT, JobState.FAILED}
    for state in LEFT - {JobState.SENDING, JobState.IN_DOUBT}:
        assert JobState.PENDING not in TRANSITIONS[state]

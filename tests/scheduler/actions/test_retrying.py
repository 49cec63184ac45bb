"""The table of which failures are tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.views.messages import ENDED
from campaigns.outcomes import FailureKind
from campaigns.states import JobState
from providers.meta.codes import CODES
from scheduler.actions.retrying import BY_KIND, FAILURES, Again, retry_verdict
from storage.runs.retries import EndedGroup
from tests.support.cases import each

S = JobState

# state, reason, code, how it is tried again
CASES = [
    (S.FAILED, "retries_exhausted", None, Again.NOW),
    (S.FAILED, "provider_failed", "131000", Again.NOW),
    (S.FAILED, "provider_failed", "131016", Again.NOW),
    (S.FAILED, "provider_failed", "131056", Again.NOW),
    (S.FAILED, "provider_failed", "131042", Again.NOW),
    (S.FAILED, "provider_failed", "131053", Again.NOW),
    (S.FAILED, "provider_failed", "Message expired", Again.NOW),
    (S.FAILED, "provider_failed", "131049", Again.LATER),
    (S.FAILED, "provider_failed", "131047", Again.AS_TEMPLATE),
    (S.FAILED, "provider_failed", "131026", None),
    (S.FAILED, "provider_failed", "131050", None),
    (S.FAILED, "provider_failed", "Number is not on WhatsApp", None),
    (S.FAILED, "provider_failed", "424242", None),
    (S.FAILED, "provider_failed", None, None),
    (S.FAILED, "refused", "131026", None),
    (S.FAILED, "refused", "1013", None),
    *(
        (S.FAILED, "provider_failed", code, Again.NOW)
        for code in ("131008", "131009", "132005", "132012", "132018")
    ),
    (S.FAILED, "message_refused", "422", Again.NOW),
    (S.FAILED, "message_refused", "INVALID_ARGUMENT", Again.NOW),
    (S.FAILED, "opted_out", "131050", None),
    (S.FAILED, "not_rendered", None, None),
    (S.FAILED, "a reason of tomorrow", None, None),
    (S.SKIPPED, "opted_out", None, None),
    (S.SKIPPED, "frequency_cap", None, None),
    (S.EXPIRED, "expired", None, None),
    (S.CANCELLED, "given_up", None, None),
    (S.CANCELLED, "run_cancelled", None, None),
    (S.IN_DOUBT, "no_trusted_answer", "500", None),
    (S.IN_DOUBT, "interrupted", None, None),
]


@each(("state", "reason", "code", "again"), CASES)
def test_what_is_tried_again(state: S, reason: str, code: str | None, again: Again | None) -> None:
    verdict = retry_verdict(EndedGroup(state, reason, code, 1), has_template=True)
    assert verdict.again is again
    assert verdict.why.endswith(".")


def test_who_has_no_whatsapp_has_a_cure() -> None:
    group = EndedGroup(S.FAILED, "provider_failed", "Number is not on WhatsApp", 1)
    assert "correct it in the list" in retry_verdict(group, has_template=True).why


def test_a_closed_window_is_not_tried_again_without_a_template() -> None:
    group = EndedGroup(S.FAILED, "provider_failed", "131047", 1)
    assert retry_verdict(group, has_template=False).again is None


def test_some_go_only_by_name() -> None:
    expired, given_up = (
        EndedGroup(S.EXPIRED, "expired", None, 1),
        EndedGroup(S.CANCELLED, "given_up", None, 1),
    )
    assert retry_verdict(expired, has_template=False, expired=True).again is Again.NOW
    assert retry_verdict(expired, has_template=False, given_up=True).again is None
    assert retry_verdict(given_up, has_template=False, given_up=True).again is Again.NOW
    assert retry_verdict(given_up, has_template=False, expired=True).again is None


@given(
    st.sampled_from(list(JobState)),
    st.sampled_from(sorted(ENDED)),
    st.sampled_from(["131026", "131000", None]),
)
def test_what_may_have_arrived_goes_under_no_name(state: S, reason: str, code: str | None) -> None:
    verdict = retry_verdict(
        EndedGroup(state, reason, code, 1), has_template=True, expired=True, given_up=reason != "given_up"
    )
    assert verdict.again is None or state in (S.FAILED, S.EXPIRED)


def test_the_table_is_closed() -> None:
    assert BY_KIND.keys() == set(FailureKind)
    assert FAILURES.keys() <= ENDED.keys()
    for code in CODES:
        retry_verdict(EndedGroup(S.FAILED, "provider_failed", str(code), 1), has_template=True)

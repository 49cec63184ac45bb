"""Meta's codes mean the same wherever they arrive: in the answer, in a later report, through whichever provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.outcomes import FailureKind
from campaigns.states import JobState
from providers.registry import open_adapter
from scheduler.actions.retrying import Again, retry_verdict
from storage.runs.retries import EndedGroup
from tests.providers.cases.meta_answers import CAMPAIGNS_FAULT, DOCUMENTED
from tests.support.accounts import account_at

KINDS = {code: kind for kind, codes in DOCUMENTED.items() for code in codes}


@pytest.mark.parametrize("provider", ["meta", "kapso", "bird"])
def test_a_code_in_a_later_report_means_what_it_means_in_an_answer(provider: str, tmp_path: Path) -> None:
    adapter = open_adapter(account_at(provider, tmp_path / "key"))
    assert {code: adapter.failure_kind(str(code)) for code in KINDS} == KINDS


@pytest.mark.parametrize("code", CAMPAIGNS_FAULT)
def test_what_is_the_campaigns_fault_is_charged_to_nobody(code: int) -> None:
    """The run pauses, at once or after the first few, and who met it waits; one who was refused later, or beside others
    who were taken, can be retried."""
    assert KINDS[code] in (FailureKind.MESSAGE, FailureKind.CAMPAIGN)
    for reason in ("refused", "provider_failed", "message_refused"):
        group = EndedGroup(JobState.FAILED, reason, str(code), 1)
        assert retry_verdict(group, has_template=True).again is Again.NOW

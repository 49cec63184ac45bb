"""What to do about messages that did not arrive, and about rows that were rejected."""

from __future__ import annotations

from campaigns.reject_codes import RejectCode
from campaigns.states import JobState
from scheduler.actions.retrying import retry_verdict
from storage.runs.retries import EndedGroup
from storage.views.reports import Failure

REJECTED = "Correct these rows in the rejects file, and load that file into the campaign."
_REJECTED: dict[str, str] = {
    RejectCode.DUPLICATE: "Nothing: the person is in the list once.",
    RejectCode.PHONE_LANDLINE: "If these are mobile numbers after all, load the list with --landlines accept.",
    RejectCode.PHONE_NO_COUNTRY: "Load the list with --default-country, such as --default-country GB.",
}
_SKIPPED = {
    "opted_out": "Nothing: the person wants no messages of this kind.",
    "no_consent": "Get the person's consent, and add its date to the list as consent_at.",
    "holdout": "Nothing: this group gets no message on purpose.",
    "frequency_cap": "Send it later, or use on_cap = wait in the campaign file.",
    "window_closed": "Give the campaign a template: it can be sent at any time.",
}


def advice_on(name: str, failure: Failure, *, has_template: bool) -> str:
    """One or two sentences; with the command, where there is one."""
    group = EndedGroup(failure.state, failure.reason, failure.code, failure.count)
    verdict = retry_verdict(group, has_template=has_template)
    if failure.state is JobState.IN_DOUBT:
        return f"Decide whether it is sent again: drumbeat campaign resolve {name} --in-doubt resend|give-up"
    if failure.state is JobState.SKIPPED:
        return _SKIPPED.get(failure.reason or "", verdict.why)
    if verdict.again is not None:
        return f"{verdict.why} Send it again: drumbeat campaign retry-failed {name}"
    return verdict.why


def advice_on_rejects(code: str) -> str:
    return _REJECTED.get(code, REJECTED)

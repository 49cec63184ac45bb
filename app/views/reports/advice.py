"""What to do about messages that did not arrive, and about rows that were rejected."""

from __future__ import annotations

from typing import Literal

from campaigns.frozen import frozen
from campaigns.reject_codes import RejectCode
from campaigns.states import NO_RUN, JobState
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


@frozen
class Advice:
    text: str
    act: Literal["retry", "resolve"] | None = None
    """What can be done to the campaign about it."""

    def command(self, name: str) -> str | None:
        match self.act:
            case "retry":
                return f"drumbeat campaign retry-failed {name}"
            case "resolve":
                return f"drumbeat campaign resolve {name} --in-doubt resend|give-up"
            case _:
                return None


def advice_on(failure: Failure, *, has_template: bool) -> Advice:
    """One or two sentences, and the act that follows."""
    group = EndedGroup(failure.state, failure.reason, failure.code, failure.count)
    verdict = retry_verdict(group, has_template=has_template)
    if failure.state is JobState.IN_DOUBT:
        return Advice("Decide whether it is sent again.", "resolve")
    if failure.state is JobState.SKIPPED:
        return Advice(_SKIPPED.get(failure.reason or "", verdict.why))
    if failure.reason == NO_RUN:
        return Advice("No run was left for it: to send it after all, clone the campaign and start the copy.")
    if verdict.again is not None:
        return Advice(f"{verdict.why} It can be sent again.", "retry")
    return Advice(verdict.why)


def advice_on_rejects(code: str) -> Advice:
    return Advice(_REJECTED.get(code, REJECTED))

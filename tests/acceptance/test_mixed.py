"""Seven campaigns at once, one through each provider's API, with every fault on: at the end the emulator's ledger, the
states of the jobs and the reports say the same."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from campaigns.states import LEFT, JobState
from tests.support.emulator import running_emulator
from tests.support.mixed import (
    ACCOUNTS,
    ENVIRONMENT,
    FAULTS,
    LEGACY,
    PEOPLE,
    REJECTED,
    WRITERS,
    Account,
    Job,
    Mixed,
)

TIMES: Final = {"sent_after": 0.1, "delivered_after": 0.3, "read_after": 0.6}
REFUSED = ("refused", "message_refused")
ENDS: Final = {
    "read": {"read"},
    "instant": {"read"},
    "delivered": {"delivered"},
    "unread": {"delivered"},
    "undelivered": {"sent"},
    "late_receipt": {"sent", "delivered", "read"},  # half a minute later: perhaps not yet
    "stuck": {"accepted", "sent"},  # the Messaging API has no word for what is not sent yet
    "not_on_whatsapp": {"failed"},
    "expired": {"failed"},
}
"""What a job may have come to, by what became of its message."""
UNTOLD: Final = {"stuck"}
"""No webhook is sent about it, so nothing can bring its name back."""


@pytest.mark.long
@pytest.mark.large  # a campaign of each provider alone is in test_providers, kills are in test_kill
@pytest.mark.timeout(180)
def test_ledger_states_and_reports_agree_for_every_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with running_emulator(**TIMES) as first, running_emulator(**TIMES) as second:
        mixed = Mixed(tmp_path, {**dict.fromkeys(ACCOUNTS, first), LEGACY: second})
        mixed.write()
        mixed.load()
        with mixed.serving() as server:
            mixed.subscribe(server)
            mixed.start_all_faults()
            mixed.run()
            assert mixed.stop_all_faults() == {fault["kind"] for fault in FAULTS}
            wait_for_the_last_receipts(mixed)
        assert problems(mixed) == []


def wait_for_the_last_receipts(mixed: Mixed) -> None:
    """Some are told or asked for after the run has ended: a second or two, or longer on a busy machine."""
    deadline = time.monotonic() + 20
    while problems(mixed) and time.monotonic() < deadline:
        mixed.command("reconcile")
        time.sleep(0.3)


def problems(mixed: Mixed) -> list[str]:
    return [f"{each.name}: {problem}" for each in mixed.emulators for problem in _disagreements(mixed, each)]


def _disagreements(mixed: Mixed, account: Account) -> Iterator[str]:
    jobs, ledger = mixed.jobs(account), mixed.ledger(account)
    received = Counter(entry["to"] for entry in ledger)
    yield from (f"{number} received {count}" for number, count in received.items() if count > 1)
    if Counter(job.phone for job in jobs) != Counter(PEOPLE):
        yield "the jobs are not those of the list"
    by_number = {entry["to"]: entry for entry in ledger}
    for job in jobs:
        problem = _wrong_state(account, job, by_number.get(job.phone[1:]))
        if problem:
            yield f"{job.phone} is {job.state} ({job.reason}), but {problem}"
    yield from _wrong_report(mixed.report(account), Counter(job.state for job in jobs))
    if not mixed.unknown(account):
        yield "nothing was ever in doubt, so nothing was shown"
    forms = {job.form for job in jobs if job.phone in WRITERS[:45]}
    if account.hears and forms != {"text"}:
        yield f"those with an open window got {forms}"


def _wrong_state(account: Account, job: Job, entry: dict[str, Any] | None) -> str | None:
    """Why the job's state is not what the ledger says, or None."""
    state = JobState(job.state)
    if state is JobState.IN_DOUBT:
        return _wrong_doubt(account, entry)
    if entry is None:
        return None if state is JobState.FAILED and job.reason in REFUSED else "nothing was received"
    if state not in LEFT and state is not JobState.FAILED:
        return "a message was received"
    if entry["id"] != job.provider_message_id:
        return f"it is known as {job.provider_message_id} and was received as {entry['id']}"
    return None if state.value in ENDS[entry["outcome"]] else f"its message was {entry['outcome']}"


def _wrong_doubt(account: Account, entry: dict[str, Any] | None) -> str | None:
    if account.settles:
        return "the provider can be asked"
    if account.certain and entry is not None and entry["outcome"] not in UNTOLD:
        return "it was received, and the provider told so"
    return None


def _wrong_report(report: dict[str, Any], states: Counter[str]) -> Iterator[str]:
    if (report["rows"], report["rejected"], report["jobs"]) != (
        len(PEOPLE) + REJECTED,
        REJECTED,
        len(PEOPLE),
    ):
        yield f"the report has {report['rows']} rows, {report['rejected']} rejected, {report['jobs']} jobs"
    if Counter(report["states"]) != states:
        yield f"the report says {report['states']} of {dict(states)}"

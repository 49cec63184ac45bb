"""What a message ends as after several reports."""

from __future__ import annotations

from collections.abc import Iterable

from campaigns.states import JobState, advance


def settle(current: JobState, reports: Iterable[JobState]) -> JobState:
    """The state after a series of reports."""
    for report in reports:
        current = advance(current, report)
    return current

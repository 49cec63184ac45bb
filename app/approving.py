"""What the settings ask before a launch."""

from __future__ import annotations

from app.estimating import worst_case_of
from app.settings import Settings
from scheduler.approval import Guard


def guard_of(settings: Settings) -> Guard:
    """`[approval]` of drumbeat.toml."""
    return Guard(settings.approval, worst_case_of(settings) if settings.approval.amount else None)

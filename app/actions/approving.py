"""What the settings ask before a launch."""

from __future__ import annotations

from app.actions.estimating import worst_case_of
from app.wiring.settings import Settings
from scheduler.actions.approval import Guard


def guard_of(settings: Settings) -> Guard:
    """`[approval]` of drumbeat.toml."""
    return Guard(settings.approval, worst_case_of(settings) if settings.approval.amount else None)

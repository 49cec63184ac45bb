"""How many examples hypothesis tries, as a share of what the profile asks for (`tests/conftest.py`)."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def share(part: float, **more: Any) -> settings:
    """More than the profile's for what costs next to nothing, fewer for what costs much."""
    return settings(max_examples=max(1, round(settings.default.max_examples * part)), **more)

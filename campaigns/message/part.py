"""The base of every table of the campaign file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A table of the campaign file: unknown keys are errors, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

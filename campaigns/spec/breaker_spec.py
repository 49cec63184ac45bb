"""[breaker] of the campaign file."""

from __future__ import annotations

from pydantic import Field, StrictInt

from campaigns.message.part import Part


class BreakerSpec(Part):
    """Pauses a run when too many of its messages in a row fail."""

    percent: float = Field(default=25, gt=0, le=100, description="more failures than this pause the run")
    of_last: StrictInt = Field(default=100, ge=10, le=10_000, description="of how many messages in a row")

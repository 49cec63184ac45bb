"""The finished calls of a shift that are not stored yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.sending.intents import Intent
from storage.sending.lanes import Pause
from storage.sending.outcomes import Outcome


@dataclass(slots=True)
class FinishedCalls:
    """The outcomes since the last slice, and what they mean for the lane and its campaigns."""

    outcomes: list[Outcome] = field(default_factory=list)
    withdrawn: list[Intent] = field(default_factory=list)
    """Intents whose calls were never made: the lane stopped before their turn."""
    lane_pause: Pause | None = None
    refusals: int | None = None
    """How often in a row the sender was refused, where that has changed."""
    run_pauses: dict[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.withdrawn or self.lane_pause or self.run_pauses)

    @property
    def intents(self) -> list[Intent]:
        """The intents that are settled by now."""
        return [*(outcome.intent for outcome in self.outcomes), *self.withdrawn]

    def pause_lane(self, pause: Pause) -> None:
        if pause.outlasts(self.lane_pause):
            self.lane_pause = pause

    def joined(self, later: FinishedCalls) -> FinishedCalls:
        """This and what finished later, together."""
        whole = FinishedCalls(
            self.outcomes + later.outcomes,
            self.withdrawn + later.withdrawn,
            self.lane_pause,
            self.refusals if later.refusals is None else later.refusals,
            {**later.run_pauses, **self.run_pauses},
        )
        if later.lane_pause is not None:
            whole.pause_lane(later.lane_pause)
        return whole

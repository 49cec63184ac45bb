"""Choose the winning variant when the test ends, or when a person chooses it; and the state of the test."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from campaigns.errors import InvalidInput, NotFound
from campaigns.frozen import frozen
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.clock import NEVER, Now, utc_now
from campaigns.variants import Tally, pick_winner
from storage.audience.campaigns import require
from storage.database.engine import Connection, Engine, reading, writing
from storage.database.health import is_outage
from storage.runs.retries import Occurrence, newest_occurrence
from storage.runs.variants import (
    Experiment,
    Undecided,
    count_waiting,
    experiment_of,
    store_winner,
    tallies,
    undecided,
)

logger = logging.getLogger(__name__)

BY_HAND: Final = "chosen by a person"


async def end_variant_tests(engine: Engine, *, now: Now = utc_now) -> datetime:
    """End every test whose time is over; when the first one ends, or should have ended. If two processes do so at once,
    the first one's winner is kept."""
    moment, first_end = now(), NEVER
    async with reading(engine) as connection:
        tests = await undecided(connection)
    for test in tests:
        try:
            spec = CampaignSpec.from_json(test.spec)
            lasts = spec.test_lasts
            ends_at = NEVER if lasts is None else test.launched_at + lasts
            first_end = min(first_end, ends_at)
            if ends_at <= moment:
                await _end(engine, test, spec, moment)
        except Exception as error:
            if is_outage(error):
                raise
            ids = {"action": "winner_choice_failed", "run": test.run_id}
            logger.exception("The winner of run %d cannot be named.", test.run_id, extra=ids)
            first_end = min(first_end, moment)
    return first_end


async def any_test_just_over(connection: Connection, now: datetime, lately: timedelta) -> bool:
    """Whether a test ended at most so long ago and has no winner yet: the next sweep chooses it."""
    for test in await undecided(connection):
        lasts = CampaignSpec.from_json(test.spec).test_lasts
        if lasts is not None and now - lately <= test.launched_at + lasts <= now:
            return True
    return False


async def _end(engine: Engine, test: Undecided, spec: CampaignSpec, now: datetime) -> None:
    asked = spec.winner
    assert asked is not None  # noqa: S101
    async with reading(engine) as connection:
        found = await tallies(connection, test.run_id)
    every = {variant.name: found.tested.get(variant.name, Tally()) for variant in spec.variants}
    verdict = pick_winner(every, asked.measure, minimum=asked.minimum, tie=asked.tie)
    async with writing(engine) as connection:
        stored = await store_winner(
            connection, test.campaign_id, test.run_id, verdict.winner, verdict.reason, now
        )
    if stored:
        extra = {"action": "winner_chosen", "winner": verdict.winner}
        logger.info("%s: %s", spec.name, verdict.reason, extra=extra)


async def choose_winner(engine: Engine, name: str, variant: str, *, now: Now = utc_now) -> None:
    """Store a person's choice of the winner of the newest run's test, before its end or after.

    Raises NotFound without such a campaign or variant, InvalidInput where there is nothing to choose any more.
    """
    async with writing(engine) as connection:
        campaign = await require(connection, name)
        occurrence, spec = await _tested(connection, campaign.id, name)
        _refuse_needless(spec, variant)
        stored = await store_winner(
            connection, campaign.id, occurrence.run_id, variant, BY_HAND, now(), by_hand=True
        )
        if not stored:
            known = await experiment_of(connection, occurrence.run_id)
            raise InvalidInput(
                f"The winner of {name} is {known.winner} already: {known.reason}.",
                hint=f"drumbeat report variants {name}",
            )


def _refuse_needless(spec: CampaignSpec, variant: str) -> None:
    names = [known.name for known in spec.variants]
    if variant not in names:
        raise NotFound(f"{spec.name} has no variant {variant!r}.", hint=f"Its variants: {', '.join(names)}.")
    if not spec.split or not spec.split.has_rest:
        raise InvalidInput(
            f"Everybody is in the test of {spec.name}: nobody waits for a winner.",
            hint=f"drumbeat report variants {spec.name}",
        )


@frozen
class ExperimentStatus:
    """The variant test of a campaign's newest run."""

    spec: CampaignSpec
    experiment: Experiment
    tested: dict[str, Tally]
    """Of every variant, in the campaign file's order: the messages of the test."""
    rest: Tally
    """Messages with the winner to people outside the test."""
    waiting: int
    """Messages that wait for the winner."""

    @property
    def ends_at(self) -> datetime | None:
        """When the winner is named; None: none is named, or a person names it."""
        lasts = self.spec.test_lasts
        return self.experiment.launched_at + lasts if lasts is not None else None


async def experiment_status(connection: Connection, name: str) -> ExperimentStatus:
    """The variant test of the campaign's newest run. Raises NotFound, InvalidInput if there is none."""
    campaign = await require(connection, name)
    occurrence, spec = await _tested(connection, campaign.id, name)
    experiment = await experiment_of(connection, occurrence.run_id)
    found = await tallies(connection, occurrence.run_id)
    return ExperimentStatus(
        spec,
        experiment,
        {variant.name: found.tested.get(variant.name, Tally()) for variant in spec.variants},
        found.rest,
        await count_waiting(connection, occurrence.run_id),
    )


async def _tested(connection: Connection, campaign_id: int, name: str) -> tuple[Occurrence, CampaignSpec]:
    occurrence = await newest_occurrence(connection, campaign_id)
    if occurrence is None:
        raise InvalidInput(
            f"{name} has not been sent yet; there is nothing to compare.",
            hint=f"drumbeat campaign show {name}",
        )
    spec = CampaignSpec.from_json(occurrence.spec)
    if spec.split is None:
        raise InvalidInput(f"{name} has no variants.", hint="Add [[variants]] to a campaign file.")
    return occurrence, spec

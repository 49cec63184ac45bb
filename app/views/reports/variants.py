"""The variants report, and the statistical test behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from app.views.reports.parts import Report, Row, Table
from campaigns.errors import InvalidInput
from campaigns.figures import Share, share_of
from campaigns.frozen import frozen
from campaigns.proportions import p_value
from campaigns.variants import Measure, Tally
from scheduler.clock import variants
from scheduler.clock.variants import ExperimentStatus
from storage.database.engine import Connection
from storage.retention.purged_totals import runs_purged_since

if TYPE_CHECKING:
    from app.views.answers.variants import VariantCounts, VariantTest

SURE: Final = 0.05
"""A p-value below it is commonly read as more than chance."""
OF_THE_REST: Final = "winner, to the rest"
FORMULAS: Final = {
    "sent": "messages of the variant that the provider accepted",
    "delivered_rate": "delivered / sent, those that were read among them",
    "read_rate": "read / sent",
    "replied_rate": "replied / sent; a stop word is no reply",
    "p_value": "two-sided two-proportion z-test: how often chance alone makes such a difference",
}


@frozen
class Comparison:
    """One measure of the best variant against that of another."""

    measure: Measure
    better: str
    other: str
    counts: tuple[int, int]
    of: tuple[int, int]
    p_value: float | None
    """None: there are too few messages."""

    @property
    def rates(self) -> tuple[float | None, float | None]:
        return share_of(self.counts[0], self.of[0]), share_of(self.counts[1], self.of[1])

    @property
    def meaning(self) -> str:
        if self.rates[0] == self.rates[1]:
            return "no difference"
        if self.p_value is None:
            return "too few messages for a conclusion"
        odds = "fewer than 1" if self.p_value < 0.005 else f"about {round(self.p_value * 100)}"
        by_chance = f"chance alone makes such a difference {odds} in 100 times"
        return f"{'most likely a real difference' if self.p_value < SURE else 'not proven'}: {by_chance}"


async def experiment_status(connection: Connection, name: str) -> ExperimentStatus:
    """The variant test of the newest run. Raises NotFound, InvalidInput if there is none."""
    return await variants.experiment_status(connection, name)


async def variants_report(connection: Connection, name: str) -> Report:
    """The results of each variant of the newest run, and whether the differences may be chance."""
    found = await experiment_status(connection, name)
    purged_at = await runs_purged_since(connection, [found.experiment.run_id])
    if purged_at is not None:
        raise InvalidInput(
            f"The messages of {name} were purged on {purged_at:%Y-%m-%d}; so its variants can no longer be compared.",
            hint=f"drumbeat report delivery {name}",
        )
    compared = list(_comparisons(found.tested))
    lines = [(variant, tally) for variant, tally in found.tested.items()]
    lines += [(OF_THE_REST, found.rest)] if found.rest.sent else []
    return Report(
        {
            **experiment_json(name, found),
            "comparisons": [
                {**asdict(each), "rates": each.rates, "meaning": each.meaning} for each in compared
            ],
            "formulas": FORMULAS,
        },
        [_table(f"Variants of {name}", lines), _comparison_table(compared)],
        Table(None, _HEADINGS, [_row(*line) for line in lines]),
        list(_remarks(found)),
        FORMULAS,
    )


def experiment_json(name: str, found: ExperimentStatus) -> VariantTest:
    """The test and its numbers as `--json` prints them."""
    asked = found.spec.winner
    return {
        "campaign": name,
        "by": asked.by if asked else None,
        "test_percent": asked.test_percent if asked else 100,
        "ends_at": found.ends_at,
        "winner": found.experiment.winner,
        "reason": found.experiment.reason,
        "waiting": found.waiting,
        "variants": [{"variant": variant, **_numbers(tally)} for variant, tally in found.tested.items()],
        "rest": _numbers(found.rest),
    }


def experiment_facts(found: ExperimentStatus) -> Iterator[tuple[str, Any]]:
    """The same as names and values, for people."""
    asked = found.spec.winner
    yield "decided", _how(found)
    if asked:
        yield "in the test", f"{asked.test_percent:g} % of the recipients"
    yield "winner", found.experiment.winner or "none yet"
    if found.experiment.reason:
        yield "because", found.experiment.reason
    yield "waiting for it", found.waiting


def _how(found: ExperimentStatus) -> str:
    asked, split = found.spec.winner, found.spec.split
    if asked is None or split is None or not split.has_rest:
        return "never: everybody is in the test"
    return f"by {asked.by}, at {_shown(found.ends_at)}" if found.ends_at else "manually"


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def experiment_table(found: ExperimentStatus) -> Table:
    """The variants' numbers."""
    return _table(None, list(found.tested.items()))


def _numbers(tally: Tally) -> VariantCounts:
    rates = {f"{measure}_rate": share_of(tally.count(measure), tally.sent) for measure in Measure}
    return cast("VariantCounts", {**asdict(tally), **rates})


_HEADINGS: Final = (
    "variant",
    "sent",
    *(name for measure in Measure for name in (measure.value, f"{measure.value}_rate")),
)


def _row(variant: str, tally: Tally) -> Row:
    numbers: Mapping[str, object] = _numbers(tally)
    return (variant, *(numbers[name] for name in _HEADINGS[1:]))


def _table(title: str | None, lines: list[tuple[str, Tally]]) -> Table:
    shares = [
        (variant, tally.sent, *(cell for measure in Measure for cell in _cells(tally, measure)))
        for variant, tally in lines
    ]
    headings = ("variant", ">sent", *(name for each in Measure for name in (f">{each.value}", ">rate")))
    return Table(title, headings, shares)


def _cells(tally: Tally, measure: Measure) -> tuple[int, Share | None]:
    count = tally.count(measure)
    return count, Share.of(count, tally.sent)


def _comparisons(tested: dict[str, Tally]) -> Iterator[Comparison]:
    """For each measure, the best variant against every other."""
    for measure in Measure:
        better = max(tested, key=lambda name: tested[name].rate(measure))
        for other in tested:
            if other != better:
                ours, theirs = tested[better], tested[other]
                counts = (ours.count(measure), theirs.count(measure))
                p = p_value(counts[0], ours.sent, counts[1], theirs.sent)
                yield Comparison(measure, better, other, counts, (ours.sent, theirs.sent), p)


def _comparison_table(compared: list[Comparison]) -> Table:
    rows = [
        (
            each.measure.value,
            f"{each.better} {each.counts[0]} of {each.of[0]}",
            f"{each.other} {each.counts[1]} of {each.of[1]}",
            "-" if each.p_value is None else f"{each.p_value:.3f}",
            each.meaning,
        )
        for each in compared
    ]
    return Table("Two-proportion test", ("by", "better", "other", ">p", "what it means"), rows)


def _remarks(found: ExperimentStatus) -> Iterator[str]:
    if found.experiment.winner:
        yield f"The winner is {found.experiment.winner}: {found.experiment.reason}."
    elif found.experiment.reason:
        yield f"No winner was chosen: {found.experiment.reason}."
    elif found.ends_at:
        yield f"The winner is chosen at {_shown(found.ends_at)}."
    if len(found.tested) > 2:
        yield "With more than two variants, the best is better than one of the others by chance more often."

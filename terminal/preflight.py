"""The check of a campaign file on one screen: the list, the time, the people, the price, and three messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from app.views.messages import ENDED, FORESEEN
from campaigns.money.costs import plain
from terminal.load_report import load_facts, print_reasons
from terminal.output import print_facts, print_sentence, print_text, shown_time
from terminal.progress import span

if TYPE_CHECKING:
    from app.views.drafts.preflight import Preflight
    from app.views.message.sampling import Preview
    from scheduler.forecast.forecast import Estimate

REASONS: Final = 5
"""Reject codes that are shown one by one."""


def print_preflight(found: Preflight) -> None:
    """Print it."""
    print_facts(found.loaded.campaign, [*load_facts(found.loaded), *_facts(found)])
    print_text()
    print_reasons(found.loaded, REASONS)
    if found.unknown:
        print_sentence(f"Opt-outs, earlier messages and rate cards were not looked up: {found.unknown}")
        print_text()
    for warning in found.expected.warnings if found.expected else ():
        print_sentence(warning)
        print_text()
    for preview in found.previews:
        print_preview(preview)


def print_preview(preview: Preview) -> None:
    """One recipient's messages, as they would arrive."""
    blank = f"  blank: {', '.join(preview.blank)}" if preview.blank else ""
    variant = f", variant {preview.variant}" if preview.variant else ""
    for content in preview.forms:
        print_text(f"line {preview.line}  {preview.phone}  ({content.type}{variant}){blank}")
        for text in preview.lines(content):
            print_text(f"  {text}")
        print_text()


def _facts(found: Preflight) -> Iterator[tuple[str, Any]]:
    yield "columns used", ", ".join(found.used)
    if found.unused:
        yield "not used", ", ".join(found.unused)
    yield "starts", shown_time(found.runs[0]) if found.runs else "no time given; --now or --at TIME starts it"
    if len(found.runs) > 1:
        yield "next runs", ", ".join(map(shown_time, found.runs[1:]))
    if found.hours:
        yield "hours", found.hours
    if found.expected is None:
        yield "price", _not_estimated(found)
    else:
        yield from _expected(found.expected)


def _not_estimated(found: Preflight) -> str:
    from app.views.drafts.preflight import MOST

    if found.loaded.report.accepted > MOST:
        name = found.loaded.campaign
        return f"not estimated for more than {MOST:,} recipients; after the load: drumbeat campaign estimate {name}"
    return "unknown: drumbeat.toml has no account to send through"


def _expected(expected: Estimate) -> Iterator[tuple[str, Any]]:
    forms = ", ".join(f"{count:,} as {form}" for form, count in expected.forms.items())
    yield "would be sent", f"{expected.sends:,}" + (f" ({forms})" if len(expected.forms) > 1 else "")
    for reason, count in expected.skips.most_common():
        yield "skipped", f"{count:,} {reason}: {ENDED.get(reason, '')}"
    for rule, count in (*expected.waits.most_common(), *expected.held.most_common()):
        yield "would wait", f"{count:,} {rule}: {FORESEEN.get(rule, '')}"
    yield "price", _price(expected)
    if expected.sends:
        bound = f", limited by {expected.binding.name}" if expected.binding else ""
        yield "takes", f"{span(expected.takes)}{bound}"


def _price(expected: Estimate) -> str:
    costs = [f"{plain(one.low)} to {plain(one.high)} {one.currency}" for one in expected.totals()]
    if not costs:
        return "no price is known; drumbeat rates import adds prices" if expected.sends else "nothing is sent"
    unpriced = f"; {expected.unpriced:,} without a price" if expected.unpriced else ""
    return " and ".join(costs) + unpriced

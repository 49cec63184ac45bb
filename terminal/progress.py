"""Progress of a run, on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from app.views.messages import WAITS
from app.wiring.logs import log_as_json
from campaigns.figures import counted
from campaigns.states import JobState
from campaigns.visible_text import visible
from terminal.output import print_note, shown_time

if TYPE_CHECKING:
    from scheduler.clock.progress import Left, Snapshot, Upcoming

WAITING: Final = "Nothing to send yet."
SENDING: Final = "Sending"
BAR: Final = 30
SHORTEST: Final = 8
"""Characters of the bar, at most and at least."""
QUICK: Final = (
    "pacing",
    "retry",
    "alone",
    "use_template",
    "window_unknown",
    "run_state",
    "lane_paused",
    "no_sender",
)
"""Holds that end in a moment, or that a notice about the campaign or the sender reports."""
EVERY: Final = 5.0
"""Seconds between two lines where there is no terminal."""


class Progress(Protocol):
    def show(self, snapshot: Snapshot) -> None: ...

    def note(self, text: str) -> None:
        """Show a note next to the progress."""

    def close(self) -> None: ...


@contextmanager
def progress_display() -> Iterator[Progress]:
    """The display that suits stderr: a bar on a terminal, lines elsewhere."""
    display: Progress = _Bar() if sys.stderr.isatty() and not log_as_json() else _Lines()
    try:
        yield display
    finally:
        display.close()


class News:
    """What is new in each snapshot, as sentences: runs that ended, what waits, and what comes next."""

    def __init__(self) -> None:
        self._notices: tuple[str, ...] = ()
        self._upcoming: Upcoming | None = None
        self._held: set[tuple[str, datetime | None]] = set()

    def of(self, snapshot: Snapshot) -> Iterator[str]:
        for ended in snapshot.ended:
            yield f"{ended.campaign} is done: {counts_of(ended.states) or 'no messages'}."
        yield from (f"Waiting: {text}" for text in snapshot.notices if text not in self._notices)
        self._notices = snapshot.notices
        yield from self._of_held(snapshot)
        if snapshot.upcoming != self._upcoming:
            self._upcoming = snapshot.upcoming
            if self._upcoming is not None:
                when = f"{shown_time(self._upcoming.at)}, in {span(self._upcoming.at - snapshot.at)}"
                yield f"Next run: {self._upcoming.campaign}, at {when}."

    def _of_held(self, snapshot: Snapshot) -> Iterator[str]:
        """Each rule again only if its messages wait until another time; what the pace holds is no news."""
        held = {(left.rule, left.until) for left in snapshot.held}
        for left in snapshot.held:
            if left.rule not in QUICK and (left.rule, left.until) not in self._held:
                yield f"Waiting: {waits_for(left)}"
        self._held = held or self._held


def waits_for(left: Left) -> str:
    """`3 messages held by hours, the first until …. It is outside the allowed hours …`"""
    until = f", the first until {shown_time(left.until)}" if left.until else ""
    return f"{counted(left.messages, 'message')} held by {left.rule}{until}. {WAITS[left.rule]}"


class _Lines:
    """One line every few seconds, and one for each piece of news."""

    def __init__(self) -> None:
        self._next = 0.0
        self._shown = ""
        self._news = News()

    def show(self, snapshot: Snapshot) -> None:
        for text in self._news.of(snapshot):
            self.note(text)
        text = describe(snapshot)
        if snapshot.total and text != self._shown and time.monotonic() >= self._next:
            print_note(text)
            self._shown = text
            self._next = time.monotonic() + EVERY

    def note(self, text: str) -> None:
        print_note(text)

    def close(self) -> None:
        """Nothing to close."""


class _Bar:
    """One line at the bottom of the terminal: how many, which share, pace, time left and states, as far as they fit."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True)
        self._bar = Live(WAITING, console=self._console, auto_refresh=False)
        self._news = News()
        self._bar.start(refresh=True)

    def show(self, snapshot: Snapshot) -> None:
        from rich.text import Text

        for text in self._news.of(snapshot):
            self.note(text)
        if snapshot.total:
            line = progress_line(snapshot, self._console.width)
            self._bar.update(Text(line, no_wrap=True), refresh=True)

    def note(self, text: str) -> None:
        self._console.print(visible(text), markup=False, highlight=False)

    def close(self) -> None:
        self._bar.stop()


@contextmanager
def row_counter() -> Iterator[Callable[[int], None] | None]:
    """Shows the number of processed rows on one line of a terminal, then clears the line; yields None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        yield lambda rows: _rewrite(f"{rows:,} rows")
    finally:
        _rewrite("")


def _rewrite(text: str) -> None:
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()


def describe(snapshot: Snapshot) -> str:
    """`120/1,000 (12%)  80.0/s  00:11 left  880 pending, 100 sent, 20 delivered`"""
    parts = (_count(snapshot), f"{snapshot.sent_per_second:.1f}/s", _left(snapshot), _states(snapshot))
    return "  ".join(part for part in parts if part)


def progress_line(snapshot: Snapshot, width: int) -> str:
    """The same with a bar, within the width: the count and the share are always there, the rest as far as it fits."""
    line = _count(snapshot)
    for part in (_left(snapshot), f"{snapshot.sent_per_second:.1f}/s"):
        if part and len(line) + len(part) + 2 <= width:
            line += f"  {part}"
    states = _states(snapshot)
    if len(line) + len(states) + 2 <= width:
        line += f"  {states}"
    room = min(BAR, width - len(line) - len(SENDING) - 2)
    if room < SHORTEST:
        return line
    full = round(room * _share(snapshot))
    return f"{SENDING} {'━' * full}{'─' * (room - full)} {line}"


def _count(snapshot: Snapshot) -> str:
    return f"{snapshot.done:,}/{snapshot.total:,} ({percentage(snapshot)})"


def percentage(snapshot: Snapshot) -> str:
    """`99%` until nothing is left."""
    return f"{int(_share(snapshot) * 100)}%"


def _share(snapshot: Snapshot) -> float:
    return snapshot.done / snapshot.total if snapshot.total else 0.0


def _left(snapshot: Snapshot) -> str:
    if snapshot.eta_seconds is None or snapshot.done >= snapshot.total:
        return ""
    hours, rest = divmod(round(timedelta(seconds=snapshot.eta_seconds).total_seconds()), 3600)
    minutes, seconds = divmod(rest, 60)
    return (f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}") + " left"


def _states(snapshot: Snapshot) -> str:
    return counts_of(snapshot.states)


def counts_of(states: Mapping[str, int]) -> str:
    """`880 pending, 100 sent, 20 delivered, 1 failed`: the states in the order of a message's journey."""
    return ", ".join(
        f"{states[state]:,} {state.replace('_', ' ')}" for state in JobState if states.get(state)
    )


def span(length: timedelta) -> str:
    """`2 d 3 h`, `4 min 10 s`, `0.5 s`: the two largest units."""
    seconds = length.total_seconds()
    units = (("d", 86_400), ("h", 3_600), ("min", 60))
    for place, (name, size) in enumerate(units):
        if seconds >= size:
            whole, rest = divmod(round(seconds), size)
            smaller, unit = units[place + 1] if place + 1 < len(units) else ("s", 1)
            return f"{whole} {name} {rest // unit} {smaller}"
    return f"{seconds:.3g} s"

"""Progress of a run, on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from app.wiring.logs import log_as_json
from campaigns.visible_text import visible
from terminal.output import print_note

if TYPE_CHECKING:
    from scheduler.clock.progress import Snapshot

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


class _Lines:
    """One line every few seconds, and one for each new notice."""

    def __init__(self) -> None:
        self._next = 0.0
        self._shown = ""
        self._notices: tuple[str, ...] = ()

    def show(self, snapshot: Snapshot) -> None:
        self._show_notices(snapshot)
        text = describe(snapshot)
        if snapshot.total and text != self._shown and time.monotonic() >= self._next:
            print_note(text)
            self._shown = text
            self._next = time.monotonic() + EVERY

    def note(self, text: str) -> None:
        print_note(text)

    def close(self) -> None:
        """Nothing to close."""

    def _show_notices(self, snapshot: Snapshot) -> None:
        for notice in snapshot.notices:
            if notice not in self._notices:
                self.note(f"Waiting: {notice}")
        self._notices = snapshot.notices


class _Bar:
    """A bar with done/total, rate, time left and states."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("Sending"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[states]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("", total=None, rate="", left="", states="waiting for what is due")
        self._notices: tuple[str, ...] = ()
        self._bar.start()

    def show(self, snapshot: Snapshot) -> None:
        for notice in snapshot.notices:
            if notice not in self._notices:
                self.note(f"Waiting: {notice}")
        self._notices = snapshot.notices
        if not snapshot.total:
            return
        self._bar.update(
            self._task,
            total=snapshot.total,
            completed=snapshot.done,
            rate=f"{snapshot.sent_per_second:.1f}/s",
            left=_left(snapshot),
            states=_states(snapshot),
        )

    def note(self, text: str) -> None:
        self._bar.console.print(visible(text), markup=False)

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
    share = snapshot.done / snapshot.total if snapshot.total else 0
    parts = (
        f"{snapshot.done:,}/{snapshot.total:,} ({share:.0%})",
        f"{snapshot.sent_per_second:.1f}/s",
        _left(snapshot),
        _states(snapshot),
    )
    return "  ".join(part for part in parts if part)


def _left(snapshot: Snapshot) -> str:
    if snapshot.eta_seconds is None or snapshot.done >= snapshot.total:
        return ""
    hours, rest = divmod(round(timedelta(seconds=snapshot.eta_seconds).total_seconds()), 3600)
    minutes, seconds = divmod(rest, 60)
    return (f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}") + " left"


def _states(snapshot: Snapshot) -> str:
    return ", ".join(
        f"{count:,} {state.replace('_', ' ')}" for state, count in snapshot.states.items() if count
    )

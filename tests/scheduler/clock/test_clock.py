"""The clock to work by: it follows what it reads, and believes no clock that was set before that has stood."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.time.clock import LOOK_EVERY, STANDS, ClockCorrection, SteadyClock, ticks
from scheduler.engines.shared_clock import SharedClock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Machine:
    """A machine's two clocks: one that is set, and one that nobody sets."""

    def __init__(self) -> None:
        self.ticks, self.shown = 100.0, NOON
        self.clock = SteadyClock(lambda: self.shown, lambda: self.ticks)

    def after(self, seconds: float) -> datetime:
        self.ticks += seconds
        self.shown += timedelta(seconds=seconds)
        return self.clock()

    def set(self, by: timedelta) -> None:
        self.shown += by


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_it_goes_with_the_clock_and_follows_a_drift(machine: Machine) -> None:
    assert machine.after(5) == NOON + timedelta(seconds=5)
    for _ in range(10):
        machine.set(timedelta(seconds=1.5))
        machine.after(1)
    assert machine.clock() == machine.shown
    assert machine.clock.settled


@pytest.mark.parametrize("hours", [2, -3])
def test_a_clock_that_is_wrong_for_a_moment_changes_nothing(machine: Machine, hours: int) -> None:
    machine.set(timedelta(hours=hours))
    assert machine.after(STANDS - 0.1) == NOON + timedelta(seconds=STANDS - 0.1)
    assert not machine.clock.settled
    assert machine.clock.step == timedelta(hours=hours)
    machine.set(timedelta(hours=-hours))
    assert machine.after(0.1) == NOON + timedelta(seconds=STANDS)
    assert machine.clock.settled
    assert machine.clock.take_correction() is None


@pytest.mark.parametrize("hours", [2, -3])
def test_a_consistent_clock_is_trusted(machine: Machine, hours: int) -> None:
    machine.set(timedelta(hours=hours))
    machine.after(0)
    assert machine.after(STANDS) == machine.shown
    assert machine.clock.settled


def test_a_clock_that_is_set_is_noticed_within_a_millisecond(machine: Machine) -> None:
    machine.after(1)
    machine.set(timedelta(hours=1))
    machine.after(LOOK_EVERY)
    assert LOOK_EVERY <= 0.001
    assert not machine.clock.settled


def test_each_further_step_must_be_consistent_again(machine: Machine) -> None:
    for _ in range(5):
        machine.set(timedelta(hours=1))
        machine.after(STANDS / 2)
    assert machine.clock() == NOON + 5 * timedelta(seconds=STANDS / 2)
    assert not machine.clock.settled


def test_a_clock_that_was_ahead_reports_by_how_much_and_since_when(machine: Machine) -> None:
    machine.set(timedelta(hours=2))
    machine.after(0)
    ahead_since = machine.after(STANDS)
    assert machine.clock.take_correction() is None
    machine.set(timedelta(hours=-2))
    machine.after(60)
    machine.after(STANDS)
    assert machine.clock.take_correction() == ClockCorrection(timedelta(hours=2), ahead_since)
    assert machine.clock.take_correction() is None


def test_a_clock_that_was_ahead_from_the_start_is_wrong_since_then(machine: Machine) -> None:
    machine.set(timedelta(hours=-2))
    machine.after(0)
    machine.after(STANDS)
    assert machine.clock.take_correction() == ClockCorrection(timedelta(hours=2), NOON)


def test_the_clock_of_a_server_goes_on_between_two_readings() -> None:
    clock = SharedClock(NOON, ticks() - 60)
    assert clock() >= NOON + timedelta(seconds=60)
    assert clock.settled

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest

from tests.providers.contract import SECRET, SECRET_PLACE
from tests.providers.harness import HOOK_SECRET, KEY, SIGNING
from tests.support.emulator import Emulator, running_emulator


@pytest.fixture(autouse=True)
def _secret_in_place(monkeypatch):
    monkeypatch.setenv(SECRET_PLACE.removeprefix("env:"), SECRET)


def pytest_asyncio_loop_factories(config, item):
    """The table of failures runs on both loops that a run can have: each breaks in its own words."""
    factories = {"asyncio": asyncio.SelectorEventLoop}
    if sys.platform != "win32" and "test_transport_failures" in item.nodeid:
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    """One emulator process for all tests of a worker."""
    with running_emulator(
        sent_after=0.02, delivered_after=0.05, read_after=0.1, read_percent=100
    ) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator as it was at its start, and the secrets of the account at it."""
    running.clear_faults()
    running.reset()
    monkeypatch.setenv(KEY, running.api_key)
    monkeypatch.setenv(HOOK_SECRET, SIGNING)
    return running

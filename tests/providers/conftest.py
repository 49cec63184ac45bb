from __future__ import annotations

import asyncio
import sys

import pytest

from tests.providers.contract import SECRET, SECRET_PLACE


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

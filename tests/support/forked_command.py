"""Imported by the process from which the tests' processes are forked, so that each of them starts quickly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.support import short_leases
from tests.support.project import environment

short_leases.shorten_leases()
for module in (
    "terminal.commands.run",
    "terminal.commands.worker",
    "terminal.running",
    "app.wiring.settings",
    "app.wiring.databases",
):
    import_module(module)
for module in ("scheduler.clock.runner", "scheduler.engines.worker", "scheduler.engines.procrastinate"):
    import_module(module)


def command(arguments: Sequence[str], folder: Path, log: Path, plant: str | None) -> None:
    """What a forked process runs: the command."""
    os.chdir(folder)
    os.environ.update(environment())
    with log.open("ab") as log_file:
        os.dup2(log_file.fileno(), 1)
        os.dup2(log_file.fileno(), 2)
    if plant is not None:
        from tests.support.planted import PLANTS

        PLANTS[plant]()
    short_leases.run(*arguments)

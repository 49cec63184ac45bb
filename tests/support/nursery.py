"""Imported by the process that the crew's processes are forked from: they are then at work in no time, and a machine
that starts one again and again has time for something else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.support import hasty
from tests.support.project import environment

hasty.hasten()
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
    """What a process of the crew does with its life."""
    os.chdir(folder)
    os.environ.update(environment())
    with log.open("ab") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    if plant is not None:
        from tests.support.planted import PLANTS

        PLANTS[plant]()
    hasty.run(*arguments)

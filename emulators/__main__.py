"""`python -m emulators`: the emulator as a subprocess of a test or a demonstration."""

from __future__ import annotations

import os

PARENT = os.getppid()  # before the slow imports, so that a parent that dies during them is noticed

import argparse  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

from emulators.serve import run  # noqa: E402
from emulators.settings import Settings  # noqa: E402


def main() -> None:
    """Read the command line and serve."""
    arguments = _parse()
    options = json.loads(arguments.settings)
    options["faults"] = [*options.get("faults", []), *json.loads(arguments.faults)]
    run(
        arguments.host,
        arguments.port,
        Settings.parse(options),
        ready=lambda port: _write_port(arguments.port_file, port),
        parent=PARENT if arguments.with_parent else None,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m emulators", description="Serve the provider emulators.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8899, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="where to write the bound port once ready")
    parser.add_argument("--with-parent", action="store_true", help="stop when the parent process dies")
    parser.add_argument("--settings", default="{}", help="options as a JSON object (emulators.settings)")
    parser.add_argument("--faults", default="[]", help="faults as a JSON list (emulators.faults)")
    return parser.parse_args()


def _write_port(path: Path | None, port: int) -> None:
    if path is None:
        return
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(str(port))
    unfinished.replace(path)


if __name__ == "__main__":
    main()
